"""What is chosen for a reasoner from a measured search: weights, fusion, calibration, policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reidr.errors import ReIDError
from reidr.evaluation.experiment.cost_curve import Study
from reidr.evaluation.experiment.policy_choice import choose_policies
from reidr.fusion.ask_policy import Policy, entropy
from reidr.fusion.calibration import Calibration, choose_calibration, margin_of
from reidr.fusion.fusion_choice import FusionChoice, choose_fusion
from reidr.fusion.logistic import LogisticFusion, choose_whole_weight, fit_logistic_fusion
from reidr.fusion.score_predictor import ScorePredictor, fit_score_predictor, fuse_asked
from reidr.fusion.weighted import ScoreKind, WeightChoice, choose_weight
from reidr.reasoning.backends.reasoned import mean_log_odds
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.score_normalisation import has_z_norm
from reidr.training.tuning.measure import Measured, plain

SHARE = 0.35
"""Share of the calls for all of the first k that the stored policy may cost."""
BUDGETS = (0.5, 1.0, 2.0, 3.0, 5.0)
"""Mean calls (pairs) per query for which further policies are stored."""
DOUBTS = (0.95, 0.8, 0.5, 0.0)
"""Entropies in bits of the direct score from which on words may be bought, dearest last."""
LEAST_GAIN, TOLERANCE = 0.005, 0.001
"""mAP that words must add to the direct score to be bought, and that a cheaper way may lack of the best."""


@dataclass(frozen=True, eq=False)
class ScoreOfWords:
    """Which score counts, and what it costs.

    Attributes:
        kind, least_doubt: as `score_pairs`. scores: (Q, k) P(same) by it. rationales: share of the pairs that it
            writes about. tried: (kind, least doubt, share, mAP at its best weight) of each way.
    """

    kind: ScoreKind
    least_doubt: float
    scores: NDArray[np.float64]
    rationales: float
    tried: tuple[tuple[str, float, float, float], ...]


def score_of_words(measured: Measured, reasoned: NDArray[np.float64]) -> ScoreOfWords:
    """The direct score, the words beside it where it is in doubt, or the words alone: the cheapest that is worth it.

    Words are bought only where they add at least `LEAST_GAIN` to the mAP over the first k at the best fusion weight; of
    the ways that do, the one with fewest rationales within `TOLERANCE` of the best is taken.

    Args:
        reasoned: (Q, k) of `Tuner.reasoned`.
    """
    direct, doubt = measured.scores, entropy(measured.scores)
    ways: list[tuple[ScoreKind, float, NDArray[np.float64], float]] = [("direct", 0.0, direct, 0.0)]
    scored = np.isfinite(direct)
    for least in DOUBTS if has_z_norm(measured.ranked) else DOUBTS[-1:]:  # else no policy says what is in doubt
        bought = scored & (doubt >= least)
        words = np.where(bought, reasoned, np.nan)
        ways.append(("both", least, mean_log_odds(direct, words), float(bought.sum() / max(1, scored.sum()))))
    ways.append(("reasoned", 0.0, reasoned, 1.0))
    found = [max(row[1] for row in weight_curve(replace(measured, scores=scores))) for _, _, scores, _ in ways]
    worth = [place for place in range(1, len(ways)) if found[place] >= found[0] + LEAST_GAIN]
    best = max((found[place] for place in worth), default=0.0)
    near = [place for place in worth if found[place] >= best - TOLERANCE]
    chosen = min(near, key=lambda place: (ways[place][3], -found[place])) if near else 0
    tried = tuple((kind, least, share, value) for (kind, least, _, share), value in zip(ways, found, strict=True))
    return ScoreOfWords(*ways[chosen], tried)


def best_of(measured: Measured) -> Measured:
    """With or without CSLS: whichever gives the better mAP at its own best weight; without among equals."""
    without = plain(measured)
    best, scaled = (max(row[1] for row in weight_curve(each)) for each in (without, measured))
    return measured if round(scaled, 9) > round(best, 9) else without


def weight_curve(measured: Measured) -> list[tuple[float, float, float]]:
    """(weight, mAP, Rank-1) over the re-ranked first k, for every weight tried (see `choose_weight`)."""
    return list(choose_weight(measured.ranked, measured.scores, measured.truth).grid)


def best_weight(curve: Sequence[tuple[float, float, float]]) -> float:
    """The weight with the best mAP of a `weight_curve`; the smallest of equals."""
    return max(curve, key=lambda row: (round(row[1], 9), -row[0]))[0]


def whole_weight(measured: Measured) -> WeightChoice:
    """The fusion weight where the whole list, not its first k alone, is re-sorted."""
    return choose_whole_weight(measured.ranked, measured.scores, measured.trial.shows_person(measured.ranked.indices))


def fitted_fusion(measured: Measured) -> LogisticFusion | None:
    """Distance, z-norm, rank and score as one probability; None where the lists are too short for it."""
    if not has_z_norm(measured.ranked):
        return None
    return fit_logistic_fusion(
        measured.ranked, margin_of(measured.scores), measured.truth, measured.vision_similarities
    )


def better_fusion(measured: Measured) -> FusionChoice | None:
    """One weight or the fitted fusion, by folds of the people; None where lists or people are too few for it."""
    people = [str(crop.person) for crop in measured.trial.query]
    if not has_z_norm(measured.ranked):
        return None
    try:
        return choose_fusion(measured.ranked, measured.scores, measured.truth, people, measured.vision_similarities)
    except ReIDError:
        return None


def calibrated(measured: Measured) -> tuple[Calibration, dict[str, float]] | None:
    """The calibration of the scored pairs, and every method's Brier score on people it was not fitted to.

    None where people are too few for each of the folds to have pairs of both kinds.
    """
    scored = np.isfinite(measured.scores)
    people = np.array([str(crop.person) for crop in measured.trial.query])
    rows = np.nonzero(scored)[0]
    try:
        return choose_calibration(margin_of(measured.scores[scored]), measured.truth[scored], people[rows])
    except ReIDError:
        return None


def score_predictor(measured: Measured) -> ScorePredictor | None:
    """Predicts a candidate's score from the retriever's list; None where the lists are too short."""
    if not has_z_norm(measured.ranked):
        return None
    return fit_score_predictor(measured.ranked, measured.scores, measured.vision_similarities)


def policies_of(
    measured: Measured, weight: float, score_predictor: ScorePredictor | None
) -> tuple[Policy, list[tuple[float, Policy]]] | None:
    """The best policy for `SHARE` of the calls that asking about all pairs takes, and the best for each of `BUDGETS`.

    None where the lists are too short for the z-norm.
    """
    if not has_z_norm(measured.ranked):
        return None

    def rerank(ranked: RankedList, known: NDArray[np.float64]) -> RankedList:
        return fuse_asked(ranked, known, weight, score_predictor, measured.vision_similarities)

    predicted = (
        None
        if score_predictor is None
        else score_predictor.guess(measured.ranked, measured.scores.shape[1], measured.vision_similarities)
    )
    study = Study(measured.ranked, measured.scores, measured.truth, measured.base, weight, rerank, predicted)
    (_, policy), *others = choose_policies(study, (SHARE * measured.scores.shape[1], *BUDGETS))
    return policy, others
