"""The file that `reidr evaluate --json` writes: a versioned schema (docs/evaluating.md), written and read here alone.

Within one version names are added, never changed or taken away, so a reader must accept names that it does not know.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reidr.core.text import whole
from reidr.data.types import ReIDDataset
from reidr.errors import ReIDError
from reidr.evaluation.experiment.left_out import left_out_of
from reidr.evaluation.experiment.outcome import Outcome
from reidr.evaluation.experiment.rows import role_of
from reidr.evaluation.results.rows import rows_json

SCHEMA = "reidr/evaluation/1"
ROUNDING = 1e-6  # sums in another order
FAMILY = SCHEMA.rpartition("/")[0]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Pair = Annotated[list[float], Field(min_length=2, max_length=2)]


class _Part(BaseModel):
    """Unknown names are kept: a newer writer of the same version may have added some. "0.5" and true are no numbers."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, strict=True)


class ResultRow(_Part):
    """One way of ranking: metrics as shares of 1, over the queries that have a match."""

    name: str
    role: str
    variant: str = ""
    m_ap: Share = Field(alias="mAP")
    rank1: Share
    rank5: Share
    rank10: Share
    m_inp: Share = Field(alias="mINP")
    calls: int
    seconds: float
    note: str = ""
    intervals: dict[str, Pair] = Field(default_factory=dict)
    gains: dict[str, Pair] = Field(default_factory=dict)


class RowValues(_Part):
    """Values of each query, in the order of `PerQuery.ids`; None for a query without a match."""

    average_precision: list[Share | None]
    rank1: list[Share | None]
    first_match_rank: list[Annotated[float, Field(ge=1)] | None] | None = None


class PerQuery(_Part):
    """What every query found, by row; the oracle's row is left out. Means over the draws where there are several."""

    ids: list[str]
    persons: list[str | None]
    matches: list[Count]
    rows: dict[str, RowValues]

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        lengths = {len(self.ids), len(self.persons), len(self.matches)}
        for row in self.rows.values():
            lengths |= {len(row.average_precision), len(row.rank1)}
            lengths |= set() if row.first_match_rank is None else {len(row.first_match_rank)}
        if len(lengths) > 1:
            raise ValueError("per_query: its lists are not of one length")
        if len(set(self.ids)) != len(self.ids):
            raise ValueError("per_query: an id occurs twice")
        return self


class LeftOutEntry(_Part):
    """See `reidr.evaluation.experiment.left_out.LeftOut`."""

    kind: str
    text: str
    count: int | None = None
    names: list[str] = Field(default_factory=list)


class EvaluationResult(_Part):
    """A whole result file."""

    version: Literal["reidr/evaluation/1"] = Field(alias="schema")
    dataset: str
    protocol: str
    average_precision: Literal["exact", "trapezoid"]
    ties: str
    trials: Annotated[int, Field(ge=1)]
    queries: Count
    queries_without_match: Count
    gallery: Count
    rows: list[ResultRow]
    per_query: PerQuery
    left_out: list[LeftOutEntry]
    notes: list[str]
    requests: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        """With one draw the table's numbers are those of the queries: a file that was edited by hand is refused."""
        if self.trials > 1:
            return self
        part = self.per_query
        for what, said, found in (
            ("queries", self.queries, len(part.ids)),
            ("queries_without_match", self.queries_without_match, part.matches.count(0)),
        ):
            if said != found and any(part.matches):
                raise ValueError(f"{what} is {said}, but per_query has {found}")
        names = [row.name for row in self.rows]
        for row in self.rows:
            own = part.rows.get(row.name) if names.count(row.name) == 1 else None
            known = [] if own is None else [value for value in own.average_precision if value is not None]
            if known and abs(row.m_ap - sum(known) / len(known)) > ROUNDING:
                raise ValueError(f"mAP of {row.name} is {row.m_ap:.6g}, but per_query gives {np.mean(known):.6g}")
        return self


def result_document(
    outcomes: Sequence[Outcome], dataset: ReIDDataset, provenance: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Plain JSON of everything that was measured; all names of earlier releases are kept beside the schema's own.

    `provenance`: what made the numbers (command, retriever, reasoner, seed, …); versions and commit are added.
    """
    first = outcomes[0]
    document = rows_json(outcomes)
    for row, measured in zip(document["rows"], first.rows, strict=True):
        row["role"], row["variant"] = role_of(measured.name), measured.variant
    result = first.rows[0].result
    return {
        "schema": SCHEMA,
        **document,
        "average_precision": result.rule,
        "ties": result.ties,
        "per_query": per_query_values(outcomes),
        "left_out": [
            {
                "kind": each.kind,
                "text": whole(each.text),
                "count": each.count,
                "names": [whole(name) for name in each.names],
            }
            for each in left_out_of(dataset, outcomes)
        ],
        "notes": [whole(note) for note in dataset.notes],
        "provenance": {**(provenance or {}), **document["environment"]},
    }


def per_query_values(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Average precision and first match of every query by row, means over the trials; oracles are left out."""
    first = outcomes[0]
    queries = first.trial.query
    rows: dict[str, Any] = {}
    for position, row in enumerate(first.rows):
        results = [outcome.rows[position].result for outcome in outcomes]
        # An embedder of its own may have failed on other pictures: its queries are then not these.
        if role_of(row.name) == "oracle" or any(len(each.matches) != len(queries) for each in results):
            continue
        hit = [np.where(each.matches > 0, each.hits[:, 0], np.nan) for each in results]
        rows[row.name] = {
            "average_precision": _mean([each.average_precision for each in results]),
            "rank1": _mean(hit),
        }
        if len(outcomes) == 1:
            rows[row.name]["first_match_rank"] = _mean([results[0].first_match_rank])
    return {
        "ids": [whole(query.id) for query in queries],
        "persons": [None if query.person is None else whole(query.person) for query in queries],
        "matches": first.rows[0].result.matches.tolist(),
        "rows": rows,
    }


def read_result(path: Path) -> EvaluationResult:
    """A result file. Raises ReIDError in one sentence for anything else, and for another version of the schema."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ReIDError(f"{path}: cannot be read ({error.strerror}); check the path and its rights") from None
    except RecursionError:
        raise ReIDError(f"{path}: is nested too deeply; give a file that `reidr evaluate --json` wrote") from None
    except ValueError as error:  # not UTF-8, or not JSON
        raise ReIDError(f"{path}: is no JSON file ({error}); give a file that `reidr evaluate --json` wrote") from None
    version = content.get("schema") if isinstance(content, dict) else None
    if version != SCHEMA:
        old = isinstance(content, dict) and "rows" in content and version is None
        what = f"has schema {version!r}" if version is not None else "names no schema"
        why = "; it was written before results had one" if old else ""
        raise ReIDError(f"{path}: {what}, and this version reads {SCHEMA}{why}; run `reidr evaluate --json` again")
    try:
        return EvaluationResult.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"]) or "the file"
        said = problem["msg"].removeprefix("Value error, ")
        raise ReIDError(
            f"{path}: does not follow {SCHEMA}: {place}: {said}; run `reidr evaluate --json` again"
        ) from None


def _mean(values: list[Any]) -> list[float | None]:
    """The mean over the trials in which a query has a match; None where it has none at all."""
    table = np.asarray(values, dtype=np.float64)
    there = ~np.isnan(table)
    count = there.sum(axis=0)
    sums = np.where(there, table, 0.0).sum(axis=0)
    means = [float(total / number) if number else math.nan for total, number in zip(sums, count, strict=True)]
    return [None if math.isnan(value) else value for value in means]
