"""Single numbers of an outcome beside its rows: gain, calibration, open set, cost; plain JSON."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.core.run import plain_json
from reidr.evaluation.experiment.candidate_scoring import matches_of
from reidr.evaluation.experiment.cost_curve import Point, Rerank, Study, adaptive_curve, fixed_curve
from reidr.evaluation.experiment.outcome import Outcome, Row
from reidr.evaluation.metrics.calibration import expected_calibration_error
from reidr.evaluation.metrics.open_set import OpenSetErrors, Searches, open_set_curve, open_set_errors, searches_of
from reidr.evaluation.metrics.open_set_scores import lists_to_threshold
from reidr.evaluation.metrics.oracle_gain import share_of_oracle_gain
from reidr.evaluation.metrics.pair_verification import pair_areas
from reidr.evaluation.metrics.oracle_gain import oracle_gain_interval
from reidr.fusion.calibration import margin_of
from reidr.fusion.score_predictor import fuse_asked
from reidr.fusion.weighted import fused_distances
from reidr.retrieval.ranked_list import RankedList

SHOWN_AS = {"1 - P(same)": "1 - direct score"}
WANTED_FPIR = (0.01, 0.1)


def numbers_of(outcome: Outcome) -> dict[str, Any]:
    """Single numbers beside the rows: share of oracle gain with interval, calibration error, FNIR at wanted FPIRs.

    Plain JSON; a threshold that is infinite, because everything may be returned, is None.
    """
    numbers: dict[str, Any] = {}
    oracle = outcome.row("oracle")
    reasoners = [row for row in outcome.rows if row.name.startswith("reasoner")]
    if oracle is not None and reasoners:
        numbers["share_of_oracle_gain"] = {row.name: oracle_gain_of(outcome, row, oracle) for row in reasoners}
    known = scored_pairs(outcome)
    if known is not None:
        numbers["expected_calibration_error"] = expected_calibration_error(*known)
        if outcome.settings.calibration is not None:
            believed = outcome.settings.calibration.apply(margin_of(known[0]))
            numbers["expected_calibration_error_calibrated"] = expected_calibration_error(believed, known[1])
        numbers["pair_areas"] = areas_of(outcome)
    spent = cost_curve_of(outcome)
    if spent:
        numbers["cost_curve"] = {name: [asdict(point) for point in points] for name, points in spent.items()}
    errors = {
        name: {f"FNIR at FPIR {wanted:g}": fnir_at(found, wanted) for wanted in WANTED_FPIR}
        for name, ranked in lists_of(outcome)
        if (found := open_set_of(outcome, ranked))
    }
    if errors:
        numbers["open_set"] = errors
        numbers["mated_queries"] = int(outcome.trial.mated.sum())
        numbers["non_mated_queries"] = int((~outcome.trial.mated).sum())
        numbers["enrolled_identities"] = searches(outcome, outcome.ranked).enrolled
        numbers["open_set_at_stored_thresholds"] = at_stored_thresholds(outcome)
        numbers["open_set_as_decided"] = as_tuned(outcome)
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
    rows = np.flatnonzero(outcome.rows[0].result.matches > 0)
    return pair_areas(compared, matches_of(outcome.trial, ranked, m), rows, "distance", people=people_of(outcome))


def cost_curve_of(outcome: Outcome) -> dict[str, list[Point]]:
    """What asking costs and brings, by name: the first candidates of all queries, and the stored policies.

    Who asks anything may glance as well, for the first candidates of all queries as for policies; asking nothing is
    without a glance, where both begin. Empty where not all of the first k were scored, no policy is stored, or average
    precision is not the exact one, which changes by re-ranking are computed for.
    """
    policy = outcome.settings.policy
    if outcome.settings.average_precision != "exact":
        return {}
    if outcome.scores is None or outcome.asked is None or policy is None or outcome.settings.only_policy:
        return {}
    truth = matches_of(outcome.trial, outcome.ranked, outcome.scores.shape[1])
    base = outcome.rows[0].result
    weight, score_predictor = outcome.settings.weight, outcome.settings.score_predictor

    def fusing(vision_similarities: NDArray[np.float64] | None) -> Rerank:
        return lambda ranked, known: fuse_asked(ranked, known, weight, score_predictor, vision_similarities)

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
    """The persons of the queries that have a match: what bootstrap intervals are drawn over."""
    valid = outcome.rows[0].result.matches > 0
    return np.array([str(query.person) for query in outcome.trial.query], dtype=str)[valid]


def oracle_gain_of(outcome: Outcome, row: Row, oracle: Row) -> dict[str, Any]:
    """Share of the oracle's gain in mAP and Rank-1 that a row makes, with its interval; None for no gain."""
    base, people = outcome.rows[0], people_of(outcome)
    shares: dict[str, Any] = {}
    valid = base.result.matches > 0
    for name, values in (
        ("mAP", [r.result.average_precision[valid] for r in (base, row, oracle)]),
        ("rank1", [(r.result.first_match_rank[valid] <= 1).astype(float) for r in (base, row, oracle)]),
    ):
        means = [float(each.mean()) if len(each) else 0.0 for each in values]
        share = share_of_oracle_gain(means[0], means[1], max(means[0], means[2]))
        interval = oracle_gain_interval(*values, groups=people)
        shares[name] = None if np.isnan(share) else share
        unknown = len(set(people)) < 2 or np.isnan(interval).any()  # of one person nothing can be resampled
        shares[f"{name}_interval"] = None if unknown else list(interval)
    return shares


