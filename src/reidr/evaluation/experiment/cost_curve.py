"""Ask policies and cost curves: which pairs are scored, and what mAP and Rank-1 that number of calls gives.

A candidate is scored when it lies within a band behind the nearest one and is not so near that the retriever is sure of
it, both in units of the query's own z-norm: a query whose matches stand clear of all others costs no call, one among
look-alikes several. Where scores are predicted, only those with an uncertain prediction are asked for. No further
candidate is scored after a score that is sure. Everything is computed from precomputed scores, so curves cost no calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.core.checks import as_array, flag_array, one_list, real_array, real_number, whole_number
from reidr.errors import ReIDError
from reidr.evaluation.metrics.ranking_result import RankingResult
from reidr.fusion.weighted import fuse
from reidr.retrieval.average_precision import hits_in_order, precision_sums
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.score_normalisation import normalised_distances

Reals = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rerank = Callable[[RankedList, Reals], RankedList]
NEVER = 2.0  # above any probability and any entropy of one answer in bits
SURE = (0.9, 0.99, NEVER)
BANDS, CLEAR = 16, 7  # values tried
UNSURE = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Policy:
    """When to ask; chosen on training identities.

    Attributes:
        band: candidates up to this far behind the nearest are asked, in standard deviations of the neighbourhood.
        clear: candidates whose normalised distance is this or less are not asked: the retriever is sure enough of them.
            None: there are no such.
        unsure: candidates are asked only where the score expected of them has at least this entropy in bits; 0: all.
        most: candidates of one query asked at most. sure: no further candidate is asked after a score of at least this
            (`NEVER`: all are). doubtful: a direct score with at least this entropy in bits is thought about in words
            (`NEVER`: none is). first, last: ranks of the neighbourhood.
    """

    band: float
    most: int
    sure: float = NEVER
    doubtful: float = NEVER
    clear: float | None = None
    first: int = 11
    last: int = 50
    unsure: float = 0.0

    def __post_init__(self) -> None:
        for name in ("band", "sure", "doubtful", "unsure"):
            real_number(getattr(self, name), f"policy: {name}", least=0.0, infinite=True)
        if self.clear is not None:
            real_number(self.clear, "policy: clear", infinite=True)
        whole_number(self.most, "policy: most", least=0)
        whole_number(self.last, "policy: last", least=whole_number(self.first, "policy: first", least=1))

    def stored(self) -> dict[str, Any]:
        """Plain values for `profile.json`."""
        return asdict(self)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Policy:
        """From `stored`. Raises ReIDError where it is none."""
        try:
            return cls(**stored)
        except (TypeError, ReIDError) as error:
            raise ReIDError(f"not a stored policy: {error}") from None

    def candidates(self, ranked: RankedList, m: int, guess: Reals | None = None) -> Bools:
        """(Q, m) which of the first m candidates may be asked; none where nobody is a rival of the nearest.

        Needs no score: a program asks them nearest first and stops after one of at least `sure`. `guess`: (Q, m) the
        scores expected of them; without it `unsure` does not count.
        """
        return _in_doubt(normalised_distances(ranked, self.first, self.last)[:, :m], self, guess)


@dataclass(frozen=True)
class Point:
    """One way of asking: mean calls per query, mAP and Rank-1, share of queries asked, thoughts per query."""

    name: str
    calls: float
    mean_average_precision: float
    rank1: float
    asked: float
    thoughts: float = 0.0


@dataclass(frozen=True, eq=False)
class Study:
    """Everything a curve needs, measured once with every one of the first m candidates asked.

    Attributes:
        ranked: (Q, k) the retriever's list, ignored crops left out, deep enough for the neighbourhood.
        scores: (Q, m) P(same) of the direct score, NaN where not known. truth: (Q, m) whether it is the query's person.
        base: the retriever's own result on the same queries. weight: of `fuse`.
        rerank: re-ranks the first m from (Q, m) probabilities with NaN where not asked; None: `fuse` by `weight`.
        guess: (Q, m) scores expected without asking; None: nothing is expected.
        thoughts: (Q, m) P(same) after thinking, NaN where there is none; None: nothing was thought about.
        thought_costs: calls that one thought is worth.
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
        counted = matches > 0
        before = hits_in_order(self.ranked.distances[:, :m], self.truth)
        after = hits_in_order(again.distances[:, :m], _moved(self.ranked.indices[:, :m], again.indices[:, :m], self.truth))
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


