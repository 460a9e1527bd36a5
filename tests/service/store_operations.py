"""Random operations on a store and on its naive twin, with the comparison of all that they answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from reidr.errors import DataError
from reidr.service.store.records import CropFilter, StoredCrop
from reidr.service.store.store import GalleryStore

CAMERAS = ("north", "süd", 'o\'st "gate"')
DIMENSIONS = 8


class Operations:
    """One seeded stream of operations. Vectors have four entries of ±0.5, so every product is exact and many tie."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.keys: list[str] = []

    def chosen(self, values: Any, most: int = 3) -> list[Any]:
        number = int(self.random.integers(0, most + 1))
        return [values[int(place)] for place in self.random.integers(len(values), size=number)] if len(values) else []

    def maybe(self, value: Callable[[], Any], share: float = 0.5) -> Any:
        return value() if self.random.random() < share else None

    def vector(self) -> np.ndarray:
        row = np.zeros(DIMENSIONS, dtype=np.float32)
        row[self.random.choice(DIMENSIONS, 4, replace=False)] = self.random.choice([-0.5, 0.5], 4)
        return row

    def crop(self, id: str) -> StoredCrop:
        random = self.random
        number = int(random.integers(12))
        time = self.maybe(lambda: float(random.integers(100)), 0.8)
        start = self.maybe(lambda: float(random.integers(100)), 0.6)
        return StoredCrop(
            id,
            CAMERAS[number % 3],
            f"t{number}" if random.random() < 0.98 else "t0",
            random.bytes(20),
            self.vector(),
            recording=self.maybe(lambda: f"video {random.integers(3)}"),
            time=time,
            start=start,
            end=None if start is None else self.maybe(lambda: start + float(random.integers(20)), 0.8),
            frame=self.maybe(lambda: int(random.integers(2**40))),
            box=self.maybe(lambda: tuple(random.random(4).tolist())),
            quality=self.maybe(lambda: float(random.integers(4)) / 3, 0.8),
            attributes=self.maybe(lambda: random.random(3).astype(np.float16), 0.3),
            person=self.maybe(lambda: f"person {random.integers(3)}", 0.1),
        )

    def which(self, twin: GalleryStore, share: float = 0.3) -> CropFilter:
        crops = twin.crops()
        ids, tracks = [crop.id for crop in crops], [crop.track for crop in crops]
        time = self.maybe(lambda: float(self.random.integers(100)), share)
        return CropFilter(
            ids=self.maybe(lambda: frozenset(self.chosen([*ids, "nobody"], 8)), share),
            tracks=self.maybe(lambda: frozenset(self.chosen([*tracks, "none"], 6)), share),
            persons=self.maybe(lambda: frozenset(self.chosen([f"person {n}" for n in range(4)], 3)), share / 2),
            cameras=self.maybe(lambda: frozenset(self.chosen([*CAMERAS, "other"], 3)), share),
            recordings=self.maybe(lambda: frozenset(self.chosen([f"video {n}" for n in range(4)], 3)), share / 2),
            since=time,
            until=self.maybe(lambda: (time or 0) + float(self.random.integers(40)), share),
        )

    def key(self) -> str | None:
        if self.random.random() < 0.6:
            return None
        if self.keys and self.random.random() < 0.3:
            return str(self.random.choice(self.keys))
        self.keys.append(f"key {len(self.keys)}")
        return self.keys[-1]

    def next(self, twin: GalleryStore) -> Callable[[GalleryStore], Any]:
        """The next change, to be done to each store alike."""
        crops = twin.crops()
        ids, tracks = [crop.id for crop in crops], sorted({crop.track for crop in crops})
        kind = self.random.choice(
            ["add", "again", "delete", "merge", "split", "assign"], p=[0.4, 0.1, 0.1, 0.13, 0.14, 0.13]
        )
        key = self.key()
        if kind == "add":
            names = sorted({f"crop {self.random.integers(60):02}" for _ in range(self.random.integers(1, 6))})
            given = [self.crop(name) for name in names]
            change = bool(self.random.random() < 0.4)
            return lambda store: store.add(given, replace=change, operation=key)
        if kind == "again":
            given = [replace(crop, person=None) for crop in self.chosen(crops, 2)]
            given = list({crop.id: crop for crop in given}.values())
            change = bool(self.random.random() < 0.6)
            return lambda store: store.add(given, replace=change, operation=key)
        if kind == "delete":
            which = self.which(twin, 0.5)
            return lambda store: store.delete(which, operation=key)
        if kind == "merge":
            some = self.chosen([*tracks, "none"] if self.random.random() < 0.1 else tracks, 3)
            into = str(self.random.choice([*tracks, "merged"]))
            return lambda store: store.merge(some, into, operation=key)
        if kind == "split":
            track = str(self.random.choice(tracks)) if tracks else "none"
            of = [crop.id for crop in crops if crop.track == track]
            some = self.chosen(of if self.random.random() < 0.9 else ids, 3)
            into = f"split {self.random.integers(20)}"
            return lambda store: store.split(some, into, operation=key)
        which, person = self.which(twin), self.maybe(lambda: f"person {self.random.integers(3)}", 0.8)
        return lambda store: store.assign(which, person, operation=key)


