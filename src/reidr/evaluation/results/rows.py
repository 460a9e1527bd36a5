"""The rows of an evaluation as plain JSON, each with its intervals and its gains over the rows without a reasoner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reidr.core.run import environment
from reidr.evaluation.experiment.experiment import Outcome, Row, mean_metrics
from reidr.evaluation.experiment.rows import Interval, MetricRow, built_on, role_of
from reidr.evaluation.metrics.statistics import bootstrap_interval, paired_bootstrap
from reidr.evaluation.results.numbers import numbers_of, people_of


def rows_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The public shape of `reidr evaluate --json`: `{"rows": [{"name", "mAP", "rank1", …}, …], …}`, shares of 1."""
    first = outcomes[0]
    rows = []
    for position, row in enumerate(first.rows):
        values: dict[str, Any] = {"name": row.name, **mean_metrics(outcomes, position)}
        values["calls"], seconds = cost_of_row(outcomes, position)
        values["seconds"] = round(seconds, 3)
        if row.note:
            values["note"] = row.note
        if len(outcomes) == 1:
            values["intervals"] = {name: list(pair) for name, pair in intervals(first, row).items()}
            if position:
                values["gains"] = {name: list(pair) for name, pair in gains(first, row).items()}
            others = gains_over(first, row)
            if others:
                values["gains_over"] = {
                    other: {name: list(pair) for name, pair in found.items()} for other, found in others.items()
                }
        rows.append(values)
    return {
        "rows": rows,
        "dataset": first.dataset,
        "protocol": first.trial.protocol.name,
        "trials": len(outcomes),
        "queries": len(first.trial.query),
        "queries_without_match": first.rows[0].result.queries_without_match,
        "gallery": len(first.trial.gallery),
        "interval": "95 % percentile bootstrap over persons, with all their queries, 1,000 draws",
        **(numbers_of(first) if len(outcomes) == 1 else {}),
        "problems": list(first.problems),
        "environment": environment(),
    }


def cost_of_row(outcomes: Sequence[Outcome], position: int) -> tuple[int, float]:
    """Calls and seconds of one row, all trials together."""
    each = [outcome.rows[position] for outcome in outcomes]
    return sum(row.calls for row in each), sum(row.seconds for row in each)


def per_query(row: Row) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """Per-query values whose means are mAP and Rank-1; queries without a match left out."""
    result = row.result
    valid = result.matches > 0
    return {
        "mAP": result.average_precision[valid],
        "rank1": (result.first_match_rank[valid] <= 1).astype(float),
    }


def intervals(outcome: Outcome, row: Row) -> dict[str, tuple[float, float]]:
    """95 % bootstrap interval over persons of mAP and Rank-1; none where all queries show one person.

    Resampling one person always gives the same mean: its interval of no width would claim to be certain.
    """
    people = people_of(outcome)
    if len(set(people)) < 2:
        return {}
    return {name: bootstrap_interval(values, groups=people) for name, values in per_query(row).items()}


def gains(outcome: Outcome, row: Row, base: Row | None = None) -> dict[str, Interval]:
    """95 % paired bootstrap interval over persons of the difference to `base` (the first row), for mAP and Rank-1.

    Of no width where all queries show one person, which the headline takes for no knowledge at all.
    """
    before, people = per_query(outcome.rows[0] if base is None else base), people_of(outcome)
    return {name: paired_bootstrap(values, before[name], groups=people) for name, values in per_query(row).items()}


def gains_over(outcome: Outcome, row: Row) -> dict[str, dict[str, Interval]]:
    """`gains` of a reasoner's row over the rows without one that its list starts from, by name; the retriever's, which
    `gains` itself has, is left out."""
    if role_of(row.name) != "reasoner":
        return {}
    by_name = {each.name: each for each in outcome.rows}
    plain = [MetricRow(each.name, {}) for each in outcome.rows]
    without = [each.name for each in built_on(MetricRow(row.name, {}), plain) if each.role != "retriever"]
    return {name: gains(outcome, row, by_name[name]) for name in without}
