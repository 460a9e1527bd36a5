"""From a vector to candidate tracks: the nearest crops, grouped, with what a re-ranker needs to know around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reidr.reasoning.types import Pair
from reidr.retrieval.embedders.embedder import Embedder, facts_of
from reidr.retrieval.gallery import Gallery
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.rerankers.csls import FIRST, LAST, cosine_of, with_surroundings
from reidr.retrieval.score_normalisation import LEAST
from reidr.search.folding import Group
from reidr.search.order import Candidates
from reidr.service.finding.models import Models
from reidr.service.finding.person import Person, crop_of
from reidr.service.store.records import CropFilter, Hit, StoredCrop
from reidr.service.store.store import GalleryStore

Reals = NDArray[np.float64]
FIRST_DEPTH, DEEPEST = 256, 16_384  # crops that are asked for at first, and at most


@dataclass(frozen=True)
class TrackHit:
    """A track that was found. column: place of its nearest crop in the list of crops. crops: how many are listed."""

    track: str
    camera: str
    start: float | None
    end: float | None
    best: str
    distance: float
    column: int
    crops: int


def nearest_hits(
    store: GalleryStore, person: Person, which: CropFilter, tracks: int, left_out: frozenset[str]
) -> list[Hit]:
    """The nearest crops, until `tracks` tracks and the surroundings of the query are among them, or all there are.

    Args:
        left_out: tracks that are not searched: those of the query itself.
    """
    assert person.vector is not None
    depth = FIRST_DEPTH
    while True:
        hits = store.search(person.vector, depth, which)[0]
        kept = [hit for hit in hits if hit.track not in left_out]
        enough = len(kept) > LAST and len({hit.track for hit in kept}) >= tracks
        if len(hits) < depth or enough or depth >= DEEPEST:
            return kept
        depth = min(4 * depth, DEEPEST)


def tracks_of(hits: Sequence[Hit]) -> list[TrackHit]:
    """The tracks of a list of crops, by their nearest crop."""
    first: dict[str, tuple[int, Hit]] = {}
    count: dict[str, int] = {}
    for column, hit in enumerate(hits):
        first.setdefault(hit.track, (column, hit))
        count[hit.track] = count.get(hit.track, 0) + 1
    return [
        TrackHit(track, hit.camera, hit.start, hit.end, hit.id, euclidean(hit.distance), column, count[track])
        for track, (column, hit) in first.items()
    ]


def euclidean(cosine_distance: float) -> float:
    """The Euclidean distance of two unit vectors, by which all else is measured, from their cosine distance."""
    return float(np.sqrt(max(0.0, 2.0 * cosine_distance)))


def looks_limit(retriever: Embedder) -> float:
    """How near two tracks must be to be one appearance by their looks: nearer than 1 in 100 absent people come to
    anybody (or the rarest rate that is stored). Without stored thresholds looks forbid nothing."""
    thresholds = facts_of(retriever).thresholds
    return thresholds[min(thresholds, key=float)] if thresholds else float("inf")


@dataclass(frozen=True, eq=False)
class Listed:
    """The head of the list of crops with all that the chosen tracks need: what a re-ranker works on."""

    candidates: Candidates
    tracks: tuple[TrackHit, ...]
    stored: dict[str, StoredCrop]


def listed_of(
    store: GalleryStore,
    models: Models,
    person: Person,
    hits: Sequence[Hit],
    chosen: Sequence[TrackHit],
    which: CropFilter,
) -> Listed:
    """The chosen tracks as candidates of one ranked list of crops, as the profile was tuned on lists of crops."""
    assert person.vector is not None
    assert person.shown is not None
    size = min(len(hits), max(max(track.column for track in chosen) + 1, LAST))
    head = hits[:size]
    stored = store.get([hit.id for hit in head])
    features = np.stack([crop.vector for crop in stored])
    gallery = Gallery(tuple(crop_of(crop) for crop in stored), features, (), models.retriever.name)
    distances = np.array([[euclidean(hit.distance) for hit in head]])
    ranked = RankedList(
        (person.shown.id,),
        gallery.ids,
        np.arange(size)[None],
        np.maximum.accumulate(distances, axis=1),
        (f"retriever {models.retriever.name}",),
    )
    profile = models.profile
    if profile is not None and profile.csls:
        ranked = csls_of_store(store, ranked, gallery, which)
    groups = []
    for track in chosen:
        like = [column for column, hit in enumerate(head) if hit.track == track.track and column != track.column]
        groups.append(Group(track.column, track.column, tuple(like)))
    pairs = [Pair(person.shown, gallery.crops[group.row], float(distances[0, group.column])) for group in groups]
    candidates = Candidates(ranked, groups, pairs, gallery, person.vector, models.reasoner)
    return Listed(candidates, tuple(chosen), {crop.id: crop for crop in stored})


def csls_of_store(store: GalleryStore, ranked: RankedList, gallery: Gallery, which: CropFilter) -> RankedList:
    """CSLS distances of the listed crops: their surroundings are looked up in what is searched (`with_csls`)."""
    if store.count(which) < FIRST + LEAST:
        return ranked
    # A mean over forty neighbours: an approximate index, where the store has one, is as good.
    found = store.search(gallery.features, LAST + 1, which, exact=False)
    around = np.zeros(len(gallery))
    for row, (crop, hits) in enumerate(zip(gallery.ids, found, strict=True)):
        others = [euclidean(hit.distance) for hit in hits if hit.id != crop][FIRST - 1 : LAST]
        around[row] = cosine_of(np.array(others)).mean()
    return with_surroundings(ranked, around)
