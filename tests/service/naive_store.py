"""A gallery store in plain lists, written from the protocol alone: what every store is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reidr.errors import DataError
from reidr.service.store.records import (
    EVERYTHING,
    CropFilter,
    Hit,
    Operation,
    StoredCrop,
    StoredTrack,
    StoreFacts,
)


def content(crop: StoredCrop) -> tuple[Any, ...]:
    attributes = None if crop.attributes is None else crop.attributes.tobytes()
    return (
        crop.id, crop.camera, crop.track, crop.picture, crop.vector.tobytes(), crop.recording, crop.time, crop.start,
        crop.end, crop.frame, crop.box, crop.quality, attributes, crop.person,
    )  # fmt: skip


def lasts(crop: StoredCrop) -> tuple[float | None, float | None]:
    known = [value for value in (crop.start, crop.time, crop.end) if value is not None]
    begin = crop.start if crop.start is not None else (known[0] if known else None)
    end = crop.end if crop.end is not None else (known[-1] if known else None)
    return begin, end


def passes(crop: StoredCrop, which: CropFilter) -> bool:
    for wanted, value in (
        (which.ids, crop.id), (which.tracks, crop.track), (which.persons, crop.person), (which.cameras, crop.camera),
        (which.recordings, crop.recording),
    ):  # fmt: skip
        if wanted is not None and value not in wanted:
            return False
    begin, end = lasts(crop)
    if which.since is not None and (end is None or end < which.since):
        return False
    return not (which.until is not None and (begin is None or begin > which.until))


class NaiveStore:
    def __init__(self) -> None:
        self.held: dict[str, StoredCrop] = {}
        self.given: dict[str, tuple[Any, ...]] = {}
        self.operations: list[Operation] = []
        self.model: tuple[str, str, int, str | None] | None = None

    def set_model(self, fingerprint: str, name: str, dimensions: int, attribute_model: str | None = None) -> None:
        if self.model is None:
            self.model = (fingerprint, name, dimensions, attribute_model)
        elif (self.model[0], self.model[2]) != (fingerprint, dimensions):
            raise DataError("another model")
        elif attribute_model is not None:
            if self.model[3] not in (None, attribute_model):
                raise DataError("another model of attributes")
            self.model = (*self.model[:3], attribute_model)

    def facts(self) -> StoreFacts:
        model = self.model or (None, None, None, None)
        cameras = tuple(sorted({crop.camera for crop in self.held.values()}))
        tracks = len({crop.track for crop in self.held.values()})
        return StoreFacts(
            "naive", "", *model, len(self.held), tracks, cameras, len(self.operations), 1, *self.lasting()
        )

    def lasting(self) -> tuple[float | None, float | None]:
        spans = [lasts(crop) for crop in self.held.values()]
        begins, ends = [b for b, _ in spans if b is not None], [e for _, e in spans if e is not None]
        return min(begins, default=None), max(ends, default=None)

    def known(self, kind: str, key: str | None) -> int | None:
        for operation in self.operations:
            if key is not None and operation.key == key:
                if operation.kind != kind:
                    raise DataError("the key of another change")
                return operation.changed
        return None

    def record(self, kind: str, key: str | None, changed: int, fresh: dict[str, StoredCrop]) -> int:
        self.held = fresh
        self.given = {id: given for id, given in self.given.items() if id in fresh}
        if changed or key is not None:
            self.operations.append(Operation(len(self.operations) + 1, kind, key, 0.0, changed, {}))
        return changed

    def add(self, crops: Sequence[StoredCrop], *, replace: bool = False, operation: str | None = None) -> int:
        if (before := self.known("add", operation)) is not None:
            return before
        if self.model is None:
            raise DataError("no model")
        fresh, given, changed = dict(self.held), dict(self.given), 0
        if len({crop.id for crop in crops}) < len(crops):
            raise DataError("twice")
        for crop in crops:
            if len(crop.vector) != self.model[2] or abs(float(np.linalg.norm(crop.vector)) - 1) > 1e-3:
                raise DataError("vector")
            if crop.id in fresh and given[crop.id] == content(crop):
                continue
            if crop.id in fresh and not replace:
                raise DataError("other content")
            person = crop.person if crop.person is not None or crop.id not in fresh else fresh[crop.id].person
            fresh[crop.id], given[crop.id] = with_person(crop, person), content(crop)
            changed += 1
        for track in {crop.track for crop in fresh.values()}:
            if len({crop.camera for crop in fresh.values() if crop.track == track}) > 1:
                raise DataError("two cameras")
        self.given = given
        return self.record("add", operation, changed, fresh)

    def delete(self, which: CropFilter, *, operation: str | None = None) -> int:
        if (before := self.known("delete", operation)) is not None:
            return before
        fresh = {id: crop for id, crop in self.held.items() if not passes(crop, which)}
        return self.record("delete", operation, len(self.held) - len(fresh), fresh)

    def merge(self, tracks: Sequence[str], into: str, *, operation: str | None = None) -> int:
        if (before := self.known("merge", operation)) is not None:
            return before
        there = {crop.track for crop in self.held.values()}
        if not tracks or not set(tracks) <= there:
            raise DataError("no such track")
        together = [crop for crop in self.held.values() if crop.track in {*tracks, into}]
        if len({crop.camera for crop in together}) > 1:
            raise DataError("two cameras")
        begins = [begin for begin, _ in map(lasts, together) if begin is not None]
        ends = [end for _, end in map(lasts, together) if end is not None]
        start, end = min(begins, default=None), max(ends, default=None)
        return self.moved("merge", operation, {crop.id: (into, start, end) for crop in together})

    def split(self, crops: Sequence[str], track: str, *, operation: str | None = None) -> int:
        if (before := self.known("split", operation)) is not None:
            return before
        there = {crop.track for crop in self.held.values()}
        if not crops or not set(crops) <= set(self.held) or track in there:
            raise DataError("no such crops, or such a track")
        sources = {self.held[id].track for id in crops}
        if len(sources) > 1:
            raise DataError("two tracks")
        moves = {}
        whole = [crop for crop in self.held.values() if crop.track in sources]
        for part in ([c for c in whole if c.id in crops], [c for c in whole if c.id not in crops]):
            times = [crop.time for crop in part if crop.time is not None]
            for crop in part:
                start, end = (min(times), max(times)) if times else (crop.start, crop.end)
                moves[crop.id] = (track if crop.id in crops else crop.track, start, end)
        return self.moved("split", operation, moves)

    def moved(self, kind: str, key: str | None, moves: dict[str, tuple[str, float | None, float | None]]) -> int:
        fresh, changed = dict(self.held), 0
        for id, (track, start, end) in moves.items():
            crop = fresh[id]
            changed += (crop.track, crop.start, crop.end) != (track, start, end)
            fresh[id] = replace(crop, track=track, start=start, end=end)
        return self.record(kind, key, changed, fresh)

    def assign(self, which: CropFilter, person: str | None, *, operation: str | None = None) -> int:
        if (before := self.known("assign", operation)) is not None:
            return before
        fresh, changed = dict(self.held), 0
        for id, crop in self.held.items():
            if passes(crop, which) and crop.person != person:
                fresh[id], changed = with_person(crop, person), changed + 1
        return self.record("assign", operation, changed, fresh)

    def get(self, ids: Sequence[str]) -> list[StoredCrop]:
        if not set(ids) <= set(self.held):
            raise DataError("no such crop")
        return [self.held[id] for id in ids]

    def crops(
        self, which: CropFilter = EVERYTHING, *, after: str | None = None, limit: int = 1000, pictures: bool = True
    ) -> list[StoredCrop]:
        listed = [self.held[id] for id in sorted(self.held) if passes(self.held[id], which)]
        page = [crop for crop in listed if after is None or crop.id > after][:limit]
        return page if pictures else [replace(crop, picture=b"") for crop in page]

    def tracks(
        self, which: CropFilter = EVERYTHING, *, after: str | None = None, limit: int = 1000
    ) -> list[StoredTrack]:
        found = []
        for track in sorted({crop.track for crop in self.held.values() if passes(crop, which)}):
            crops = [self.held[id] for id in sorted(self.held) if self.held[id].track == track]
            best = max(crops, key=lambda crop: -1.0 if crop.quality is None else crop.quality)
            recordings, persons = {crop.recording for crop in crops}, {crop.person for crop in crops}
            begins = [begin for begin, _ in map(lasts, crops) if begin is not None]
            ends = [end for _, end in map(lasts, crops) if end is not None]
            found.append(
                StoredTrack(
                    track, crops[0].camera, recordings.pop() if len(recordings) == 1 else None,
                    min(begins, default=None), max(ends, default=None), len(crops), best.id,
                    persons.pop() if len(persons) == 1 else None,
                )
            )  # fmt: skip
        return [track for track in found if after is None or track.id > after][:limit]

    def count(self, which: CropFilter = EVERYTHING) -> int:
        return sum(passes(crop, which) for crop in self.held.values())

    def search(
        self, vectors: Any, k: int, which: CropFilter = EVERYTHING, *, exact: bool | None = None
    ) -> list[list[Hit]]:
        answer = []
        for query in vectors:
            hits = [
                Hit(c.id, c.track, c.camera, c.start, c.end, 1 - float(c.vector.astype("f8") @ query.astype("f8")))
                for c in self.held.values()
                if passes(c, which)
            ]
            answer.append(sorted(hits, key=lambda hit: (hit.distance, hit.id))[:k])
        return answer

    def history(self, *, after: int = 0, limit: int = 1000) -> list[Operation]:
        return self.operations[after : after + limit]

    def close(self) -> None:
        pass


def with_person(crop: StoredCrop, person: str | None) -> StoredCrop:
    return replace(crop, person=person)
