"""From measured outcomes to what people and programs read: the JSON of rows, the table, the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from reidr.evaluation.cards import query_card
from reidr.evaluation.curves import curves_of, numbers_of, people_of
from reidr.evaluation.experiment import Outcome, Row, mean_metrics
from reidr.evaluation.left_out import queries_without_match
from reidr.evaluation.report import MetricRow, Report
from reidr.evaluation.report.rows import Interval, built_on, role_of
from reidr.evaluation.report.tables import METRIC_ORDER, METRIC_TITLES
from reidr.evaluation.statements import CHECKED, what_is_known
from reidr.evaluation.statistics import bootstrap_interval, paired_bootstrap
from reidr.frame.run import environment


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


def text_table(outcomes: Sequence[Outcome]) -> str:
    """The rows as aligned text in percent, for a terminal."""
    names = [row.name for row in outcomes[0].rows]
    width = max(len(name) for name in names)
    lines = [
        f"{'':<{width}}  "
        + "".join(f"{METRIC_TITLES[name]:>8}" for name in METRIC_ORDER)
        + f"{'calls':>9}{'seconds':>9}"
    ]
    for position, row in enumerate(outcomes[0].rows):
        metrics = mean_metrics(outcomes, position)
        values = "".join(f"{100 * metrics[name]:8.1f}" for name in METRIC_ORDER)
        calls, seconds = cost_of_row(outcomes, position)
        lines.append(f"{row.name:<{width}}  {values}{calls:9d}{seconds:9.1f}")
    return "\n".join(lines)


def build_report(
    outcomes: Sequence[Outcome],
    *,
    title: str,
    subtitle: str = "",
    notice: str = "",
    facts: Mapping[str, str | int | float],
    left_out: Sequence[str] = (),
    remarks: Sequence[str] = (),
) -> Report:
    """The page of an evaluation: the table over all trials, as `rows_json` has it; curves and cards of the first.

    Args:
        left_out: sentences about what took no part, beside those that the outcomes themselves hold.
        remarks: sentences about how the scores were made, such as those of a back end's counts.
    """
    outcome = outcomes[0]
    known = what_is_known((*outcome.trial.query, *outcome.trial.gallery))
    return Report(
        title=title,
        subtitle=subtitle,
        notice=notice,
        created=now(),
        facts=facts,
        metric_rows=tuple(metric_row(outcomes, position) for position in range(len(outcome.rows))),
        query_cards=tuple(query_card(outcome, position, known) for position in range(len(outcome.trial.query))),
        curves=curves_of(outcome),
        checked=CHECKED[known] if outcome.verdicts else "",
        protocol=outcome.trial.protocol.name,
        trials=len(outcomes),
        numbers=numbers_of(outcome) if len(outcomes) == 1 else {},
        left_out=all_left_out(outcomes, left_out),
        remarks=tuple(remarks),
    )


def all_left_out(outcomes: Sequence[Outcome], more: Sequence[str] = ()) -> tuple[str, ...]:
    """Each sentence about what took no part, once: `more`, the outcomes' unusable pictures, queries without match."""
    told = [*more, *(sentence for outcome in outcomes for sentence in outcome.problems)]
    return tuple(dict.fromkeys([*told, *(each.text for each in queries_without_match(outcomes))]))


def now() -> str:
    """Date and time of this moment, for a page."""
    return datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")


def metric_row(outcomes: Sequence[Outcome], position: int) -> MetricRow:
    """A table row: means over the trials; intervals over persons where there is one trial."""
    row = outcomes[0].rows[position]
    calls, seconds = cost_of_row(outcomes, position)
    alone = len(outcomes) == 1
    return MetricRow(
        row.name,
        mean_metrics(outcomes, position),
        intervals=intervals(outcomes[0], row) if alone else {},
        gains=gains(outcomes[0], row) if alone and position else {},
        gains_over=gains_over(outcomes[0], row) if alone else {},
        queries=int((row.result.matches > 0).sum()),
        calls=calls,
        seconds=seconds,
        note=row.note,
    )
