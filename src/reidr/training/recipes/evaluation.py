"""Settings of the evaluation at the end of `reidr train RECIPE`."""

from __future__ import annotations

from pydantic import Field

from reidr.core.defaults import DEFAULT_K
from reidr.core.recipe import Recipe


class EvaluationRecipe(Recipe):
    """What is measured when everything is trained: each data set's test split, beside retriever and oracle."""

    data: tuple[str, ...] = Field(
        (),
        description="data sets to measure on, by name (a folder of $REIDR_DATA) or path; empty: those trained on that "
        "have a test split, and the one that was left out",
    )
    k: int = Field(DEFAULT_K, ge=1, le=50, description="first candidates of each query that the reasoner compares")
    queries: int | None = Field(None, ge=1, description="most queries per data set, sampled by the seed; null: all")
    think: int = Field(0, ge=0, description="of the candidates, those for which it also writes a reason")
    tuning_queries: int = Field(200, ge=10, description="queries of held-out people on which fusion is tuned")
    seed: int = Field(0, ge=0, description="seed of the sampled queries")
