"""Putting candidates before a reasoner: all of the first k, or only those that a policy asks about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reidr.core.progress import Advance
from reidr.data.protocols.trial import Trial
from reidr.evaluation.experiment.cost_curve import Policy
from reidr.evaluation.experiment.outcome import Progress
from reidr.reasoning.types import Pair
from reidr.retrieval.ranked_list import RankedList

if TYPE_CHECKING:
    from reidr.reasoning.backends.local import Backend

Known = dict[tuple[str, str], float]
"""P(same) of pairs that were asked before, by (query id, candidate id)."""


Places = tuple[NDArray[np.int64], NDArray[np.int64]]
"""(rows, columns) in a ranked list."""


def candidate_pairs(trial: Trial, ranked: RankedList, k: int) -> tuple[list[Pair], Places]:
    """The pairs of each query with its first k candidates, and their places in the ranked list."""
    return pairs_at(trial, ranked, ranked.indices[:, :k] >= 0)


def pairs_at(trial: Trial, ranked: RankedList, wanted: NDArray[np.bool_]) -> tuple[list[Pair], Places]:
    """The pairs at the `wanted` (Q, m) places of a ranked list, and these places."""
    m = wanted.shape[1]
    rows, columns = np.nonzero(wanted & (ranked.indices[:, :m] >= 0))
    truth = matches_of(trial, ranked, m)
    pairs = [
        Pair(
            trial.query[row],
            trial.gallery[ranked.indices[row, column]],
            float(ranked.distances[row, column]),
            bool(truth[row, column]),
        )
        for row, column in zip(rows, columns, strict=True)
    ]
    return pairs, (rows, columns)


def matches_of(trial: Trial, ranked: RankedList, k: int) -> NDArray[np.bool_]:
    """(Q, k) True where the ranked list's candidate shows the query's person."""
    indices = ranked.indices[:, :k]
    persons = np.array([crop.person or "" for crop in trial.gallery])
    wanted = np.array([crop.person or " " for crop in trial.query])
    same: NDArray[np.bool_] = (persons[np.maximum(indices, 0)] == wanted[:, None]) & (indices >= 0)
    return same


def ask(
    reasoner: Backend,
    trial: Trial,
    ranked: RankedList,
    wanted: NDArray[np.bool_],
    known: Known,
    advance: Advance | None = None,
    batch: int = 32,
) -> NDArray[np.float64]:
    """(Q, m) P(same) of the direct score at the `wanted` places, NaN elsewhere; pairs in `known` cost no call."""
    pairs, places = pairs_at(trial, ranked, wanted)
    keys = [(pair.query.id, pair.candidate.id) for pair in pairs]
    todo = [place for place, key in enumerate(keys) if key not in known]
    steps = None if advance is None else steps_of(advance)
    fresh: Sequence[float] | NDArray[np.float64] = []
    if todo:
        fresh = reasoner.score([pairs[place] for place in todo], batch_size=batch, progress=steps)
    known.update({keys[place]: float(value) for place, value in zip(todo, fresh, strict=True)})
    if advance is not None:
        advance(len(pairs) - len(todo))
    scores = np.full(wanted.shape, np.nan)
    scores[places] = [known[key] for key in keys]
    return scores


def vision_similarity(
    reasoner: Backend, trial: Trial, ranked: RankedList, m: int, progress: Progress, batch: int = 32
) -> NDArray[np.float64] | None:
    """(Q, m, 3) what the reasoner's eyes tell of the first m candidates (`Backend.vision_similarity`), NaN where padded.

    None for a reasoner whose eyes tell nothing by themselves.
    """
    if not reasoner.capabilities.vision_similarity:
        return None
    pairs, places = candidate_pairs(trial, ranked, m)
    with progress("glancing at pairs", len(pairs)) as advance:
        found = reasoner.vision_similarity(pairs, batch_size=batch, progress=steps_of(advance))
    if found is None:
        return None
    table = np.full((len(ranked), m, found.shape[1]), np.nan)
    table[places] = found
    return table


def ask_by_policy(
    policy: Policy,
    reasoner: Backend,
    trial: Trial,
    ranked: RankedList,
    m: int,
    known: Known,
    advance: Advance | None = None,
    batch: int = 32,
    guess: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """(Q, m) scores where the policy asks, NaN elsewhere: nearest first, until a score that is sure enough.

    `guess`: (Q, m) the scores expected without asking.
    """
    wanted = policy.candidates(ranked, m, guess)
    scores = np.full(wanted.shape, np.nan)
    going = np.ones(len(ranked), dtype=bool)
    for column in range(m):
        here = np.zeros_like(wanted)
        here[:, column] = wanted[:, column] & going
        if here.any():
            found = ask(reasoner, trial, ranked, here, known, None, batch)
            scores = np.where(here, found, scores)
            going &= ~(scores[:, column] >= policy.sure)
        if advance is not None:
            advance(1)
    return scores


def leave_out(ranked: RankedList, excluded: Callable[[slice], NDArray[np.bool_]]) -> RankedList:
    """The list without the gallery crops that are `excluded` (rows, G) for a query; places at the end become empty."""
    indices, distances = ranked.indices.copy(), ranked.distances.copy()
    for first in range(0, len(ranked), 256):
        rows = slice(first, first + 256)
        gone = np.take_along_axis(excluded(rows), np.maximum(indices[rows], 0), axis=1) | (indices[rows] < 0)
        order = np.argsort(gone, axis=1, kind="stable")
        indices[rows] = np.take_along_axis(np.where(gone, -1, indices[rows]), order, axis=1)
        distances[rows] = np.take_along_axis(np.where(gone, np.inf, distances[rows]), order, axis=1)
    return RankedList(ranked.query_ids, ranked.gallery_ids, indices, distances, ranked.made_by)


def doubled(ranked: RankedList) -> RankedList:
    """Distances times 2: those of k-reciprocal re-ranking lie in [0, 1], and fusion is made for [0, 2]."""
    return RankedList(ranked.query_ids, ranked.gallery_ids, ranked.indices, 2.0 * ranked.distances, ranked.made_by)


def share_of_steps(advance: Advance, whole: int) -> Callable[[int, int], None]:
    """As `steps_of`, where what is counted is not known beforehand: the whole of it moves a bar of `whole` steps."""
    moved = 0.0

    def report(done: int, total: int) -> None:
        nonlocal moved
        now = whole * done / max(1, total)
        advance(now - moved)
        moved = now

    return report


def steps_of(advance: Advance) -> Callable[[int, int], None]:
    """Adapt a step counter to callbacks that report (done, in all)."""
    last = 0

    def report(done: int, _: int) -> None:
        nonlocal last
        advance(done - last)
        last = done

    return report
