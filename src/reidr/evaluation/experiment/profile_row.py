"""The row of the reasoner as its inference profile uses it: what the headline, the cards and the curves speak of."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.errors import ReIDError
from reidr.evaluation.experiment.rows import ADAPTIVE, Row
from reidr.evaluation.experiment.search import ORDERS, Cost, MethodName, Reals, TrialSearch
from reidr.fusion.ask_policy import asked_pairs, policy_name
from reidr.fusion.calibration import margin_of
from reidr.fusion.logistic import probabilities_for_threshold, rank_by_probability
from reidr.fusion.score_predictor import fuse_asked
from reidr.fusion.weighted import fuse, fuse_for_threshold
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.score_normalisation import has_z_norm, normalised_distances


@dataclass(frozen=True, eq=False)
class ProfileResult:
    """The profile's row and what it was made of.

    Attributes:
        scores: (Q, k) P(same) of the direct score, NaN where not asked. fused: the re-ranked list. thresholded: its
            first k by numbers that are comparable across queries. asked: (Q, k) pairs the policy asks about; None
            without one. vision_similarities: (Q, k, 3); None where nothing uses them.
    """

    row: Row
    scores: Reals
    fused: RankedList
    thresholded: RankedList
    asked: NDArray[np.bool_] | None
    vision_similarities: Reals | None

    def fields(self) -> dict[str, Any]:
        """All but the row, by the names of `Outcome`."""
        return {name: value for name, value in vars(self).items() if name != "row"}


def profile_row(search: TrialSearch) -> ProfileResult:
    """Ask the reasoner about the first candidates and order them by the fusion that was chosen for it.

    With `Settings.only_policy` only the pairs in doubt are asked, and the others count with their predicted score.
    Raises ReIDError where that needs a policy or longer lists.
    """
    return _by_policy(search) if search.settings.only_policy else _all_asked(search)


def _all_asked(search: TrialSearch) -> ProfileResult:
    before, settings, ranked = len(search.known), search.settings, search.ranked
    similarities, scores = search.similarities(), search.scores()
    started = time.perf_counter()
    fitted = settings.fitted
    if settings.fusion == "fitted" and fitted is not None and fitted.fits(ranked, similarities):
        probabilities = fitted.probabilities(ranked, margin_of(scores), similarities)
        fused = rank_by_probability(ranked, probabilities)
        thresholded = probabilities_for_threshold(ranked, probabilities)
        note = "direct score, both orders, fused into one fitted probability"
    else:
        fused, thresholded = fuse(ranked, scores, settings.weight), fuse_for_threshold(ranked, scores, settings.weight)
        note = f"direct score, both orders, weight {settings.weight:g}"
    seconds = sum(search.seconds.get(step, 0.0) for step in ("similarities", "scores"))
    cost = Cost(ORDERS * (len(search.known) - before), seconds + time.perf_counter() - started)
    row = search.row(MethodName(reasoner_name(search), "reasoner"), fused, cost, note)
    return ProfileResult(row, scores, fused, thresholded, asked_by_policy(search), similarities)


def asked_by_policy(search: TrialSearch) -> NDArray[np.bool_] | None:
    """(Q, k) which of the scored pairs the stored policy would ask about; None without a policy or for short lists."""
    policy, predictor = search.settings.policy, search.settings.score_predictor
    if policy is None or not has_z_norm(search.ranked, policy.first, policy.last):
        return None
    normalised = normalised_distances(search.ranked, policy.first, policy.last)
    predicted = None if predictor is None else predictor.guess(search.ranked, search.k, search.similarities())
    return asked_pairs(policy, normalised, search.scores(), predicted)


def _by_policy(search: TrialSearch) -> ProfileResult:
    settings, ranked, k = search.settings, search.ranked, search.k
    policy, predictor = settings.policy, settings.score_predictor
    if policy is None or not has_z_norm(ranked, policy.first, policy.last):
        raise ReIDError(
            "asking adaptively needs a policy and, for every query, a neighbourhood: at least "
            f"{3 if policy is None else policy.first + 2} candidates in the gallery; leave --adaptive out"
        )
    started, before = time.perf_counter(), len(search.known)
    similarities = search.similarities()
    predicted = None if predictor is None else predictor.guess(ranked, k, similarities)
    with search.progress("scoring the pairs in doubt, rank by rank", k) as advance:
        scores = search.scorer.ask_by_policy(policy, ranked, k, predicted, advance)
    fused = fuse_asked(ranked, scores, settings.weight, predictor, similarities)
    filled = scores if predictor is None else predictor.fill(ranked, scores, similarities, unasked_queries=True)
    asked = np.isfinite(scores)
    note = f"{policy_name(policy)}: {asked.sum() / len(ranked):.2f} pairs per query, weight {settings.weight:g}"
    cost = Cost(ORDERS * (len(search.known) - before), time.perf_counter() - started)
    row = search.row(MethodName(f"{reasoner_name(search)}, {ADAPTIVE}", "reasoner", ADAPTIVE), fused, cost, note)
    thresholded = fuse_for_threshold(ranked, filled, settings.weight)
    return ProfileResult(row, scores, fused, thresholded, asked, similarities)


def reasoner_name(search: TrialSearch) -> str:
    """What the reasoner's rows are called."""
    assert search.reasoner is not None
    return f"reasoner {search.reasoner.name}"
