"""The rules that all gallery stores keep: what may be added, what counts as the same, what merges and splits change."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.core.checks import whole_number
from reidr.core.text import shown
from reidr.errors import DataError, ReIDError
from reidr.retrieval.unit_rows import unit_rows
from reidr.service.store.records import CropFilter, StoredCrop

TIMES = ("time", "start", "end")
LABELS = ("id", "camera", "track", "recording", "person")


@dataclass(frozen=True, eq=False)
class CheckedCrop:
    """A crop that may be added. digest: SHA-256 of all that was given, in hexadecimal digits.

    A crop whose digest is the stored one is the same, whatever was merged, split or assigned since.
    """

    crop: StoredCrop
    digest: str


@dataclass(frozen=True)
class Place:
    """Where and when one crop is: what merges and splits look at and change."""

    id: str
    track: str
    camera: str
    time: float | None
    start: float | None
    end: float | None


def span_of(crop: StoredCrop | Place) -> tuple[float | None, float | None]:
    """From when to when a crop's track lasts: its start and end, else its own time; None where nothing is known."""
    known = [value for value in (crop.start, crop.time, crop.end) if value is not None]
    if not known:
        return None, None
    return (known[0] if crop.start is None else crop.start), (known[-1] if crop.end is None else crop.end)


def checked(crops: Sequence[StoredCrop], dimensions: int | None) -> list[CheckedCrop]:
    """The crops with their digests. Raises DataError naming the first that cannot be kept, and why."""
    if dimensions is None:
        raise DataError("the gallery does not know yet whose vectors it holds; name the model first (set_model)")
    seen: set[str] = set()
    clean = [_clean(crop) for crop in crops]
    for crop in clean:
        if crop.id in seen:
            raise DataError(f"crop {shown(crop.id)} is given twice in one call; give every crop an id of its own")
        seen.add(crop.id)
    for crop in clean:
        if len(crop.vector) != dimensions:
            raise DataError(
                f"crop {shown(crop.id)}: its vector has {len(crop.vector)} numbers, those of the gallery {dimensions}; "
                "use the model that filled it"
            )
    if clean:
        unit_vectors([crop.vector for crop in clean], dimensions, [crop.id for crop in clean])
    return [CheckedCrop(crop, digest_of(crop)) for crop in clean]


def unit_vectors(vectors: Any, dimensions: int | None, names: Sequence[str] = ()) -> NDArray[np.float32]:
    """(N, D) float32 unit rows. Raises DataError for rows that are not finite, not of length 1, or not of D numbers."""
    try:
        rows = np.asarray(unit_rows(vectors, None, "vectors: their", names), dtype=np.float32)
    except ReIDError as error:
        raise DataError(str(error)) from None
    if dimensions is not None and rows.shape[1] != dimensions:
        raise DataError(
            f"vectors have {rows.shape[1]} numbers, those of the gallery {dimensions}; use the model that filled it"
        )
    return np.ascontiguousarray(rows)


def _clean(crop: StoredCrop) -> StoredCrop:
    """The crop with plain values. Raises DataError for one that no store could keep, or that contradicts itself."""
    if not isinstance(crop.id, str) or not crop.id:
        raise DataError("a crop needs an id: a text of at least one letter")
    name = shown(crop.id)
    for field in LABELS:
        check_label(getattr(crop, field), f"crop {name}: its {field}", empty=field in ("recording", "person"))
    if not isinstance(crop.picture, bytes) or not crop.picture:
        raise DataError(f"crop {name}: its picture is no encoded picture; give the bytes of a JPEG or PNG file")
    times = {field: _number(getattr(crop, field), f"crop {name}: its {field}") for field in TIMES}
    if times["start"] is not None and times["end"] is not None and times["start"] > times["end"]:
        raise DataError(f"crop {name}: its track ends before it starts")
    quality = _number(crop.quality, f"crop {name}: its quality")
    if quality is not None and not 0 <= quality <= 1:
        raise DataError(f"crop {name}: its quality is {quality:g}; it must lie in [0, 1]")
    if crop.frame is not None and not (isinstance(crop.frame, int | np.integer) and 0 <= crop.frame < 2**62):
        raise DataError(f"crop {name}: its frame is {crop.frame!r}; it must be a whole number")
    if crop.box is not None and len(crop.box) != 4:
        raise DataError(f"crop {name}: its box has {len(crop.box)} numbers; give left, top, right and bottom")
    box = None if crop.box is None else [_number(side, f"crop {name}: its box") or 0.0 for side in crop.box]
    vector = np.asarray(crop.vector)
    if vector.ndim != 1 or vector.dtype.kind != "f":
        raise DataError(f"crop {name}: its vector must be one row of floats, not {vector.dtype} {vector.shape}")
    attributes = crop.attributes
    if attributes is not None:
        attributes = np.asarray(attributes, dtype=np.float16)
        if attributes.ndim != 1 or np.isinf(attributes).any():
            raise DataError(f"crop {name}: its attributes must be one row of numbers, or NaN where unknown")
    return replace(
        crop,
        time=times["time"],
        start=times["start"],
        end=times["end"],
        quality=quality,
        frame=None if crop.frame is None else int(crop.frame),
        box=None if box is None else (box[0], box[1], box[2], box[3]),
        vector=np.ascontiguousarray(vector, dtype=np.float32),
        attributes=attributes,
    )


