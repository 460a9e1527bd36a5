"""The row of the reasoner as its inference profile uses it: what the headline, the cards and the curves speak of."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.evaluation.experiment.rows import ADAPTIVE, Row
from reidr.evaluation.experiment.search import ORDERS, Cost, MethodName, Reals, TrialSearch
from reidr.fusion.ask_policy import asked_pairs, policy_name
from reidr.fusion.weighted import SCORE_NAMES
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
    """Ask the reasoner and order the candidates by the profile's re-ranker, the one that `find` uses too.

    Raises ReIDError where only the pairs in doubt are to be asked, and that needs a policy or longer lists.
    """
    profile, started = search.settings.profile, time.perf_counter()
    before, silent = len(search.known), len(search.verdicts)
    in_doubt = profile.asking == "in doubt"
    if in_doubt:
        with search.progress("scoring the pairs in doubt, rank by rank", search.k) as advance:
            result = profile.reranker().run(search.ranked, search.context(), advance)
    else:
        result = profile.reranker().run(search.ranked, search.context())
    asked = np.isfinite(result.scores) if in_doubt else asked_by_policy(search)
    direct = 0 if profile.score == "reasoned" else len(search.known) - before
    words = len(search.verdicts) - silent  # written and then read, in both orders
    cost = Cost(ORDERS * (direct + 2 * words), time.perf_counter() - started)
    if in_doubt:
        assert profile.policy is not None
        per_query = np.isfinite(result.scores).sum() / len(search.ranked)
        note = f"{policy_name(profile.policy)}: {per_query:.2f} pairs per query, weight {profile.weight:g}"
        method = MethodName(f"{reasoner_name(search)}, {ADAPTIVE}", "reasoner", ADAPTIVE)
    else:
        fitted = result.by == "fused score"
        note = "fused into one fitted probability" if fitted else f"weight {profile.weight:g}"
        note = f"{SCORE_NAMES[profile.score]}, both orders, {note}"
        method = MethodName(reasoner_name(search), "reasoner")
    row = search.row(method, result.ranked, cost, note)
    return ProfileResult(row, result.scores, result.ranked, result.thresholded, asked, search.similarities())


def asked_by_policy(search: TrialSearch) -> NDArray[np.bool_] | None:
    """(Q, k) which of the scored pairs the stored policy would ask about; None without a policy or for short lists."""
    policy, predictor = search.settings.profile.policy, search.settings.profile.score_predictor
    if policy is None or not has_z_norm(search.ranked, policy.first, policy.last):
        return None
    normalised = normalised_distances(search.ranked, policy.first, policy.last)
    predicted = None if predictor is None else predictor.guess(search.ranked, search.k, search.similarities())
    return asked_pairs(policy, normalised, search.scores(), predicted)


def reasoner_name(search: TrialSearch) -> str:
    """What the reasoner's rows are called."""
    assert search.reasoner is not None
    return f"reasoner {search.reasoner.name}"