def scored_pairs(outcome: Outcome) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
    """(probabilities, truths) of all pairs the reasoner scored, flat; None where it scored none."""
    if outcome.scores is None:
        return None
    asked = np.isfinite(outcome.scores)
    truth = matches_of(outcome.trial, outcome.ranked, outcome.scores.shape[1])
    return (outcome.scores[asked], truth[asked]) if asked.any() else None


def lists_of(outcome: Outcome) -> list[tuple[str, RankedList]]:
    """The ranked lists whose distances can be thresholded: the retriever's, and the fused one."""
    lists = [("retriever", outcome.ranked)]
    if outcome.scores is None or outcome.thresholded is None:
        return lists
    more = lists_to_threshold(outcome.ranked, outcome.scores, outcome.settings.weight)
    others = [(name, ranked) for name, ranked in more.items() if name not in ("distance", "fused distance")]
    return [*lists, ("reasoner", outcome.thresholded), *others]


def at_stored_thresholds(outcome: Outcome) -> dict[str, dict[str, float]]:
    """FPIR and FNIR of the retriever here, at thresholds that were chosen elsewhere for a wanted FPIR."""
    found = {}
    for wanted, threshold in outcome.thresholds.items():
        errors = open_set_errors(searches(outcome, outcome.ranked), threshold)
        found[wanted] = {"distance": threshold, "FPIR": errors.false_positive, "FNIR": errors.false_negative}
    return found


def as_tuned(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """FPIR and FNIR here of the score and thresholds that were decided on for the reasoner, by wanted FPIR."""
    absent = outcome.settings.absent
    if absent is None or outcome.scores is None:
        return {}
    lists = lists_to_threshold(outcome.ranked, outcome.scores, outcome.settings.weight)
    if absent["score"] not in lists:
        return {}
    found = {}
    for wanted, threshold in absent["thresholds"].items():
        errors = open_set_errors(searches(outcome, lists[absent["score"]]), threshold)
        found[wanted] = {
            "score": absent["score"],
            "threshold": threshold,
            "FPIR": errors.false_positive,
            "FNIR": errors.false_negative,
        }
    return found


def searches(outcome: Outcome, ranked: RankedList) -> Searches:
    """The searches of a ranked list of this outcome, mated and non-mated."""
    trial = outcome.trial
    people = [crop.person for crop in trial.query], [crop.person for crop in trial.gallery]
    return searches_of(ranked, *people, trial.mated, junk=trial.idle)


def open_set_of(outcome: Outcome, ranked: RankedList) -> list[OpenSetErrors]:
    """The FNIR-FPIR curve of a ranked list; empty without both mated and non-mated queries."""
    mated = outcome.trial.mated
    if mated.all() or not mated.any():
        return []
    return open_set_curve(searches(outcome, ranked))


def fnir_at(curve: list[OpenSetErrors], wanted: float) -> float:
    """The lowest FNIR whose FPIR is at most `wanted`; 1 where none is."""
    return min((errors.false_negative for errors in curve if errors.false_positive <= wanted), default=1.0)