def entropy(probabilities: ArrayLike) -> Reals:
    """Entropy in bits of a yes-or-no answer: 1 at 0.5, 0 at 0 and 1; NaN stays NaN. ReIDError outside [0, 1]."""
    p = np.asarray(as_array(probabilities, "probabilities"), dtype=np.float64)
    if (p < 0).any() or (p > 1).any():
        raise ReIDError(f"probabilities: {p[(p < 0) | (p > 1)].flat[0]:g} lies outside [0, 1]")
    parts = [np.where(x > 0, -x * np.log2(np.where(x > 0, x, 1.0)), 0.0 * x) for x in (p, 1.0 - p)]
    return np.asarray(parts[0] + parts[1])


def asked_pairs(policy: Policy, normalised: Reals, scores: Reals, guess: Reals | None = None) -> Bools:
    """(Q, m) which pairs are asked, given normalised distances (Q, k) and the scores (Q, m) that come back.

    `guess`: (Q, m) the scores expected without asking. Raises ReIDError for shapes that do not fit.
    """
    scores = np.asarray(as_array(scores, "scores"), dtype=np.float64)
    normalised = np.asarray(as_array(normalised, "normalised"), dtype=np.float64)
    if scores.ndim != 2 or normalised.ndim != 2 or len(scores) != len(normalised) or scores.size > normalised.size:
        raise ReIDError(f"adaptive: scores {scores.shape} do not fit normalised distances {normalised.shape}")
    if guess is not None:
        guess = real_array(guess, "guess", scores.shape, nan=True)
    asked = _in_doubt(normalised[:, : scores.shape[1]], policy, guess) & np.isfinite(scores)
    sure = (asked & (scores >= policy.sure)).cumsum(axis=1)
    stopped = np.zeros_like(asked)
    stopped[:, 1:] = sure[:, :-1] > 0
    return asked & ~stopped


def _in_doubt(normalised: Reals, policy: Policy, guess: Reals | None) -> Bools:
    """(Q, m) candidates within the band, not clear and not guessed surely, at most `most`; none where the nearest is
    alone in the band."""
    near = normalised - normalised[:, :1] <= policy.band
    doubt = near & (near.sum(axis=1) > 1)[:, None]
    if policy.clear is not None:
        doubt &= normalised > policy.clear
    if guess is not None and policy.unsure > 0:
        doubt &= entropy(guess) >= policy.unsure
    return doubt & (doubt.cumsum(axis=1) <= policy.most)


def follow(study: Study, policy: Policy) -> tuple[Bools, Bools]:
    """(Q, m) the pairs that are scored and (Q, m) those thought about when `policy` is followed."""
    normalised = normalised_distances(study.ranked, policy.first, policy.last)
    return _follow(study, policy, normalised, entropy(study.scores))


def _follow(study: Study, policy: Policy, normalised: Reals, doubt: Reals) -> tuple[Bools, Bools]:
    asked = asked_pairs(policy, normalised, study.scores, study.guess)
    return asked, asked & (doubt >= policy.doubtful)


def fixed_curve(study: Study) -> list[Point]:
    """The first k candidates of every query for k = 0, 1, … m."""
    m = study.scores.shape[1]
    known = np.isfinite(study.scores)
    return [study.measure(f"first {k}", known & (np.arange(m) < k)) for k in range(m + 1)]


def adaptive_curve(study: Study, policies: Iterable[Policy]) -> list[Point]:
    """What each policy costs and brings, by rising calls. Policies are to be chosen on other identities."""
    points = [study.measure(policy_name(policy), *follow(study, policy)) for policy in policies]
    return sorted(points, key=lambda point: point.calls)


def policy_name(policy: Policy) -> str:
    """A policy in words, for tables."""
    words = [f"band {policy.band:.2f}", f"at most {policy.most}"]
    words += [] if policy.clear is None else [f"clear at {policy.clear:.2f}"]
    words += [f"predicted score of {policy.unsure:g} bits"] if policy.unsure > 0 else []
    words += [f"until {policy.sure:g}"] if policy.sure < NEVER else []
    words += [f"reasons from {policy.doubtful:g} bits"] if policy.doubtful < NEVER else []
    return ", ".join(words)