def check_label(value: Any, name: str, *, empty: bool = False) -> None:
    """Raises DataError unless `value` is text of at least one letter that every store can keep; `empty`: or None."""
    if value is None and empty:
        return
    if not isinstance(value, str) or not value:
        raise DataError(f"{name} is {value!r}; it must be a text of at least one letter")
    if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise DataError(f"{name} is {shown(value)!r}, which holds what is no text; choose another label")


def _number(value: Any, name: str) -> float | None:
    """A finite number as float. Raises DataError for anything else but None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
        raise DataError(f"{name} is {value!r}; it must be a finite number")
    return float(value)


def digest_of(crop: StoredCrop) -> str:
    """SHA-256 over everything that a crop says, each part with its length before it."""
    told = [crop.id, crop.camera, crop.track, crop.recording, crop.time, crop.start, crop.end, crop.frame, crop.box]
    parts = [
        json.dumps([*told, crop.quality, crop.person], ensure_ascii=True).encode(),
        crop.picture,
        crop.vector.astype("<f4").tobytes(),
        b"" if crop.attributes is None else crop.attributes.astype("<f2").tobytes(),
    ]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


Model = tuple[str | None, str | None, int | None, str | None]
"""Fingerprint and name of the retriever, length of its vectors, fingerprint of what reads attributes."""


def same_model(known: Model, given: Model) -> Model:
    """The model of a gallery after `given` was named. Raises DataError where it holds vectors of another one."""
    fingerprint, name, dimensions, attributes = given
    check_label(fingerprint, "the model's fingerprint")
    check_label(name, "the model's name")
    check_label(attributes, "the fingerprint of the attribute model", empty=True)
    whole_number(dimensions, "the length of the vectors", least=1, most=16_000)
    if known[0] is None:
        return given
    if known[0] != fingerprint or known[2] != dimensions:
        raise DataError(
            f"the gallery holds vectors of {shown(known[1] or '')} ({shown(known[0])}), not of {shown(name or '')} "
            f"({shown(fingerprint or '')}); use that model, or embed everything anew: "
            "`reidr gallery migrate FROM TO --model`"
        )
    if attributes is not None and known[3] not in (None, attributes):
        raise DataError(
            "the gallery holds attributes of another model; use that one, or embed everything anew: "
            "`reidr gallery migrate FROM TO --model`"
        )
    return known[0], known[1], known[2], known[3] or attributes


def check_filter(which: CropFilter) -> None:
    """Raises DataError for labels that are no text, and for a time that is no finite number."""
    for field in ("ids", "tracks", "persons", "cameras", "recordings"):
        labels = getattr(which, field)
        if isinstance(labels, str):
            raise DataError(f"filter: {field} is one text; give a set of labels")
        for label in labels or ():
            check_label(label, f"filter: one of {field}")
    for field in ("since", "until"):
        _number(getattr(which, field), f"filter: {field}")


def filter_in_words(which: CropFilter) -> dict[str, Any]:
    """A filter for the history: cameras, recordings and times as they are; of crops, tracks and persons how many.

    Labels of crops, tracks and persons are left out because the history outlives what is erased.
    """
    said: dict[str, Any] = {}
    for field in ("ids", "tracks", "persons"):
        if (labels := getattr(which, field)) is not None:
            said[field] = len(labels)
    for field in ("cameras", "recordings"):
        if (labels := getattr(which, field)) is not None:
            said[field] = sorted(labels)
    for field in ("since", "until"):
        if (value := getattr(which, field)) is not None:
            said[field] = float(value)
    return said


def merged(places: Sequence[Place], tracks: Sequence[str], into: str) -> list[Place]:
    """What a merge changes: those of `places` that get another track, start or end.

    Args:
        places: all crops of `tracks` and of `into`. Raises DataError for a track that is not there, and two cameras.
    """
    there = {place.track for place in places}
    for track in tracks:
        if track not in there:
            raise DataError(f"track {shown(track)} is not in the gallery; look at its tracks again")
    cameras = sorted({place.camera for place in places})
    if len(cameras) > 1:
        raise DataError(
            f"the tracks are of the cameras {shown(cameras[0])} and {shown(cameras[1])}; a track belongs to one camera "
            "(to say that two tracks show one person, assign the person)"
        )
    start, end = whole_span(span_of(place) for place in places)
    return changes(places, [replace(place, track=into, start=start, end=end) for place in places])


def split_off(places: Sequence[Place], crops: Sequence[str], track: str) -> list[Place]:
    """What a split changes: those of `places` that get another track, start or end.

    Args:
        places: all crops of the track. crops: ids of those that move to `track`.
    """
    moved = set(crops)
    fresh = []
    for part, name in (
        ([place for place in places if place.id in moved], track),
        ([place for place in places if place.id not in moved], None),
    ):
        times = [place.time for place in part if place.time is not None]
        for place in part:
            new = replace(place, track=name or place.track)
            # Without the times of the crops nothing better is known than when the track lasted that they were in.
            fresh.append(replace(new, start=min(times), end=max(times)) if times else new)
    before = {place.id: place for place in places}
    return changes([before[place.id] for place in fresh], fresh)


def changes(before: Sequence[Place], after: Sequence[Place]) -> list[Place]:
    """Those of `after` that differ from their counterparts in `before`."""
    return [new for old, new in zip(before, after, strict=True) if new != old]


def whole_span(spans: Iterable[tuple[float | None, float | None]]) -> tuple[float | None, float | None]:
    """The earliest beginning and the latest end of those that are known."""
    listed = list(spans)
    starts = [start for start, _ in listed if start is not None]
    ends = [end for _, end in listed if end is not None]
    return min(starts, default=None), max(ends, default=None)
