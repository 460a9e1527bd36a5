"""The ask policy: about which candidates a reasoner is asked, given a ranked list and perhaps predicted scores.

A candidate is asked about when it lies within a band behind the nearest one and is not so near that the retriever is
sure of it, both in units of the query's own z-norm: a query whose matches stand clear of all others costs no call, one
among look-alikes several. Where scores are predicted, only candidates with an uncertain prediction are asked about. No
further candidate is asked about after a score that is sure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.core.checks import as_array, real_array, real_number, whole_number
from reidr.errors import ReIDError
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.score_normalisation import normalised_distances

Reals = NDArray[np.float64]
Bools = NDArray[np.bool_]
NEVER = 2.0  # above any probability and any entropy of one answer in bits


@dataclass(frozen=True)
class Policy:
    """When to ask; chosen on training identities.

    Attributes:
        band: candidates up to this far behind the nearest are asked about, in standard deviations of the z-norm.
        clear: candidates whose normalised distance is this or less are not asked: the retriever is sure enough of them.
            None: there are no such.
        unsure: candidates are asked about only where their predicted score has at least this entropy in bits; 0: all.
        most: candidates of one query asked at most. sure: no further candidate is asked after a score of at least this
            (`NEVER`: all are). doubtful: for a direct score with at least this entropy in bits reasons are written
            (`NEVER`: for none). words: where the profile's score is "both", words decide beside a direct score with at
            least this entropy in bits (0: beside every one). first, last: ranks of the z-norm.
    """

    band: float
    most: int
    sure: float = NEVER
    doubtful: float = NEVER
    clear: float | None = None
    first: int = 11
    last: int = 50
    unsure: float = 0.0
    words: float = 0.0

    def __post_init__(self) -> None:
        for name in ("band", "sure", "doubtful", "unsure", "words"):
            real_number(getattr(self, name), f"policy: {name}", least=0.0, infinite=True)
        if self.clear is not None:
            real_number(self.clear, "policy: clear", infinite=True)
        whole_number(self.most, "policy: most", least=0)
        whole_number(self.last, "policy: last", least=whole_number(self.first, "policy: first", least=1))

    def stored(self) -> dict[str, Any]:
        """Plain values for the inference profile."""
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
        predicted scores; without them `unsure` does not count.
        """
        return _in_doubt(normalised_distances(ranked, self.first, self.last)[:, :m], self, guess)


def ask_in_doubt(
    policy: Policy,
    ranked: RankedList,
    m: int,
    predicted: Reals | None,
    ask: Callable[[Bools], Reals],
    advance: Callable[[float], None] | None = None,
) -> Reals:
    """(Q, m) scores where the policy asks, NaN elsewhere: nearest first, until a score that is sure enough.

    Args:
        predicted: (Q, m) scores predicted without asking; None: none. ask: gives (Q, m) scores of the wanted places.
        advance: is told of every rank that is done.
    """
    wanted = policy.candidates(ranked, m, predicted)
    scores = np.full(wanted.shape, np.nan)
    going = np.ones(len(ranked), dtype=bool)
    for column in range(m):
        here = np.zeros_like(wanted)
        here[:, column] = wanted[:, column] & going
        if here.any():
            scores = np.where(here, ask(here), scores)
            going &= ~(scores[:, column] >= policy.sure)
        if advance is not None:
            advance(1)
    return scores


def entropy(probabilities: ArrayLike) -> Reals:
    """Entropy in bits of a yes-or-no answer: 1 at 0.5, 0 at 0 and 1; NaN stays NaN. ReIDError outside [0, 1]."""
    p = np.asarray(as_array(probabilities, "probabilities"), dtype=np.float64)
    if (p < 0).any() or (p > 1).any():
        raise ReIDError(f"probabilities: {p[(p < 0) | (p > 1)].flat[0]:g} lies outside [0, 1]")
    parts = [np.where(x > 0, -x * np.log2(np.where(x > 0, x, 1.0)), 0.0 * x) for x in (p, 1.0 - p)]
    return np.asarray(parts[0] + parts[1])


def asked_pairs(policy: Policy, normalised: Reals, scores: Reals, guess: Reals | None = None) -> Bools:
    """(Q, m) which pairs are asked, given normalised distances (Q, k) and the scores (Q, m) that come back.

    `guess`: (Q, m) predicted scores. Raises ReIDError for shapes that do not fit.
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
    """(Q, m) candidates within the band, not clear and without a sure prediction, at most `most`; none where the
    nearest is alone in the band."""
    near = normalised - normalised[:, :1] <= policy.band
    doubt = near & (near.sum(axis=1) > 1)[:, None]
    if policy.clear is not None:
        doubt &= normalised > policy.clear
    if guess is not None and policy.unsure > 0:
        doubt &= entropy(guess) >= policy.unsure
    return doubt & (doubt.cumsum(axis=1) <= policy.most)


def policy_name(policy: Policy) -> str:
    """A policy in words, for tables."""
    words = [f"band {policy.band:.2f}", f"at most {policy.most}"]
    words += [] if policy.clear is None else [f"clear at {policy.clear:.2f}"]
    words += [f"predicted score of {policy.unsure:g} bits"] if policy.unsure > 0 else []
    words += [f"until {policy.sure:g}"] if policy.sure < NEVER else []
    words += [f"reasons from {policy.doubtful:g} bits"] if policy.doubtful < NEVER else []
    words += [f"words decide from {policy.words:g} bits"] if policy.words > 0 else []
    return ", ".join(words)


def explain(policy: Policy, normalised: Reals, asked: Bools, thought: int = 0) -> str:
    """Why one query was or was not asked, in a sentence.

    Args:
        normalised: (k,) its candidates' z-normed distances. asked: (m,) which were asked about. thought: for how many
            of them reasons were written.
    """
    near = normalised - normalised[0] <= policy.band
    clear = near & (normalised <= policy.clear) if policy.clear is not None else np.zeros_like(near)
    number, rivals, sure_of = int(asked.sum()), int(near.sum()), int(clear.sum())
    predicted = policy.unsure > 0
    if policy.most == 0:
        return "Not asked: this rule asks about nobody."
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
