"""What a gallery store holds: crops with their vectors, the tracks they belong to, and what changed them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class StoredCrop:
    """One crop as a gallery keeps it. Times are seconds since 1970 in UTC; None where unknown.

    Attributes:
        id: unique within the gallery; chosen by who adds it, the same for the same crop of the same recording.
        camera: name of the camera. track: the crops of one person that one camera took one after the other.
        picture: the encoded picture (JPEG or PNG); it is shown, and embedded anew when the model changes.
        vector: (D,) float32 unit row.
        recording: what it was cut from: a video, a folder. time: when it was taken.
        start, end: when the track begins and ends; the track may be longer than its kept crops.
        frame: number of the frame in the recording. box: left, top, right, bottom in pixels of that frame.
        quality: in [0, 1], how good a picture of one person it is. attributes: (A,) float16 probabilities of the values
            of the attribute vocabulary (NaN where unknown), or None where no network that reads them was at hand.
        person: a label that a named human gave; never what a model thinks.
    """

    id: str
    camera: str
    track: str
    picture: bytes
    vector: NDArray[np.float32]
    recording: str | None = None
    time: float | None = None
    start: float | None = None
    end: float | None = None
    frame: int | None = None
    box: tuple[float, float, float, float] | None = None
    quality: float | None = None
    attributes: NDArray[np.float16] | None = None
    person: str | None = None


@dataclass(frozen=True)
class CropFilter:
    """Which crops: all given conditions must hold; the empty filter is every crop.

    Attributes:
        ids, tracks, persons, cameras, recordings: labels of which a crop must have one; None where any will do.
        since, until: the crop's track must overlap this time, ends included; a crop of unknown time never does.
    """

    ids: frozenset[str] | None = None
    tracks: frozenset[str] | None = None
    persons: frozenset[str] | None = None
    cameras: frozenset[str] | None = None
    recordings: frozenset[str] | None = None
    since: float | None = None
    until: float | None = None


EVERYTHING = CropFilter()


@dataclass(frozen=True)
class StoredTrack:
    """One track as its crops tell it.

    Attributes:
        crops: how many crops are kept. best: id of the crop of the greatest quality (of equals the first by id).
        start, end: the earliest start and the latest end of its crops. person: None, or the label of all its crops.
    """

    id: str
    camera: str
    recording: str | None
    start: float | None
    end: float | None
    crops: int
    best: str
    person: str | None


class Hit(NamedTuple):
    """A crop that a search found. distance: cosine distance in [0, 2], smaller is nearer."""

    id: str
    track: str
    camera: str
    start: float | None
    end: float | None
    distance: float


@dataclass(frozen=True)
class Operation:
    """One change of the gallery, as its history keeps it: never pictures or vectors, and no crop ids after an erasure.

    Attributes:
        number: 1, 2, 3 … in the order of the changes: the gallery's version after it. kind: "add", "delete", "merge",
            "split" or "assign". key: the caller's, with which a repeated request is known. time: seconds since 1970.
        changed: how many crops. details: what was asked, in JSON.
    """

    number: int
    kind: str
    key: str | None
    time: float
    changed: int
    details: dict[str, Any]


@dataclass(frozen=True)
class IndexFacts:
    """An approximate index.

    Attributes:
        kind: "codes" (SQLite), "hnsw". crops: how many it held when it was made. recall: share of the true first ten
            that a search finds, measured then with stored crops as queries. seconds: that making it took.
    """

    kind: str
    crops: int
    recall: float
    seconds: float


@dataclass(frozen=True)
class StoreFacts:
    """What a store says of itself.

    Attributes:
        model: fingerprint of the retriever whose vectors it holds; None before the first crop. model_name: for people.
        dimensions: length of the vectors. version: number of the last operation. schema: of the tables.
        start, end: from when to when the tracks last; None where no time is known.
        index: the approximate index; None where there is none, and every search is exact.
    """

    kind: str
    address: str
    model: str | None
    model_name: str | None
    dimensions: int | None
    attribute_model: str | None
    crops: int
    tracks: int
    cameras: tuple[str, ...]
    version: int
    schema: int
    start: float | None = None
    end: float | None = None
    index: IndexFacts | None = None
