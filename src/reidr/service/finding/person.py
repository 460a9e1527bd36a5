"""Who is searched for: given pictures, tracks of the gallery, and found tracks that were confirmed, as one vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reidr.data.pictures.images import read_picture
from reidr.data.pictures.pixels import pixel_digest
from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.retrieval.embedders.embedder import Embedder, embed_crops
from reidr.search.appearances.travel import Sighting
from reidr.search.appearances.types import QueryPicture
from reidr.search.query.query import Query, query_of
from reidr.service.finding.request import SearchRequest
from reidr.service.store.records import CropFilter, StoredCrop
from reidr.service.store.store import GalleryStore

Rows = NDArray[np.float32]
PAGE = 1000


@dataclass(frozen=True, eq=False)
class Person:
    """The person who is searched for.

    Attributes:
        vector: (1, D) the unit vector to search with: the mean of one unit vector for each picture and each track; None
            for words alone. pictures: for the answer. shown: the picture that a reasoner is shown; None without one.
        doubtful: none of the given pictures can be relied on. warnings: why. digests: of the given pictures' pixels.
        crops: those of the tracks that show the person, by track. sightings: where and when these were.
    """

    vector: Rows | None
    pictures: tuple[QueryPicture, ...] = ()
    shown: Crop | None = None
    doubtful: bool = False
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    digests: frozenset[str] = frozenset()
    crops: dict[str, list[StoredCrop]] | None = None
    sightings: tuple[Sighting, ...] = ()


def crop_of(stored: StoredCrop) -> Crop:
    """A stored crop as what models take. Raises ImageError where its picture cannot be read."""
    return Crop(stored.id, read_picture(stored.picture, f"crop {stored.id}"))


def crops_of(store: GalleryStore, tracks: Sequence[str]) -> dict[str, list[StoredCrop]]:
    """All crops of some tracks, by track; a track that is not there has none."""
    found: dict[str, list[StoredCrop]] = {track: [] for track in tracks}
    which, after = CropFilter(tracks=frozenset(tracks)), None
    while tracks and (page := store.crops(which, after=after, limit=PAGE)):
        for crop in page:
            found[crop.track].append(crop)
        after = page[-1].id
    return found


def person_of(store: GalleryStore, retriever: Embedder, request: SearchRequest) -> Person:
    """The person whom a request describes by pictures and tracks.

    Raises DataError for a track of the query that is not in the gallery, ImageError for a picture that cannot be used.
    """
    known = crops_of(store, request.known)
    missing = [track for track in request.tracks if not known[track]]
    if missing:
        raise DataError(f"track {missing[0]} is not in the gallery; search by a picture, or name another track")
    gone = [track for track in request.confirmed if not known[track]]
    notes = (f"{len(gone)} confirmed tracks are no longer in the gallery and do not count.",) if gone else ()
    tracks = {track: crops for track, crops in known.items() if crops}
    if not request.pictures and not tracks:
        return Person(None, notes=notes)
    query = given_query(request)
    own = embed_crops(retriever, query.crops) if query is not None else np.empty((0, 0), np.float32)
    means = [unit_mean(np.stack([crop.vector for crop in crops])) for crops in tracks.values()]
    vector = unit_mean(np.stack([*own, *means]))[None]
    stored = [crop for track in request.tracks for crop in tracks[track]]
    stored += [crop for track in request.confirmed for crop in tracks.get(track, [])]
    pictures = () if query is None else query.crops
    doubts = () if query is None else query.doubts
    return Person(
        vector,
        (
            *(
                QueryPicture(id=crop.id, stored=False, doubt=doubt)
                for crop, doubt in zip(pictures, doubts, strict=True)
            ),
            *(QueryPicture(id=crop.id, stored=True) for crop in stored),
        ),
        shown_picture(query, own, stored, vector[0], bool(request.tracks)),
        query is not None and query.doubtful,
        () if query is None else query.warnings(),
        notes,
        frozenset(pixel_digest(crop.open()) for crop in pictures),
        tracks,
        tuple(sighting for track, crops in tracks.items() for sighting in sighting_of(track, crops)),
    )


def given_query(request: SearchRequest) -> Query | None:
    """The given pictures, every one of them opened; None without one."""
    if not request.pictures:
        return None
    return query_of([Crop(each.name, read_picture(each.content, each.name)) for each in request.pictures])


def shown_picture(query: Query | None, own: Rows, stored: Sequence[StoredCrop], vector: Rows, by_track: bool) -> Crop:
    """The picture that a reasoner is shown: of the given ones that which is nearest to the mean, else of the crops.

    A given picture comes first: what was asked about is what the answer is about. A doubtful one is shown only where
    there is no other; crops of confirmed tracks only where the query is nothing else.
    """
    if query is not None:
        doubted = np.array([bool(doubt) and not query.doubtful for doubt in query.doubts])
        return query.crops[int(np.argmax(own @ vector - 10.0 * doubted))]
    nearness = [float(crop.vector @ vector) for crop in stored]
    first = stored[0].track
    eligible = [place for place, crop in enumerate(stored) if not by_track or crop.track == first]
    return crop_of(stored[max(eligible, key=lambda place: nearness[place])])


def sighting_of(track: str, crops: Sequence[StoredCrop]) -> list[Sighting]:
    """When and where a track that shows the person was; none where its time is unknown."""
    starts = [crop.start for crop in crops if crop.start is not None]
    ends = [crop.end for crop in crops if crop.end is not None]
    if not starts or not ends:
        return []
    return [Sighting(f"the person (track {track})", crops[0].camera, min(starts), max(ends))]


def unit_mean(rows: Rows) -> Rows:
    """(D,) the mean of unit rows, made a unit vector again; the first row where they cancel each other out."""
    mean = rows.mean(axis=0, dtype=np.float64)
    length = np.linalg.norm(mean)
    return rows[0] if length < 1e-9 else (mean / length).astype(np.float32)