def outcome(change: Callable[[GalleryStore], Any], store: GalleryStore) -> Any:
    """What a change returns, or that it was refused."""
    try:
        return change(store)
    except DataError:
        return "refused"


def plain(crop: StoredCrop) -> tuple[Any, ...]:
    assert crop.vector.dtype == np.float32
    assert crop.attributes is None or crop.attributes.dtype == np.float16
    attributes = None if crop.attributes is None else crop.attributes.tolist()
    return (
        crop.id, crop.camera, crop.track, crop.picture, crop.vector.tolist(), crop.recording, crop.time, crop.start,
        crop.end, crop.frame, crop.box, crop.quality, attributes, crop.person,
    )  # fmt: skip


def assert_same(store: GalleryStore, twin: GalleryStore, operations: Operations) -> None:
    """Everything that both can be asked."""
    for which in (CropFilter(), operations.which(twin)):
        assert store.count(which) == twin.count(which), which
        assert [plain(crop) for crop in store.crops(which)] == [plain(crop) for crop in twin.crops(which)], which
        assert store.tracks(which) == twin.tracks(which), which
        after, limit = f"crop {operations.random.integers(60):02}", int(operations.random.integers(5))
        page, wanted = (each.crops(which, after=after, limit=limit, pictures=False) for each in (store, twin))
        assert [plain(crop) for crop in page] == [plain(crop) for crop in wanted]
        assert store.tracks(which, after="t3", limit=limit) == twin.tracks(which, after="t3", limit=limit)
        queries = np.stack([operations.vector() for _ in range(int(operations.random.integers(1, 4)))])
        k = int(operations.random.integers(1, 12))
        assert store.search(queries, k, which) == twin.search(queries, k, which), which
    ids = operations.chosen([crop.id for crop in twin.crops()], 4)
    assert [plain(crop) for crop in store.get(ids)] == [plain(crop) for crop in twin.get(ids)]
    left, right = store.facts(), twin.facts()
    assert replace(left, kind="", address="", schema=0) == replace(right, kind="", address="", schema=0)
    known, wanted = store.history(), twin.history()
    assert [replace(o, time=0, details={}) for o in known] == [replace(o, time=0, details={}) for o in wanted]


def compare(store: GalleryStore, twin: GalleryStore, seed: int, number: int, every: int = 1) -> dict[str, int]:
    """`number` random operations on both; after each `every`-th all answers are compared. Returns counts by outcome."""
    operations = Operations(seed)
    counts = {"refused": 0, "changed": 0}
    for each in (store, twin):
        each.set_model("abc", "tiny", DIMENSIONS)
    for step in range(number):
        change = operations.next(twin)
        wanted = outcome(change, twin)
        assert outcome(change, store) == wanted, f"operation {step} of seed {seed}"
        counts["refused" if wanted == "refused" else "changed"] += 1
        if step % every == 0:
            assert_same(store, twin, operations)
    assert_same(store, twin, operations)
    return counts
