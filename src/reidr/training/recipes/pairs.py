"""Settings of candidate-pair mining (`reidr pairs`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from reidr.core.recipe import Recipe
from reidr.training.recipes.retriever import EmbedderTraining


class PairsRecipe(Recipe):
    """How candidate pairs are mined, always by an embedder that was not trained on their people (`reidr pairs`)."""

    data: tuple[str, ...] = Field(
        (),
        description="data sets with a training split, by name (a folder of $REIDR_DATA) or by path; "
        "source `pretraining` uses those of its run instead",
    )
    source: Literal["pretraining", "retriever", "folds"] = Field(
        "pretraining",
        description="embedder that ranks the candidates: the vision encoder of a pretraining run, on identities it was "
        "not trained on; a trained retriever, on the identities it held out; or `folds`: one retriever per fold, "
        "trained here on the other folds",
    )
    pretraining: Path = Field(
        Path("runs/pretraining"), description="run folder of `reidr train pretraining` (source pretraining)"
    )
    retriever: str = Field("lite", description="retriever, by name or folder (source retriever)")
    folds: int = Field(3, ge=2, description="folds over identities (source folds)")
    training: EmbedderTraining = Field(
        EmbedderTraining(), description="training of the folds' retrievers (source folds)"
    )
    held_out_share: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="share of identities whose pairs are for validation only (sources retriever and folds)",
    )
    street: bool = Field(
        True, description="also mine pairs of rendered people; they are always mined where there are no photos"
    )
    held_out_street_people: int = Field(
        60, ge=4, description="rendered people whose pairs are for validation only (source pretraining)"
    )
    queries: int = Field(4000, ge=1, description="most query crops per fold and data set, sampled by the seed")
    selection: str = Field(
        "spread-over-ranks",
        description="rule that selects pairs among a query's ranked candidates: `spread-over-ranks`, "
        "`spread-over-others` (for data sets with many crops of each person), or a function of your own as "
        "module:function",
    )
    positives: int = Field(
        3, ge=1, description="most positive pairs per query: its worst-ranked true match, then evenly up to its best"
    )
    negatives: int = Field(
        4, ge=1, description="most negative pairs per query: its best-ranked other person, then evenly further down"
    )
    positive_ranks: int | None = Field(
        None,
        ge=1,
        description="positives are taken from this many first ranks, so that they are like those that a verifier is"
        " asked about; without it from all, and the worst of them teach that looking alike means little",
    )
    negative_ranks: int = Field(
        20,
        ge=1,
        description="negatives are taken from this many first ranks (of other people, by `spread-over-others`)",
    )
    pairs: int = Field(8000, ge=2, description="most training pairs kept, both labels together")
    pairs_per_image: float | None = Field(
        None,
        gt=0,
        description="training pairs kept for each training image of a data set, in place of `pairs`: a data set's "
        "share is then that of its images, not an equal one",
    )
    validation_lists: bool = Field(
        True, description="also use the images that MSMT17 lists for validation; without them it has 30,248"
    )
    held_out_pairs: int = Field(1000, ge=0, description="most validation pairs kept, both labels together")
    seed: int = Field(0, ge=0, description="seed of sampled queries and pairs, and of the folds")
