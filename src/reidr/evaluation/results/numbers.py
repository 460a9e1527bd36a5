"""Single numbers of an outcome beside its rows: oracle gain, calibration, pair areas, cost; plain JSON."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.core.run import plain_json
from reidr.evaluation.experiment.cost_curve import Point, Rerank, Study, adaptive_curve, fixed_curve
from reidr.evaluation.experiment.outcome import Outcome
from reidr.evaluation.metrics.calibration import expected_calibration_error
from reidr.evaluation.metrics.oracle_gain import shares_of_oracle_gain
from reidr.evaluation.metrics.pair_verification import pair_areas
from reidr.evaluation.results.open_set import open_set_numbers
from reidr.fusion.calibration import margin_of
from reidr.fusion.score_predictor import fuse_asked
from reidr.fusion.weighted import fused_distances


def numbers_of(outcome: Outcome) -> dict[str, Any]:
    """Single numbers beside the rows: share of oracle gain with interval, calibration error, FNIR at wanted FPIRs.

    Plain JSON; a threshold that is infinite, because everything may be returned, is None.
    """
    numbers: dict[str, Any] = {}
    oracle, people = outcome.row("oracle"), people_of(outcome)
    reordered = [row for row in outcome.rows if row.role in ("reranker", "reasoner")]
    if oracle is not None and reordered:
        base = outcome.rows[0].result
        numbers["share_of_oracle_gain"] = {
            row.name: shares_of_oracle_gain(base, row.result, oracle.result, people) for row in reordered
        }
    known = scored_pairs(outcome)
    if known is not None:
        numbers["expected_calibration_error"] = expected_calibration_error(*known)
        if outcome.settings.calibration is not None:
            calibrated = outcome.settings.calibration.apply(margin_of(known[0]))
            numbers["expected_calibration_error_calibrated"] = expected_calibration_error(calibrated, known[1])
        numbers["pair_areas"] = areas_of(outcome)
    spent = cost_curve_of(outcome)
    if spent:
        numbers["cost_curve"] = {name: [asdict(point) for point in points] for name, points in spent.items()}
    numbers |= open_set_numbers(outcome)
    plain: dict[str, Any] = plain_json(numbers)
    return plain


def areas_of(outcome: Outcome) -> dict[str, Any]:
    """Areas under the ROC curve over the scored pairs of the queries with a match: each score, alone and fused."""
    scores = outcome.scores
    if scores is None:
        return {}
    ranked, m, fitted = outcome.ranked, scores.shape[1], outcome.settings.fitted
    compared = {
        "distance": -ranked.distances[:, :m],
        "reasoner alone": scores,
        "fused": -fused_distances(ranked, scores, outcome.settings.weight),
    }
    if ranked.local is not None:
        compared["CSLS distance"] = -ranked.local[:, :m]
    if fitted is not None and fitted.fits(ranked, outcome.vision_similarities):
        compared["fitted, not asked"] = fitted.probabilities(
            ranked, np.full_like(scores, np.nan), outcome.vision_similarities
        )
        compared["fitted"] = fitted.probabilities(ranked, margin_of(scores), outcome.vision_similarities)
    rows = np.flatnonzero(outcome.rows[0].result.evaluated)
    truth = outcome.trial.shows_person(ranked.indices[:, :m])
    return pair_areas(compared, truth, rows, "distance", people=people_of(outcome))


def cost_curve_of(outcome: Outcome) -> dict[str, list[Point]]:
    """What asking costs and gains, by name: the first candidates of all queries, and the stored policies.

    Vision similarities are used wherever any pair is asked about, for the first candidates as for policies; the point
    that asks nothing is the retriever's list. Empty where not all of the first k were scored, no policy is stored, or
    average precision is not the exact one, for which alone changes by re-ranking are computed.
    """
    policy = outcome.settings.policy
    if outcome.settings.average_precision != "exact":
        return {}
    if outcome.scores is None or outcome.asked is None or policy is None or outcome.settings.only_policy:
        return {}
    truth = outcome.trial.shows_person(outcome.ranked.indices[:, : outcome.scores.shape[1]])
    base = outcome.rows[0].result
    weight, score_predictor = outcome.settings.weight, outcome.settings.score_predictor

    def fusing(similarities: NDArray[np.float64] | None) -> Rerank:
        return lambda ranked, known: fuse_asked(ranked, known, weight, score_predictor, similarities)

    guess = (
        None
        if score_predictor is None
        else score_predictor.guess(outcome.ranked, outcome.scores.shape[1], outcome.vision_similarities)
    )
    plain = Study(outcome.ranked, outcome.scores, truth, base, weight, fusing(None))
    study = replace(plain, rerank=fusing(outcome.vision_similarities), guess=guess)
    found = {"first candidates": [fixed_curve(plain)[0], *fixed_curve(study)[1:]]}
    if outcome.settings.policies:
        found["in doubt only"] = adaptive_curve(study, outcome.settings.policies)
    found["stored policy"] = adaptive_curve(study, [policy])
    return found


def people_of(outcome: Outcome) -> NDArray[np.str_]:
    """The persons of the queries that have a match: what bootstrap intervals are resampled over."""
    valid = outcome.rows[0].result.evaluated
    return np.array([str(query.person) for query in outcome.trial.query], dtype=str)[valid]


def scored_pairs(outcome: Outcome) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
    """(probabilities, truths) of all pairs the reasoner scored, flat; None where it scored none."""
    if outcome.scores is None:
        return None
    asked = np.isfinite(outcome.scores)
    truth = outcome.trial.shows_person(outcome.ranked.indices[:, : outcome.scores.shape[1]])
    return (outcome.scores[asked], truth[asked]) if asked.any() else None
