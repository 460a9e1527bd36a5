"""Putting candidates before a reasoner: all of the first k, or only those that a policy asks about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reidr.core.progress import Advance
from reidr.data.protocols.trial import Trial
from reidr.evaluation.experiment.outcome import Progress
from reidr.fusion.weighted import ScoreKind
from reidr.reasoning.backends.reasoned import score_pairs
from reidr.reasoning.types import Pair, Verdict
from reidr.retrieval.ranked_list import RankedList

if TYPE_CHECKING:
    from reidr.reasoning.backends.local import Backend

Scores = dict[tuple[str, str], float]
"""P(same) of pairs that were asked before, by (query id, candidate id)."""
Places = tuple[NDArray[np.int64], NDArray[np.int64]]
"""(rows, columns) in a ranked list."""
Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]


def candidate_pairs(trial: Trial, ranked: RankedList, k: int) -> tuple[list[Pair], Places]:
    """The pairs of each query with its first k candidates, and their places in the ranked list."""
    return pairs_at(trial, ranked, ranked.indices[:, :k] >= 0)


def pairs_at(trial: Trial, ranked: RankedList, wanted: NDArray[np.bool_]) -> tuple[list[Pair], Places]:
    """The pairs at the `wanted` (Q, m) places of a ranked list, and these places."""
    m = wanted.shape[1]
    rows, columns = np.nonzero(wanted & (ranked.indices[:, :m] >= 0))
    truth = trial.shows_person(ranked.indices[:, :m])
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


@dataclass(eq=False)
class PairScorer:
    """Asks a reasoner about pairs of one trial, about each pair once.

    Attributes:
        known: P(same) of the pairs that were scored, also in earlier trials; it grows. batch: pairs at a time.
        kind: which score. least_doubt: as `score_pairs`. verdicts: by (query id, candidate id) the words that scores
            were read from, each with what it says alone; it grows.
    """

    reasoner: Backend
    trial: Trial
    known: Scores = field(default_factory=dict)
    batch: int = 32
    kind: ScoreKind = "direct"
    least_doubt: float = 0.0
    verdicts: dict[tuple[str, str], Verdict] = field(default_factory=dict)

    def ask(self, ranked: RankedList, wanted: Flags, advance: Advance | None = None) -> Reals:
        """(Q, m) P(same) at the `wanted` (Q, m) places, NaN elsewhere."""
        pairs, places = pairs_at(self.trial, ranked, wanted)
        keys = [(pair.query.id, pair.candidate.id) for pair in pairs]
        new = [place for place, key in enumerate(keys) if key not in self.known]
        steps = None if advance is None else steps_of(advance)
        fresh: Sequence[float] | Reals = []
        if new:
            some = [pairs[place] for place in new]
            found = score_pairs(
                self.reasoner, some, self.kind, least_doubt=self.least_doubt, batch_size=self.batch, progress=steps
            )
            fresh = found.scores
            said = zip(new, found.verdicts, strict=True)
            self.verdicts.update({keys[place]: verdict for place, verdict in said if verdict is not None})
        self.known.update({keys[place]: float(value) for place, value in zip(new, fresh, strict=True)})
        if advance is not None:
            advance(len(pairs) - len(new))
        scores = np.full(wanted.shape, np.nan)
        scores[places] = [self.known[key] for key in keys]
        return scores

    def vision_similarity(self, ranked: RankedList, m: int, progress: Progress) -> Reals | None:
        """(Q, m, 3) similarities by the reasoner's vision encoder of the first m candidates, NaN where padded.

        None for a reasoner that gives none (`Capabilities.vision_similarity`).
        """
        if not self.reasoner.capabilities.vision_similarity:
            return None
        pairs, places = candidate_pairs(self.trial, ranked, m)
        with progress("comparing by the vision encoder", len(pairs)) as advance:
            similarities = self.reasoner.vision_similarity(pairs, batch_size=self.batch, progress=steps_of(advance))
        if similarities is None:
            return None
        table = np.full((len(ranked), m, similarities.shape[1]), np.nan)
        table[places] = similarities
        return table


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
    """As `steps_of`, where the total is not known beforehand: all of it together moves a bar by `whole` steps."""
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
