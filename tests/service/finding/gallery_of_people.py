"""What the tests of finding share: a gallery of drawn people, and models that tell them apart."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidr.data.vocabulary import VALUES
from reidr.fusion.calibration import Calibration
from reidr.fusion.profile import InferenceProfile, OpenSetRule
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.rationales.cues import extract_cues
from reidr.reasoning.types import Pair, RequestCounts, Verdict
from reidr.service.finding.models import Models
from reidr.service.finding.request import GivenPicture, SearchRequest
from reidr.service.store.opening import open_store
from reidr.service.store.records import StoredCrop
from reidr.service.store.store import GalleryStore

HEIGHT, WIDTH, BANDS = 48, 24, 6


def drawn(number: int, frame: int = 0) -> Image.Image:
    """Person `number` as six bands of colour; frames differ in noise."""
    bands = np.random.default_rng(number).integers(20, 235, (BANDS, 1, 3))
    noise = np.random.default_rng([number, frame]).integers(-14, 15, (BANDS, 1, 3)) if frame else 0
    pixels = np.repeat(np.repeat(bands + noise, HEIGHT // BANDS, axis=0), WIDTH, axis=1)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


class Bands:
    """Sees the colours of six bands."""

    name = fingerprint = "bands"
    thresholds = {"0.01": 0.35, "0.1": 0.8}  # noqa: RUF012

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        rows = [
            np.asarray(each.resize((1, BANDS), Image.Resampling.BOX), np.float64).ravel() - 127.5 for each in pictures
        ]
        made = np.stack(rows) if rows else np.empty((0, 3 * BANDS))
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


PROFILE = InferenceProfile(
    0.4,
    "this test",
    calibration=Calibration("platt", 1.5, -0.5),
    open_set=OpenSetRule("fused distance", {"0.01": 0.3, "0.1": 0.7}),
    csls=True,
)


class Judge:
    """Scores a pair by how alike the two pictures are, and writes what it compared."""

    name = "judge"
    capabilities = Capabilities()

    def __init__(self, profile: InferenceProfile = PROFILE) -> None:
        self.card = Card(profile, weights="judge-1")
        self.counts = RequestCounts()
        self.thought: list[str] = []

    def score(self, pairs: Sequence[Pair], **_: Any) -> NDArray[np.float64]:
        looks = Bands()
        rows = [looks.embed_pictures([pair.query.open(), pair.candidate.open()]) for pair in pairs]
        cosines = np.array([float(one @ other) for one, other in rows])
        return 1 / (1 + np.exp(-6 * (cosines - 0.5)))

    def think(self, pairs: Sequence[Pair], *_: Any, **__: Any) -> list[Verdict]:
        self.thought += [pair.candidate.id for pair in pairs]
        text = "Both have red shoes. A has a black bag, B has none."
        return [Verdict("same", 0.9, text, extract_cues(text), 5, 0.1, "m", "p", "k") for _ in pairs]


@dataclass(frozen=True)
class Visit:
    """Somebody at a camera for ten seconds: two crops of one track."""

    person: int
    camera: str
    start: float
    noise: int = 1

    @property
    def track(self) -> str:
        return f"{self.camera}-{self.start:06.0f}-{self.person}"


VISITS = (
    Visit(1, "door", 100, 1), Visit(1, "door", 180, 3), Visit(1, "yard", 300, 5), Visit(1, "roof", 9000, 7),
    *(Visit(2 + number, ("door", "yard", "roof")[number % 3], 50.0 * number, 1) for number in range(30)),
)  # fmt: skip


def crops_of(visit: Visit, attributes: bool = False) -> list[StoredCrop]:
    pictures = [drawn(visit.person, visit.noise + frame) for frame in range(2)]
    rows = Bands().embed_pictures(pictures)
    chances = np.full(len(VALUES), np.nan, np.float16)
    if attributes:
        chances[:] = 0.05
        chances[VALUES.index(("carried", "backpack"))] = 0.9 if visit.person % 2 else 0.1
    return [
        StoredCrop(
            id=f"{visit.track}/{frame}",
            camera=visit.camera,
            track=visit.track,
            picture=png(picture),
            vector=rows[frame],
            recording=f"{visit.camera}.mp4",
            time=visit.start + 5 * frame,
            start=visit.start,
            end=visit.start + 10,
            frame=int(visit.start) + frame,
            box=(10.0, 10.0, 34.0, 58.0),
            quality=0.5 + 0.1 * frame,
            attributes=chances if attributes else None,
        )
        for frame, picture in enumerate(pictures)
    ]


def gallery(folder: Path, visits: Sequence[Visit] = VISITS, attributes: bool = False) -> GalleryStore:
    store = open_store(folder)
    store.set_model("bands", "bands", 3 * BANDS)
    store.add([crop for visit in visits for crop in crops_of(visit, attributes)])
    return store


def models(profile: InferenceProfile | None = PROFILE) -> Models:
    return Models(Bands(), None if profile is None else Judge(profile))


def asked(person: int = 1, frame: int = 0, **fields: Any) -> SearchRequest:
    return SearchRequest(pictures=(GivenPicture(name="query.png", content=png(drawn(person, frame))),), **fields)


def with_profile(**fields: Any) -> InferenceProfile:
    return replace(PROFILE, **fields)
