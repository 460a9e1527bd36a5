"""Searches for people who may not be enrolled, in the words of ISO/IEC 19795-1.

A search is *mated* when its person is enrolled in the gallery, *non-mated* otherwise. It returns the candidates within
distance T, at most R of them. FPIR(N, T) is the share of non-mated searches that return anybody; FNIR(N, R, T) the
share of mated searches that do not return the right person; N is the number of enrolled identities. Candidates are
identities: crops of one person count once, at the nearest of them; a crop of an unknown person is an identity of its
own, junk is nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.core.checks import as_array, check_shape, flag_array, instance_of, real_number, whole_number
from reidr.errors import ReIDError
from reidr.evaluation.metrics.matching import Labels, encode_columns, read_labels
from reidr.retrieval.ranked_list import RankedList

Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Searches:
    """The results of searches, as far as open-set errors depend on them.

    Attributes:
        mated: (Q,) whether the person is enrolled. enrolled: N, the number of identities in the gallery, junk left out.
        nearest: (Q,) distance of the nearest candidate, +inf where there is none.
        match: (Q,) distance of the right person, +inf where not listed or not enrolled.
        match_rank: (Q,) the right person's rank among identities, ties against them as far as they are listed; +inf
            likewise.
        depth: crops listed per search.
        listed: (Q,) identities listed. known_to: (Q,) distance up to which everybody is listed: that of the last crop,
            +inf where the list holds the whole gallery.

    Raises ReIDError for arrays that are not all (Q,), NaN, ranks below 1, and searches that are all of one kind.
    """

    mated: NDArray[np.bool_]
    enrolled: int
    nearest: Reals
    match: Reals
    match_rank: Reals
    depth: int
    listed: NDArray[np.int64]
    known_to: Reals

    def __post_init__(self) -> None:
        object.__setattr__(self, "mated", flag_array(self.mated, "mated", (None,)))
        number = len(self.mated)
        for name in ("nearest", "match", "match_rank", "known_to", "listed"):
            values = as_array(getattr(self, name), name)
            check_shape(values, name, (number,))
            if np.isnan(values).any():
                raise ReIDError(f"open-set: {name} of search {int(np.argmax(np.isnan(values)))} is NaN")
            object.__setattr__(self, name, values)
        for name, least in (("match_rank", 1), ("listed", 0)):
            below = getattr(self, name) < least
            if below.any():
                row = int(np.argmax(below))
                raise ReIDError(f"open-set: {name} of search {row} is {getattr(self, name)[row]}, below {least}")
        whole_number(self.enrolled, "enrolled", least=int(self.mated.any()))
        whole_number(self.depth, "depth", least=0)
        if self.mated.all() or not self.mated.any():
            raise ReIDError(
                f"open-set: {int(self.mated.sum())} of {len(self.mated)} searches are mated; both kinds are needed"
            )


@dataclass(frozen=True)
class OpenSetErrors:
    """FNIR(N, R, T) and FPIR(N, T) at one threshold, with all they depend on."""

    false_negative: float
    false_positive: float
    threshold: float
    rank: int
    enrolled: int
    mated: int
    non_mated: int


def searches_of(
    ranked: RankedList,
    query_ids: Labels,
    gallery_ids: Labels,
    mated: ArrayLike | None = None,
    *,
    junk: ArrayLike | None = None,
) -> Searches:
    """Reduce ranked lists (ignored entries left out) to `Searches`.

    Args:
        query_ids, gallery_ids: persons, None for unknown; what marks junk there (see `evaluate_ranking`) is nobody.
        junk: (G,) True for further crops that take no part, which therefore are not enrolled.
        mated: (Q,) whether a query has a match that counts (`RankingResult.matches > 0`); None: whether its person
            occurs in the gallery at all, which is the same where nothing is ignored.

    Raises:
        ReIDError: lengths that do not fit, labels of another kind, or searches that are all mated or all non-mated.
    """
    instance_of(ranked, RankedList, "ranked")
    shown = read_labels("person", gallery_ids)
    query, gallery = encode_columns("person", read_labels("person", query_ids), shown)
    if len(query) != len(ranked) or len(gallery) != len(ranked.gallery_ids):
        raise ReIDError(
            f"open-set: {len(query)} query and {len(gallery)} gallery persons for a ranked list of {len(ranked)} "
            f"queries and {len(ranked.gallery_ids)} crops"
        )
    left_out = shown.junk
    if junk is not None:
        left_out = left_out | flag_array(junk, "junk", (len(gallery),))
    # Unknown persons get a number each, below all others.
    identity = np.where(gallery < 0, -2 - np.arange(len(gallery)), gallery)
    enrolled = np.isin(query, gallery) if mated is None else flag_array(mated, "mated", (len(query),))
    match, rank, known_to = (np.full(len(query), np.inf) for _ in range(3))
    number = np.zeros(len(query), dtype=np.int64)
    for row in range(len(query)):
        listed = ranked.indices[row] >= 0
        persons, distances = identity[ranked.indices[row][listed]], ranked.distances[row][listed]
        number[row] = len(np.unique(persons))
        if listed.all() and ranked.k < len(gallery):
            known_to[row] = distances.max(initial=-np.inf)
        right = np.flatnonzero(persons == query[row])
        if enrolled[row] and len(right):
            match[row] = distances[right[0]]
            rank[row] = len(np.unique(persons[distances <= match[row]]))
    nearest = ranked.distances[:, 0].copy() if ranked.k else np.full(len(query), np.inf)
    identities = len(np.unique(identity[~left_out]))
    return Searches(enrolled, identities, nearest, match, rank, ranked.k, number, known_to)


def open_set_errors(searches: Searches, threshold: float, *, rank: int = 1) -> OpenSetErrors:
    """FNIR and FPIR when candidates within `threshold` are returned, at most `rank` of them.

    Raises ReIDError for a threshold that is NaN, and for a rank that the lists do not reach: beyond their depth, or
    where a list ends within the threshold after fewer identities than that, so that the right person might stand next,
    unseen.
    """
    instance_of(searches, Searches, "searches")
    threshold, rank = real_number(threshold, "threshold", infinite=True), whole_number(rank, "rank")
    if not 1 <= rank <= searches.depth:
        raise ReIDError(f"open-set: rank {rank} is not within the {searches.depth} candidates that were listed")
    unseen = searches.mated & np.isinf(searches.match) & (searches.listed < rank) & (searches.known_to <= threshold)
    unseen &= np.isfinite(searches.known_to)
    if unseen.any():
        row = int(np.argmax(unseen))
        raise ReIDError(
            f"open-set: rank {rank} is not known for search {row} ({int(unseen.sum())} in all): its {searches.depth} "
            f"listed crops show {searches.listed[row]} identities; list more candidates or ask for a lower rank"
        )
    missed = (searches.match > threshold) | (searches.match_rank > rank)
    alarm = (searches.nearest <= threshold) & np.isfinite(searches.nearest)
    mated = searches.mated
    return OpenSetErrors(
        float(missed[mated].mean()),
        float(alarm[~mated].mean()),
        float(threshold),
        rank,
        searches.enrolled,
        int(mated.sum()),
        int((~mated).sum()),
    )


def threshold_at(searches: Searches, false_positive: float) -> float:
    """The largest threshold whose FPIR on `searches` is at most `false_positive`; +inf where every search may alarm.

    Choose it on training identities and measure it on others. With n non-mated searches an FPIR below 1/n cannot be
    distinguished from 0, and the threshold is then just below the nearest candidate of all of them. Raises ReIDError
    for a wanted FPIR outside [0, 1].
    """
    instance_of(searches, Searches, "searches")
    false_positive = real_number(false_positive, "false_positive")
    if not 0.0 <= false_positive <= 1.0:
        raise ReIDError(f"open-set: the wanted FPIR must lie in [0, 1], not {false_positive}")
    nearest = np.sort(searches.nearest[~searches.mated])
    # A hair for products such as 0.07 × 100, which fall short of the whole number they mean.
    allowed = int(np.floor(false_positive * len(nearest) + 1e-9))
    return float(np.nextafter(nearest[allowed], -np.inf)) if allowed < len(nearest) else float("inf")


def open_set_curve(searches: Searches, *, rank: int = 1) -> list[OpenSetErrors]:
    """All operating points by rising FPIR: one for each distance at which another non-mated search alarms, and none."""
    instance_of(searches, Searches, "searches")
    nearest = searches.nearest[~searches.mated]
    steps = np.unique(nearest[np.isfinite(nearest)])
    # Just before the next alarm the most mated searches are found for the same FPIR.
    thresholds = np.append(np.nextafter(steps, -np.inf), np.inf)
    return [open_set_errors(searches, float(threshold), rank=rank) for threshold in thresholds]
