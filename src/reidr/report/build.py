"""From measured outcomes to what people and programs read: the JSON of rows, the table, the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from reidr.evaluation.experiment.experiment import Outcome, mean_metrics
from reidr.evaluation.experiment.left_out import queries_without_match
from reidr.evaluation.results.numbers import numbers_of
from reidr.evaluation.results.rows import cost_of_row, gains, gains_over, intervals
from reidr.reasoning.rationales.statements import CHECKED, what_is_known
from reidr.report import MetricRow, Report
from reidr.report.cards import query_card
from reidr.report.curves import curves_of
from reidr.report.files.csv_json import METRIC_ORDER, METRIC_TITLES


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
