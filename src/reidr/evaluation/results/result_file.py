"""Writing and reading the file of `reidr evaluate --json` (its form is `schema.py`)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from reidr.core.text import whole
from reidr.data.types import ReIDDataset
from reidr.errors import ReIDError
from reidr.evaluation.experiment.left_out import left_out_of
from reidr.evaluation.experiment.outcome import Outcome
from reidr.evaluation.results.rows import rows_json
from reidr.evaluation.results.schema import SCHEMA, EvaluationResult


def result_document(
    outcomes: Sequence[Outcome], dataset: ReIDDataset, provenance: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Plain JSON of everything that was measured: an `EvaluationResult` and, beside it, the numbers of `numbers.py`.

    `provenance`: what made the numbers (command, retriever, reasoner, seed, …); versions and commit are added.
    """
    first = outcomes[0]
    document = rows_json(outcomes)
    result = first.rows[0].result
    return {
        "schema": SCHEMA,
        **document,
        "average_precision": result.rule,
        "ties": result.ties,
        "per_query": per_query_values(outcomes),
        "left_out": [entry.model_dump(mode="json") for entry in left_out_of(dataset, outcomes)],
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
        if row.role == "oracle" or any(len(each.matches) != len(queries) for each in results):
            continue
        first_is_right = [np.where(each.evaluated, each.hits[:, 0], np.nan) for each in results]
        rows[row.name] = {
            "average_precision": _mean([each.average_precision for each in results]),
            "rank1": _mean(first_is_right),
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
