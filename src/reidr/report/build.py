"""From measured outcomes to what people and programs read: the JSON of rows, the table, the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from reidr.evaluation.experiment.left_out import queries_without_match
from reidr.evaluation.experiment.outcome import Outcome
from reidr.evaluation.results.numbers import numbers_of
from reidr.evaluation.results.rows import cost_of_row, mean_metrics, metric_rows
from reidr.reasoning.rationales.statements import CHECKED, what_is_known
from reidr.report import Report
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
        notice=notice,
        created=now(),
        facts=facts,
        metric_rows=metric_rows(outcomes),
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