def candidate_policies(study: Study, first: int = 11, last: int = 50) -> list[Policy]:
    """The policies that are tried: bands and clearness at quantiles, lists of up to m, and every way of stopping."""
    m = study.scores.shape[1]
    normalised = normalised_distances(study.ranked, first, last)[:, :m]
    gaps = (normalised - normalised[:, :1])[:, 1:]
    if not np.isfinite(gaps).any():
        return []
    bands = np.unique(np.quantile(gaps[np.isfinite(gaps)], np.linspace(0, 1, BANDS)))
    known = normalised[np.isfinite(normalised)]
    clear = (None, *np.unique(np.quantile(known, np.linspace(0, 0.9, CLEAR))).tolist())
    lengths = sorted({3, 5, 10, m} & set(range(2, m + 1)))
    doubts = (NEVER,) if study.thoughts is None else (0.5, 0.9, NEVER)
    unsure = (0.0,) if study.guess is None else UNSURE
    return [
        Policy(float(band), most, sure, doubtful, near, first, last, least)
        for band in bands
        for near in clear
        for most in lengths
        for sure in SURE
        for doubtful in doubts
        for least in unsure
    ]


def _tried(study: Study, first: int, last: int) -> list[tuple[Policy, Point]]:
    """Every candidate policy that asks other pairs than those before it, and the one that asks nothing."""
    normalised, doubt = normalised_distances(study.ranked, first, last), entropy(study.scores)
    found: dict[bytes, tuple[Policy, Point]] = {}
    for policy in (Policy(0.0, 0, first=first, last=last), *candidate_policies(study, first, last)):
        asked, thought = _follow(study, policy, normalised, doubt)
        key = np.packbits(asked).tobytes() + np.packbits(thought).tobytes()
        if key not in found:
            found[key] = policy, study.measure(policy_name(policy), asked, thought)
    return list(found.values())


def choose_policies(
    study: Study, budgets: Sequence[float], *, first: int = 11, last: int = 50
) -> list[tuple[float, Policy]]:
    """For each budget of mean calls per query the policy with the greatest mAP + Rank-1, then the fewest calls.

    To be called on training identities; a budget in seconds is one in calls by the seconds of a call. A budget that no
    policy keeps, or where none brings anything, gets the one that asks nothing.
    """
    tried = _tried(study, first, last)
    chosen = []
    for budget in one_list(budgets, "adaptive: budgets"):
        budget = real_number(budget, "adaptive: a budget of calls per query", least=0.0, infinite=True)
        kept = [each for each in tried if each[1].calls <= budget + 1e-9]
        best = max(kept, key=lambda each: (_worth(each[1]), -each[1].calls))
        chosen.append((float(budget), best[0]))
    return chosen


def explain(policy: Policy, normalised: Reals, asked: Bools, thought: int = 0) -> str:
    """Why one query was or was not asked, in a sentence.

    Args:
        normalised: (k,) its candidates' normalised distances. asked: (m,) which were asked. thought: how many of them
            were thought about in words.
    """
    near = normalised - normalised[0] <= policy.band
    clear = near & (normalised <= policy.clear) if policy.clear is not None else np.zeros_like(near)
    number, rivals, sure_of = int(asked.sum()), int(near.sum()), int(clear.sum())
    predicted = policy.unsure > 0
    if policy.most == 0:
        return "Not asked: the budget allows no calls."
    if rivals <= 1:
        behind = f"{normalised[1] - normalised[0]:.1f}" if len(normalised) > 1 else "far more"
        return (
            f"Not asked: the next candidate lies {behind} standard deviations behind the nearest, more than the"
            f" {policy.band:.1f} within which the order is in doubt."
        )
    if number == 0 and predicted:
        return f"Not asked: the predicted scores of the {rivals} nearest candidates leave no doubt."
    if number == 0:
        return f"Not asked: the {rivals} nearest candidates stand clear of all others."
    words = f"Asked about {number}: {rivals} candidates lie within {policy.band:.1f} standard deviations of the nearest"
    words += f", {sure_of} of them clearly near" if sure_of else ""
    words += ", and the predicted scores of these leave a doubt" if predicted else ""
    if number < rivals - sure_of and not predicted:
        words += (
            f"; at most {policy.most} are asked" if number == policy.most else f"; one scored {policy.sure:g} or more"
        )
    return words + (f"; {thought} with reasons." if thought else ".")


def _worth(point: Point) -> float:
    return round(point.mean_average_precision + point.rank1, 9)


def _moved(before: NDArray[np.int64], after: NDArray[np.int64], truth: Bools) -> Bools:
    """`truth` of the places of `after`, a permutation of each row of `before`."""
    moved = np.zeros_like(truth)
    places, fresh = (np.argsort(each, axis=1, kind="stable") for each in (before, after))
    if not (np.take_along_axis(before, places, axis=1) == np.take_along_axis(after, fresh, axis=1)).all():
        raise ReIDError("adaptive: re-ranking must permute the first m candidates and move nothing else into them")
    np.put_along_axis(moved, fresh, np.take_along_axis(truth, places, axis=1), axis=1)
    return moved
