"""Crops as points of Qdrant, and filters in its words."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import numpy as np
from qdrant_client import models

from reidr.service.store.records import CropFilter, StoredCrop
from reidr.service.store.rules import CheckedCrop, Place, span_of

NAMESPACE = uuid.UUID("7c8a9c1e-5a55-4d0b-8a0e-4a1c6a2f9f10")
LABELS = ("camera", "track", "recording", "person")
OPTIONAL = ("recording", "time", "start", "end", "frame", "box", "quality", "person", "attributes")
PLACE = ["id", "track", "camera", "time", "start", "end"]
"""The fields of the payload that a `Place` has, in its order."""


def point_id(id: str) -> str:
    """Qdrant names points by UUIDs: one made of the crop's id."""
    return str(uuid.uuid5(NAMESPACE, id))


def point_of(each: CheckedCrop) -> models.PointStruct:
    """A crop as a point: all but the vector is payload."""
    crop = each.crop
    begins, ends = span_of(crop)
    attributes = crop.attributes
    payload = {
        "id": crop.id, "camera": crop.camera, "track": crop.track, "recording": crop.recording, "time": crop.time,
        "start": crop.start, "end": crop.end, "frame": crop.frame, "box": None if crop.box is None else list(crop.box),
        "quality": crop.quality, "person": crop.person, "digest": each.digest, "begins": begins, "ends": ends,
        "picture": base64.b64encode(crop.picture).decode(),
        "attributes": None if attributes is None else base64.b64encode(attributes.astype("<f2").tobytes()).decode(),
    }  # fmt: skip
    return models.PointStruct(id=point_id(crop.id), vector=crop.vector.tolist(), payload=payload)


def crop_of(payload: dict[str, Any], vector: Any) -> StoredCrop:
    """A crop from its point; what is unknown may be missing from the payload."""
    payload = {**dict.fromkeys(OPTIONAL), **payload}
    box, attributes = payload["box"], payload["attributes"]
    return StoredCrop(
        payload["id"],
        payload["camera"],
        payload["track"],
        base64.b64decode(payload.get("picture", "")),
        np.asarray(vector, dtype=np.float32),
        recording=payload["recording"],
        time=payload["time"],
        start=payload["start"],
        end=payload["end"],
        frame=payload["frame"],
        box=None if box is None else (box[0], box[1], box[2], box[3]),
        quality=payload["quality"],
        attributes=None if attributes is None else np.frombuffer(base64.b64decode(attributes), dtype="<f2"),
        person=payload["person"],
    )


def place_of(payload: dict[str, Any]) -> Place:
    """Where and when the crop of a payload is."""
    return Place(*(payload[field] for field in PLACE))


def moved_payload(place: Place) -> dict[str, Any]:
    """What a move changes of a payload."""
    begins, ends = span_of(place)
    return {"track": place.track, "start": place.start, "end": place.end, "begins": begins, "ends": ends}


def lets_nothing_through(which: CropFilter) -> bool:
    """Whether a filter names no label where it must have one."""
    named = (which.ids, which.tracks, which.persons, which.cameras, which.recordings)
    return any(labels is not None and not labels for labels in named)


def filter_of(which: CropFilter) -> models.Filter:
    """The filter in Qdrant's words; one that names no label lets everything through here (`lets_nothing_through`)."""
    must: list[Any] = []
    if which.ids is not None:
        must.append(models.HasIdCondition(has_id=[point_id(id) for id in which.ids]))
    for field, labels in (
        ("track", which.tracks), ("person", which.persons), ("camera", which.cameras), ("recording", which.recordings),
    ):  # fmt: skip
        if labels is not None:
            must.append(models.FieldCondition(key=field, match=models.MatchAny(any=sorted(labels))))
    if which.since is not None:
        must.append(models.FieldCondition(key="ends", range=models.Range(gte=float(which.since))))
    if which.until is not None:
        must.append(models.FieldCondition(key="begins", range=models.Range(lte=float(which.until))))
    return models.Filter(must=must)
