"""Single numbers of an outcome beside its rows: oracle gain, calibration, pair areas, cost; plain JSON."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.core.run import plain_json
from reidr.evaluation.experiment.cost_curve import Point, Study, adaptive_curve, fixed_curve
from reidr.evaluation.experiment.outcome import Outcome
from reidr.evaluation.metrics.calibration import expected_calibration_error
from reidr.evaluation.metrics.oracle_gain import shares_of_oracle_gain
from reidr.evaluation.metrics.pair_verification import pair_areas
from reidr.evaluation.results.open_set import open_set_numbers
from reidr.fusion.calibration import margin_of
from reidr.fusion.weighted import fused_distances
from reidr.retrieval.ranked_list import RankedList


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
        if outcome.settings.profile.calibration is not None:
            calibrated = outcome.settings.profile.calibration.apply(margin_of(known[0]))
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
    ranked, m, fitted = outcome.ranked, scores.shape[1], outcome.settings.profile.fitted
    compared = {
        "distance": -ranked.distances[:, :m],
        "reasoner alone": scores,
        "fused": -fused_distances(ranked, scores, outcome.settings.profile.weight),
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

    Each is ordered as the inference profile orders it: a point of the first candidates is the reasoner's row at that k,
    and the point that asks nothing the retriever's list. Empty where not all of the first k were scored, no policy is
    stored, or average precision is not the exact one, for which alone changes by re-ranking are computed.
    """
    profile = outcome.settings.profile
    if outcome.settings.average_precision != "exact":
        return {}
    if outcome.scores is None or outcome.asked is None or profile.policy is None or outcome.settings.in_doubt:
        return {}
    m, reranker, similarities = outcome.scores.shape[1], profile.reranker(), outcome.vision_similarities
    predictor = profile.score_predictor
    study = Study(
        outcome.ranked,
        outcome.scores,
        outcome.trial.shows_person(outcome.ranked.indices[:, :m]),
        outcome.rows[0].result,
        rerank=lambda ranked, known: reranker.fused_in_doubt(ranked, known, similarities).ranked,
        guess=None if predictor is None else predictor.guess(outcome.ranked, m, similarities),
    )

    def first_alone(ranked: RankedList, known: NDArray[np.float64]) -> RankedList:
        """As if k were the number of candidates that are known."""
        k = int(np.isfinite(known).any(axis=0).sum())
        return reranker.fused(ranked, known[:, :k], None if similarities is None else similarities[:, :k]).ranked

    first = replace(study, rerank=first_alone)
    unasked = replace(study, rerank=lambda ranked, _: ranked)
    found = {"first candidates": [fixed_curve(unasked)[0], *fixed_curve(first)[1:]]}
    if profile.policies:
        found["in doubt only"] = adaptive_curve(study, [policy for _, policy in profile.policies])
    found["stored policy"] = adaptive_curve(study, [profile.policy])
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
