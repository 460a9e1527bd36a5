"""From crops that callers send to crops that a gallery keeps, and from those to what callers get."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from urllib.parse import quote

from PIL import Image

from reidr.service.api.models.answers import CropAnswer, TrackAnswer
from reidr.service.api.models.requests import NewCrop
from reidr.service.api.settings import ServiceLimits
from reidr.service.http.errors import RequestError
from reidr.service.http.pictures import DATA_URL, bytes_of, decoded
from reidr.service.ingest.embedding import CropEmbedder
from reidr.service.store.records import StoredCrop, StoredTrack

ID_LENGTH = 24


def picture_of(text: str, name: str, limits: ServiceLimits) -> tuple[bytes, Image.Image]:
    """The file and the pixels of a picture in a request. Raises RequestError (422)."""
    head = DATA_URL.match(text)
    if head is None and ":" in text[:64]:
        raise RequestError(
            f"{name}: only the picture itself is taken, in base64; addresses and files are never opened", 422
        )
    too_many = f"{name}: more than {limits.picture_pixels:,} pixels; send the person's crop"
    try:
        raw = bytes_of(text[head.end() :] if head else text, name)
        if len(raw) > limits.picture_bytes:
            raise RequestError(f"{name}: more than {limits.picture_bytes:,} bytes; send the person's crop")
        return raw, decoded(raw, name, limits.picture_pixels, limits.side_ratio, too_many)
    except RequestError as error:
        raise RequestError(str(error), 422) from None


def stored_crops(given: Sequence[NewCrop], embedder: CropEmbedder, limits: ServiceLimits) -> list[StoredCrop]:
    """The crops as a gallery keeps them, embedded. Raises RequestError naming the first that cannot be used."""
    pictures = [picture_of(crop.picture, f"crops.{place}.picture", limits) for place, crop in enumerate(given)]
    vectors, attributes = embedder.embed([image for _, image in pictures])
    made = []
    for crop, (raw, _), vector, read in zip(given, pictures, vectors, attributes, strict=True):
        name = crop.id or id_of(crop, raw)
        made.append(
            StoredCrop(
                id=name,
                camera=crop.camera,
                track=crop.track or name,
                picture=raw,
                vector=vector,
                recording=crop.recording,
                time=crop.time,
                start=crop.start,
                end=crop.end,
                frame=crop.frame,
                box=None if crop.box is None else (crop.box[0], crop.box[1], crop.box[2], crop.box[3]),
                quality=crop.quality,
                attributes=read,
            )
        )
    return made


def id_of(crop: NewCrop, raw: bytes) -> str:
    """The same name for the same crop of the same camera and time, whoever sends it, however often."""
    told = repr((crop.camera, crop.recording, crop.track, crop.time, crop.start, crop.end, crop.frame, crop.box))
    return hashlib.sha256(told.encode() + b"\0" + raw).hexdigest()[:ID_LENGTH]


def picture_path(crop: str) -> str:
    """Where the picture of a crop is."""
    return f"/v1/crops/{quote(crop, safe='')}/picture"


def crop_answer(crop: StoredCrop) -> CropAnswer:
    """A stored crop for callers."""
    return CropAnswer(
        id=crop.id,
        camera=crop.camera,
        track=crop.track,
        recording=crop.recording,
        time=crop.time,
        start=crop.start,
        end=crop.end,
        frame=crop.frame,
        box=None if crop.box is None else list(crop.box),
        quality=crop.quality,
        person=crop.person,
        picture=picture_path(crop.id),
    )


def track_answer(track: StoredTrack) -> TrackAnswer:
    """A stored track for callers."""
    return TrackAnswer(
        id=track.id,
        camera=track.camera,
        recording=track.recording,
        start=track.start,
        end=track.end,
        crops=track.crops,
        best=track.best,
        person=track.person,
        picture=picture_path(track.best),
    )
