"""Cost curves: what mAP and Rank-1 a number of calls gives, for the first candidates of all queries and for policies.

Everything is computed from precomputed scores, so curves cost no calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reidr.core.checks import as_array, flag_array, real_number
from reidr.errors import ReIDError
from reidr.evaluation.metrics.ranking_result import RankingResult
from reidr.fusion.ask_policy import Policy, asked_pairs, entropy, policy_name
from reidr.fusion.weighted import fuse
from reidr.retrieval.average_precision import hits_in_order, precision_sums
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.score_normalisation import normalised_distances

Reals = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rerank = Callable[[RankedList, Reals], RankedList]


@dataclass(frozen=True)
class Point:
    """What a policy costs and gives: mean calls per query, mAP, Rank-1, the share of queries for which any pair is
    scored, and the mean number of reasons per query."""

    name: str
    calls: float
    mean_average_precision: float
    rank1: float
    asked: float
    thoughts: float = 0.0


@dataclass(frozen=True, eq=False)
class Study:
    """Everything a curve needs, measured once with all of the first m candidates scored.

    Attributes:
        ranked: (Q, k) the retriever's list, ignored crops left out, deep enough for the neighbourhood.
        scores: (Q, m) P(same) of the direct score, NaN where not known. truth: (Q, m) whether it is the query's person.
        base: the retriever's own result on the same queries. weight: of `fuse`.
        rerank: re-ranks the first m from (Q, m) probabilities with NaN where not scored; None: `fuse` by `weight`.
        guess: (Q, m) predicted scores; None: nothing is predicted.
        thoughts: (Q, m) P(same) after the reasoner wrote reasons, NaN where there is none; None: it wrote none.
        thought_costs: calls that one of these is worth.
    """

    ranked: RankedList
    scores: Reals
    truth: Bools
    base: RankingResult
    weight: float = 0.2
    rerank: Rerank | None = None
    guess: Reals | None = None
    thoughts: Reals | None = None
    thought_costs: float = 1.0

    def __post_init__(self) -> None:
        for name in ("scores", "guess", "thoughts"):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, np.asarray(as_array(given, f"adaptive: {name}"), dtype=np.float64))
        object.__setattr__(self, "truth", flag_array(self.truth, "adaptive: truth", (None, None)))
        real_number(self.thought_costs, "adaptive: thought_costs", least=0.0)
        shape = np.shape(self.scores)
        whole = [np.shape(self.truth), shape if self.thoughts is None else np.shape(self.thoughts)]
        if len(shape) != 2 or any(each != shape for each in whole) or shape[1] > self.ranked.k:
            raise ReIDError(
                f"adaptive: scores {shape}, truth and thoughts {whole} must be equal (Q, m), m within the list"
            )
        if not shape[0] == len(self.ranked) == len(self.base.matches):
            raise ReIDError("adaptive: list, scores and the retriever's result are not of the same queries")

    def measure(self, name: str, asked: Bools, thought: Bools | None = None) -> Point:
        """mAP and Rank-1 of the whole ranking when only `asked` (Q, m) pairs are known to the reasoner.

        Exact without any distance beyond the list, because the first m are only permuted: a query's average precision
        changes by (sum of precisions at the listed matches after - before) / its matches.
        """
        thought = np.zeros_like(asked) if thought is None or self.thoughts is None else thought & asked
        known = np.where(asked, self.scores, np.nan)
        if self.thoughts is not None:
            thought &= np.isfinite(self.thoughts)
            known = np.where(thought, self.thoughts, known)
        again = fuse(self.ranked, known, self.weight) if self.rerank is None else self.rerank(self.ranked, known)
        m = asked.shape[1]
        matches = self.base.matches
        counted = self.base.evaluated
        before = hits_in_order(self.ranked.distances[:, :m], self.truth)
        moved = _moved(self.ranked.indices[:, :m], again.indices[:, :m], self.truth)
        after = hits_in_order(again.distances[:, :m], moved)
        change = (precision_sums(after) - precision_sums(before))[counted] / matches[counted]
        first = self.base.hits[counted, 0] + after[counted, 0].astype(float) - before[counted, 0]
        calls = asked.sum(axis=1) + self.thought_costs * thought.sum(axis=1)
        return Point(
            name,
            float(calls.mean()),
            float((self.base.average_precision[counted] + change).mean()),
            float(first.mean()),
            float(asked.any(axis=1).mean()),
            float(thought.sum(axis=1).mean()),
        )


def follow(study: Study, policy: Policy) -> tuple[Bools, Bools]:
    """(Q, m) the pairs that are scored and (Q, m) those with reasons when `policy` is followed."""
    normalised = normalised_distances(study.ranked, policy.first, policy.last)
    return follow_scored(study, policy, normalised, entropy(study.scores))


def follow_scored(study: Study, policy: Policy, normalised: Reals, doubt: Reals) -> tuple[Bools, Bools]:
    """`follow` with what it computes of the study given: (Q, k) normalised distances, (Q, m) entropies in bits."""
    asked = asked_pairs(policy, normalised, study.scores, study.guess)
    return asked, asked & (doubt >= policy.doubtful)


def fixed_curve(study: Study) -> list[Point]:
    """The first k candidates of every query for k = 0, 1, … m."""
    m = study.scores.shape[1]
    known = np.isfinite(study.scores)
    return [study.measure(f"first {k}", known & (np.arange(m) < k)) for k in range(m + 1)]


def adaptive_curve(study: Study, policies: Iterable[Policy]) -> list[Point]:
    """What each policy costs and gives, by rising calls. Policies are to be chosen on other identities."""
    points = [study.measure(policy_name(policy), *follow(study, policy)) for policy in policies]
    return sorted(points, key=lambda point: point.calls)


def _moved(before: NDArray[np.int64], after: NDArray[np.int64], truth: Bools) -> Bools:
    """`truth` of the places of `after`, a permutation of each row of `before`."""
    moved = np.zeros_like(truth)
    places, fresh = (np.argsort(each, axis=1, kind="stable") for each in (before, after))
    if not (np.take_along_axis(before, places, axis=1) == np.take_along_axis(after, fresh, axis=1)).all():
        raise ReIDError("adaptive: re-ranking must permute the first m candidates and move nothing else into them")
    np.put_along_axis(moved, fresh, np.take_along_axis(truth, places, axis=1), axis=1)
    return moved
