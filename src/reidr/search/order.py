"""The order of a search's matches, and the one number that decides it.

Every number has one name, in the terminal, on the page, in JSON and in CSV:

- *distance*: the retriever's, in [0, 2], smaller is nearer;
- *direct score*: the reasoner's answer without words, the share of "yes" among "yes" and "no", not calibrated;
- *reasoned score*: the same, read from the words that it wrote, with the pictures taken away; which of the two counts,
  or their mean, the inference profile says;
- *P(same)*: the score that counts after the calibration of the inference profile; there is none without one;
- *fused distance* or *fused score*: what the profile's fusion makes of the above, and decides the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reidr.core.progress import Advance
from reidr.evaluation.experiment.candidate_scoring import steps_of
from reidr.fusion.profile import InferenceProfile
from reidr.fusion.weighted import ScoreKind
from reidr.reasoning.backends.reasoned import score_pairs
from reidr.reasoning.types import Pair, Verdict
from reidr.retrieval.gallery import Gallery
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.rerankers.reranker import RerankContext, Reranker, checked_list
from reidr.search.folding import Group

if TYPE_CHECKING:
    from reidr.reasoning.backends.local import Backend

Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Order:
    """How candidates are ordered.

    Attributes:
        by: the name of the number that decides ("distance", "fused distance", "fused score", or a re-ranker's name).
        rule: how it is made, one sentence. places: the candidates, best first.
        values: (n,) that number of each candidate, in the order in which they were given.
        scores: (n,) the scores that count, NaN where the reasoner was not asked. probabilities: (n,) P(same): those
            scores calibrated; NaN where there is none, or nothing to calibrate it with.
    """

    by: str
    rule: str
    places: tuple[int, ...]
    values: Reals
    scores: Reals
    probabilities: Reals


@dataclass(eq=False)
class Candidates:
    """The crops that a search shows, in the retriever's order: what a re-ranker orders, and asks a reasoner about.

    Attributes:
        listed: (1, m) the ranked list with its surroundings. groups: the n candidates' places in it. pairs: as
        `groups`. gallery: everything that is searched. query_features: (1, D). model: None ranks without a reasoner.
        kind: which score of the model. least_doubt: as `score_pairs`. said: by number of the candidate, what counts
            was made of: the direct score and the reasoned one, NaN where not asked, and the words. It grows.
    """

    listed: RankedList
    groups: Sequence[Group]
    pairs: Sequence[Pair]
    gallery: Gallery
    query_features: NDArray[np.float32]
    model: Backend | None
    kind: ScoreKind = "direct"
    least_doubt: float = 0.0
    said: dict[int, tuple[float, float, Verdict | None]] = field(default_factory=dict)

    @property
    def columns(self) -> NDArray[np.int64]:
        """(n,) places of the candidates in the list."""
        return np.array([group.column for group in self.groups], dtype=np.int64)

    @property
    def size(self) -> int:
        """First candidates of the list that hold all that is shown."""
        return int(self.columns.max()) + 1

    def context(self) -> RerankContext:
        """What a re-ranker may use. Scores are given of candidates that are shown; near-duplicates have none."""
        known: dict[int, float] = {}

        def ask(ranked: RankedList, wanted: Flags, advance: Advance | None = None) -> Reals:
            assert self.model is not None
            row_of = {group.row: number for number, group in enumerate(self.groups)}
            scores = np.full(wanted.shape, np.nan)
            places = [(int(c), row_of[int(ranked.indices[0, c])]) for c in np.flatnonzero(wanted[0])
                      if int(ranked.indices[0, c]) in row_of]  # fmt: skip
            new = [number for _, number in places if number not in known]
            if new:
                steps = None if advance is None else steps_of(advance)
                some = [self.pairs[number] for number in new]
                found = score_pairs(self.model, some, self.kind, least_doubt=self.least_doubt, progress=steps)
                known.update(zip(new, found.scores.tolist(), strict=True))
                parts = zip(found.direct.tolist(), found.reasoned.tolist(), found.verdicts, strict=True)
                self.said.update(zip(new, parts, strict=True))
            for column, number in places:
                scores[0, column] = known[number]
            return scores

        return RerankContext(
            [self.pairs[0].query],
            self.gallery.crops,
            self.query_features,
            self.gallery.features,
            self.size,
            ask=None if self.model is None else ask,
            compare=self._similarities,
        )

    def _similarities(self, ranked: RankedList, m: int) -> Reals | None:
        if self.model is None or not self.model.capabilities.vision_similarity:
            return None
        seen = self.model.vision_similarity(self.pairs)
        if seen is None:
            return None
        # A folded crop has the similarity of the match that it stands behind: a fitted fusion needs one of every place.
        number_of = {row: number for number, group in enumerate(self.groups) for row in (group.row, *group.like)}
        rows = self.listed.indices[0, :m].tolist()
        unknown = np.full(seen.shape[1], np.nan)
        return np.array([[seen[number_of[row]] if row in number_of else unknown for row in rows]])


def by_distance(candidates: Candidates) -> Order:
    """The retriever's own order, in which candidates are given."""
    distances = candidates.listed.distances[0, candidates.columns]
    unknown = np.full(len(distances), np.nan)
    rule = "The order is that of the retriever's distance, smaller is nearer."
    return Order("distance", rule, tuple(range(len(distances))), distances, unknown, unknown)


def by_profile(candidates: Candidates, profile: InferenceProfile, advance: Advance) -> Order:
    """The order of the inference profile's re-ranker, the one that `evaluate` measures."""
    result = profile.reranker().run(candidates.listed, candidates.context(), advance)
    columns = candidates.columns
    values, scores = result.values[0, columns], result.scores[0, columns]
    chance = result.probabilities[0, columns] if profile.calibration else np.full(len(columns), np.nan)
    places = sorted_places(-values if result.by == "fused score" else values)
    return Order(result.by, result.rule, places, values, scores, chance)


def by_reranker(candidates: Candidates, reranker: Reranker, source: str, advance: Advance) -> Order:
    """The order of another re-ranker (`find --reranker`). Raises ReIDError where it gives no ranked list."""
    context, columns, nothing = candidates.context(), candidates.columns, np.full(len(candidates.groups), np.nan)
    reranked = checked_list(source, reranker.rerank(candidates.listed, context), candidates.listed)
    place_of = {int(row): place for place, row in enumerate(reranked.indices[0]) if row >= 0}
    lost = [group.row for group in candidates.groups if group.row not in place_of]
    place_of |= {row: len(reranked.indices[0]) + number for number, row in enumerate(lost)}
    places = tuple(sorted(range(len(columns)), key=lambda number: place_of[candidates.groups[number].row]))
    distances = np.append(reranked.distances[0], np.full(len(lost), np.inf))
    values = np.array([distances[place_of[group.row]] for group in candidates.groups])
    scores = nothing
    if context.asked:
        wanted = np.zeros((1, candidates.size), dtype=bool)
        wanted[0, columns] = True
        scores = context.scores(candidates.listed, wanted, advance)[0, columns]
    rule = f"The order is that of the re-ranker {reranker.name}, smaller is nearer."
    return Order(reranker.name, rule, places, values, scores, nothing)


def sorted_places(values: Reals) -> tuple[int, ...]:
    """Places by rising value, ties in the order given."""
    return tuple(np.argsort(values, kind="stable").tolist())
