"""The rows of an evaluation as lines of a table and as plain JSON, with intervals and gains over other rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reidr.core.run import environment
from reidr.evaluation.experiment.outcome import Outcome
from reidr.evaluation.experiment.rows import Interval, MetricRow, Row, built_on
from reidr.evaluation.metrics.names import values_per_query
from reidr.evaluation.metrics.statistics import bootstrap_interval, paired_bootstrap
from reidr.evaluation.results.numbers import numbers_of, people_of


def rows_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """`{"rows": [...], "dataset": ..., ...}`: the rows as `schema.ResultRow` has them, and the numbers beside them."""
    first = outcomes[0]
    return {
        "rows": [row_json(row) for row in metric_rows(outcomes)],
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


def row_json(row: MetricRow) -> dict[str, Any]:
    """One row as plain JSON, as `schema.ResultRow` has it: the metrics stand beside the name."""
    return {
        "name": row.name,
        "role": row.role,
        "variant": row.variant,
        "built_on": list(row.built_on),
        **{name: float(value) for name, value in row.metrics.items()},
        "queries": row.queries,
        "calls": row.calls,
        "seconds": row.seconds,
        "note": row.note,
        "intervals": plain_intervals(row.intervals),
        "gains": plain_intervals(row.gains),
        "gains_over": {other: plain_intervals(gains) for other, gains in row.gains_over.items()},
    }


def plain_intervals(intervals: Mapping[str, Interval]) -> dict[str, list[float]]:
    """Intervals by metric, as JSON has them."""
    return {name: [float(end) for end in ends] for name, ends in intervals.items()}


def metric_rows(outcomes: Sequence[Outcome]) -> tuple[MetricRow, ...]:
    """The lines of the table: means over the trials; intervals over persons where there is one trial."""
    return tuple(metric_row(outcomes, position) for position in range(len(outcomes[0].rows)))


def metric_row(outcomes: Sequence[Outcome], position: int) -> MetricRow:
    """One line of `metric_rows`."""
    first = outcomes[0]
    row, alone = first.rows[position], len(outcomes) == 1
    calls, seconds = cost_of_row(outcomes, position)
    return MetricRow(
        row.name,
        mean_metrics(outcomes, position),
        intervals=intervals(first, row) if alone else {},
        gains=gains(first, row) if alone and position else {},
        gains_over=gains_over(first, row) if alone else {},
        queries=int(row.result.evaluated.sum()),
        calls=calls,
        seconds=round(seconds, 3),
        note=row.note,
        role=row.role,
        variant=row.variant,
        built_on=row.built_on,
    )


def mean_metrics(outcomes: Sequence[Outcome], position: int) -> dict[str, float]:
    """Metrics of one row, averaged over the trials of a protocol with draws."""
    tables: list[dict[str, float]] = [outcome.rows[position].metrics() for outcome in outcomes]
    return {name: float(np.mean([metrics[name] for metrics in tables])) for name in tables[0]}


def cost_of_row(outcomes: Sequence[Outcome], position: int) -> tuple[int, float]:
    """Calls and seconds of one row, all trials together."""
    rows = [outcome.rows[position] for outcome in outcomes]
    return sum(row.calls for row in rows), sum(row.seconds for row in rows)


def intervals(outcome: Outcome, row: Row) -> dict[str, Interval]:
    """95 % bootstrap interval over persons of every compared metric; none where all queries show one person.

    Resampling one person always gives the same mean: its interval of no width would claim to be certain.
    """
    people = people_of(outcome)
    if len(set(people)) < 2:
        return {}
    return {name: bootstrap_interval(values, groups=people) for name, values in values_per_query(row.result).items()}


def gains(outcome: Outcome, row: Row, base: Row | None = None) -> dict[str, Interval]:
    """95 % paired bootstrap interval over persons of the difference to `base` (the first row), by metric.

    Of no width where all queries show one person, which the headline treats as unknown.
    """
    before, people = values_per_query((outcome.rows[0] if base is None else base).result), people_of(outcome)
    after = values_per_query(row.result)
    return {name: paired_bootstrap(values, before[name], groups=people) for name, values in after.items()}


def gains_over(outcome: Outcome, row: Row) -> dict[str, dict[str, Interval]]:
    """`gains` of a reasoner's row over the rows that it is built on, without the retriever's, which `gains` has."""
    if row.role != "reasoner":
        return {}
    others = [other for other in built_on(row, outcome.rows) if other.role != "retriever"]
    return {other.name: gains(outcome, row, other) for other in others}
