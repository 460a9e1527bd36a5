"""A small gallery to try the service with: a drawn street with two cameras. No photo, no download."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from reidr.core.storage.files import make_folder, new_folder
from reidr.data.pictures.images import read_picture
from reidr.data.synthetic.plan import Sighting, plan_street
from reidr.data.synthetic.settings import StreetSettings
from reidr.errors import ReIDError
from reidr.retrieval.embedders.embedder import Embedder
from reidr.retrieval.gallery import cache_folder
from reidr.service.ingest.embedding import CropEmbedder
from reidr.service.store.opening import open_store
from reidr.service.store.records import StoredCrop
from reidr.service.store.sqlite.schema import SCHEMA

STREET = StreetSettings(
    cameras=2, cameras_per_person=2, test_people=14, crops_per_camera=3, queries_per_person=1, distractors=30, junk=0
)
DRAWING = 1
"""Raised by every change of what is drawn: a gallery of another number is not taken for this one."""
CAMERAS = {"1": "north gate", "2": "south gate"}
BEGIN, FRAMES_PER_SECOND = 1_772_438_400.0, 5.0  # 2026-03-02 08:00 UTC
PEOPLE, FINISHED = "people", "finished"
NAME = "drawn-street"  # of the folder, by which the page calls the gallery
BATCH = 32

NO_VECTOR = np.zeros(0, dtype=np.float32)

Advance = Callable[[float], None]


@dataclass(frozen=True)
class DemoGallery:
    """Where the demo is. folder: of the gallery. people: pictures of people who may be searched for."""

    folder: Path
    people: Path


def demo_folder(embedder: Embedder) -> Path:
    """Where the demo for this embedder is kept: beside the cache of embeddings."""
    return cache_folder().parent / "demo" / f"{DRAWING}.{SCHEMA}-{embedder.fingerprint[:12]}" / NAME


def known_demo(embedder: Embedder) -> DemoGallery | None:
    """The demo for this embedder, where it is there already."""
    folder = demo_folder(embedder)
    return DemoGallery(folder, folder / PEOPLE) if (folder / FINISHED).is_file() else None


def demo_gallery(embedder: Embedder, advance: Advance | None = None) -> DemoGallery:
    """Draw the street and fill a gallery with it.

    `advance` is called with 1 after every crop. Where the cache cannot be written the gallery is in a temporary folder,
    which stays. Raises ReIDError where that cannot be written either.
    """
    folder = demo_folder(embedder)
    try:
        make_folder(folder.parent)
    except (ReIDError, OSError):
        folder = Path(tempfile.mkdtemp(prefix="reidr-demo-")) / NAME
    with new_folder(folder) as partial:
        fill(partial, embedder, advance or (lambda _: None))
        (partial / FINISHED).write_text("", encoding="utf-8")
    return DemoGallery(folder, folder / PEOPLE)


def crops_drawn() -> int:
    """How often `demo_gallery` advances."""
    return len(plan_street(STREET).sightings)


def fill(folder: Path, embedder: Embedder, advance: Advance) -> None:
    """Write the gallery, and the pictures to search with, into an empty folder."""
    crops = CropEmbedder.of(embedder)
    make_folder(folder / PEOPLE)
    store = open_store(folder)
    try:
        crops.introduce(store)
        waiting: list[tuple[StoredCrop, Image.Image]] = []
        for crop, picture in drawn(folder / PEOPLE, advance):
            waiting.append((crop, picture))
            if len(waiting) == BATCH:
                store.add(embedded(crops, waiting))
                waiting = []
        if waiting:
            store.add(embedded(crops, waiting))
    finally:
        store.close()


def drawn(people: Path, advance: Advance) -> Iterator[tuple[StoredCrop, Image.Image]]:
    """The street's crops without vectors, each with its pixels; the queries are written to `people`."""
    sightings = plan_street(STREET).sightings
    spans = tracks_of(sightings)
    for sighting in sightings:
        jpeg = sighting.render().jpeg
        advance(1)
        if sighting.split == "query":
            name = f"person-{sighting.person.label}-at-{CAMERAS[sighting.camera.label].replace(' ', '-')}.jpg"
            (people / name).write_bytes(jpeg)
            continue
        track = spans[key_of(sighting)]
        picture = read_picture(jpeg, "a drawn crop")
        crop = StoredCrop(
            id=f"{track.name}-{sighting.time:06d}",
            camera=CAMERAS[sighting.camera.label],
            track=track.name,
            picture=jpeg,
            vector=NO_VECTOR,
            recording=f"{CAMERAS[sighting.camera.label]}, drawn",
            time=seconds(sighting.time),
            start=seconds(track.first),
            end=seconds(track.last),
            frame=sighting.time,
            quality=min(1.0, picture.width * picture.height / 20_000),
        )
        yield crop, picture


@dataclass
class Passage:
    """One person passing one camera. first, last: frames."""

    name: str
    first: int
    last: int


def tracks_of(sightings: Sequence[Sighting]) -> dict[tuple[str, str], Passage]:
    """The tracks, each named by its camera and its number there: a name must not give the person away."""
    found: dict[tuple[str, str], Passage] = {}
    counts: Counter[str] = Counter()
    for sighting in sorted(sightings, key=lambda one: one.time):
        if sighting.split != "gallery":
            continue
        camera = sighting.camera.label
        known = found.get(key_of(sighting))
        if known is None:
            counts[camera] += 1
            name = f"{CAMERAS[camera].replace(' ', '-')}-{counts[camera]:03d}"
            found[key_of(sighting)] = Passage(name, sighting.time, sighting.time)
        else:
            known.last = sighting.time
    return found


def key_of(sighting: Sighting) -> tuple[str, str]:
    """What tells one track from another: who, and where."""
    return sighting.person.label, sighting.camera.label


def seconds(frame: int) -> float:
    """Seconds since 1970 of a frame."""
    return BEGIN + frame / FRAMES_PER_SECOND


def embedded(crops: CropEmbedder, waiting: Sequence[tuple[StoredCrop, Image.Image]]) -> list[StoredCrop]:
    """The crops with their vectors."""
    vectors, attributes = crops.embed([picture for _, picture in waiting])
    return [
        replace(crop, vector=vector, attributes=read)
        for (crop, _), vector, read in zip(waiting, vectors, attributes, strict=True)
    ]
