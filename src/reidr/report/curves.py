"""The curves and single numbers of an outcome: CMC, reliability, risk-coverage, open set, oracle gain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reidr.evaluation.experiment.cost_curve import Point
from reidr.evaluation.experiment.outcome import Outcome
from reidr.evaluation.metrics.calibration import reliability_curve, risk_coverage
from reidr.evaluation.results.numbers import cost_curve_of, scored_pairs
from reidr.evaluation.results.open_set import SHOWN_AS, lists_of, open_set_of
from reidr.fusion.calibration import margin_of
from reidr.report import Curve, Series

CMC_RANKS, CMC_LINES = 20, 5
UNCALIBRATED = "direct score (uncalibrated)"
# The stored decisions call it so; it is thresholded as the model gives it.


def curves_of(outcome: Outcome) -> tuple[Curve, ...]:
    """Every curve that the outcome's data allow, in reading order."""
    curves = [cmc_curve(outcome)]
    known = scored_pairs(outcome)
    if known is not None:
        probabilities, truth = known
        shown = {UNCALIBRATED: probabilities}
        if outcome.settings.profile.calibration is not None:
            shown["calibrated P(same)"] = outcome.settings.profile.calibration.apply(margin_of(probabilities))
        curves.append(
            Curve(
                "reliability",
                tuple(reliability_series(*each, truth) for each in shown.items()),
                cases=len(truth),
                unit="pair",
            )
        )
        answered = risk_coverage(np.abs(probabilities - 0.5), (probabilities > 0.5) == truth)
        line = Series(UNCALIBRATED, answered.coverage.tolist(), answered.risk.tolist())
        curves.append(Curve("risk-coverage", (line,), cases=len(truth), unit="pair"))
    open_set = [(name, errors) for name, ranked in lists_of(outcome) if (errors := open_set_of(outcome, ranked))]
    spent = cost_curve_of(outcome)
    if spent:
        curves.append(replace(cost_curve(spent), cases=evaluated_queries(outcome), unit="query"))
    if open_set:
        series = tuple(
            Series(SHOWN_AS.get(name, name), [e.false_positive for e in errors], [e.false_negative for e in errors])
            for name, errors in open_set
        )
        # Each error rate is a share of the queries of its kind: the rarer kind says how much the figure rests on.
        mated = int(outcome.trial.mated.sum())
        others = len(outcome.trial.mated) - mated
        unit = "mated query" if mated < others else "non-mated query"
        curves.append(Curve("open-set", series, cases=min(mated, others), unit=unit))
    return tuple(curves)


def cost_curve(spent: dict[str, list[Point]]) -> Curve:
    """Calls per query against what they gain over asking nothing, in Rank-1 and in mAP."""
    fixed = spent["first candidates"]
    doubted = sorted((*spent.get("in doubt only", []), *spent["stored policy"]), key=lambda point: point.calls)
    series = []
    for title, value in (
        ("Rank-1", lambda point: point.rank1),
        ("mAP", lambda point: point.mean_average_precision),
    ):
        for name, points in (("first k", fixed), ("in doubt", doubted)):
            gains = [value(point) - value(fixed[0]) for point in points]
            series.append(Series(f"{title}, {name}", [point.calls for point in points], gains))
    return Curve("cost_curve", tuple(series))


def cmc_curve(outcome: Outcome) -> Curve:
    """Cumulative matching characteristic of the rows."""
    ranks = list(range(1, CMC_RANKS + 1))
    # More than five lines cannot be told apart: alternatives of the reasoner's row and baselines are in the table.
    reasoner = outcome.reasoner_row
    drawn = [row for row in outcome.rows if row.role != "reasoner" or row is reasoner]
    if len(drawn) > CMC_LINES:
        drawn = [row for row in drawn if row.role != "baseline"]
    series = tuple(Series(row.name, ranks, [row.result.rank(rank) for rank in ranks]) for row in drawn)
    return Curve("cmc", series, cases=evaluated_queries(outcome), unit="query")


def evaluated_queries(outcome: Outcome) -> int:
    """Queries that have a match: what every share of the rows is taken over."""
    return int(outcome.rows[0].result.evaluated.sum())


def reliability_series(name: str, probabilities: NDArray[np.float64], truth: NDArray[np.bool_]) -> Series:
    """One line of the reliability diagram."""
    found = reliability_curve(probabilities, truth)
    return Series(name, found.probability.tolist(), found.frequency.tolist(), found.count.tolist())
