"""What SQLite and PostgreSQL have in common: the same statements over the same columns of the table of crops."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from time import time as now
from typing import Any

import numpy as np

from reidr.service.store.changes import Held, no_such_crop
from reidr.service.store.records import CropFilter, Operation, StoredCrop, StoredTrack
from reidr.service.store.rules import CheckedCrop, Model, Place, same_model, span_of

SEVERAL = 5000  # labels in one statement
COLUMNS = "id, camera, track, recording, time, start_time, end_time, frame, box, quality, person, digest, begins, ends"
"""Columns of a crop but its picture, vector and attributes. begins, ends: `rules.span_of`, for filters by time."""


class SqlRows(ABC):
    """Rows of one gallery over one connection within one transaction. Statements mark parameters by `?`."""

    @abstractmethod
    def run(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; returns its rows."""

    @abstractmethod
    def run_many(self, statement: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each row of parameters."""

    @abstractmethod
    def one_of(self, column: str) -> str:
        """The condition that a column has one of the labels of one parameter, which `labels` made."""

    @abstractmethod
    def labels(self, labels: Collection[str]) -> Any:
        """Labels as one parameter."""

    @abstractmethod
    def contents(self, ids: Collection[str], pictures: bool) -> dict[str, tuple[bytes, Any, Any]]:
        """By id: picture (or none of its bytes), vector (float32 row) and attributes (float16 row or None)."""

    @abstractmethod
    def write(self, crops: Sequence[CheckedCrop], replaced: Collection[str]) -> None:
        """See `Change.write`."""

    @abstractmethod
    def remove(self, which: CropFilter) -> int:
        """See `Change.remove`."""

    @abstractmethod
    def set_places(self, places: Sequence[Place]) -> None:
        """See `Change.set_places`."""

    @abstractmethod
    def label(self, which: CropFilter, person: str | None) -> int:
        """See `Change.label`."""

    def where(self, which: CropFilter) -> tuple[str, list[Any]]:
        """The condition of a filter and its parameters."""
        parts, values = [], []
        for column, wanted in (
            ("id", which.ids), ("track", which.tracks), ("person", which.persons), ("camera", which.cameras),
            ("recording", which.recordings),
        ):  # fmt: skip
            if wanted is not None:
                parts.append(self.one_of(column))
                values.append(self.labels(wanted))
        if which.since is not None:
            parts.append("ends >= ?")
            values.append(float(which.since))
        if which.until is not None:
            parts.append("begins <= ?")
            values.append(float(which.until))
        return " AND ".join(parts) or "1 = 1", values

    # Changes

    def known(self, key: str) -> Operation | None:
        found = self.run("SELECT number, kind, key, time, changed, details FROM operations WHERE key = ?", [key])
        return operation_of(found[0]) if found else None

    def dimensions(self) -> int | None:
        found: int | None = self.run("SELECT dimensions FROM gallery")[0][0]
        return found

    def name_model(self, fingerprint: str, name: str, dimensions: int, attribute_model: str | None) -> None:
        """Write down the model, or compare it with the one that is. Raises DataError for another one."""
        known = self.model()
        fresh = same_model(known, (fingerprint, name, dimensions, attribute_model))
        if fresh != known:
            self.run("UPDATE gallery SET model = ?, model_name = ?, dimensions = ?, attribute_model = ?", fresh)

    def model(self) -> Model:
        """What `name_model` wrote down."""
        model, name, dimensions, attributes = self.run(
            "SELECT model, model_name, dimensions, attribute_model FROM gallery"
        )[0]
        return model, name, dimensions, attributes

    def number(self) -> int:
        """Number of the last operation."""
        return int(self.run("SELECT coalesce(max(number), 0) FROM operations")[0][0])

    def record(self, kind: str, key: str | None, changed: int, details: dict[str, Any]) -> None:
        self.run(
            "INSERT INTO operations (number, kind, key, time, changed, details) VALUES (?, ?, ?, ?, ?, ?)",
            [self.number() + 1, kind, key, now(), changed, json.dumps(details)],
        )

    def held(self, ids: Collection[str]) -> dict[str, Held]:
        found: dict[str, Held] = {}
        for part in parts_of(ids):
            rows = self.run(f"SELECT id, digest, person FROM crops WHERE {self.one_of('id')}", [self.labels(part)])
            found |= {id: Held(digest, person) for id, digest, person in rows}
        return found

    def cameras(self, tracks: Collection[str], but: Collection[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        without = set(but)
        for part in parts_of(tracks):
            statement = f"SELECT track, camera, id FROM crops WHERE {self.one_of('track')}"
            found |= {
                track: camera for track, camera, id in self.run(statement, [self.labels(part)]) if id not in without
            }
        return found

    def places(self, which: CropFilter) -> list[Place]:
        condition, values = self.where(which)
        statement = f"SELECT id, track, camera, time, start_time, end_time FROM crops WHERE {condition} ORDER BY id"
        return [Place(*row) for row in self.run(statement, values)]

    # Reading

    def count(self, which: CropFilter) -> int:
        condition, values = self.where(which)
        return int(self.run(f"SELECT count(*) FROM crops WHERE {condition}", values)[0][0])

    def get(self, ids: Sequence[str]) -> list[StoredCrop]:
        found = {
            crop.id: crop for part in parts_of(ids) for crop in self._crops(self.one_of("id"), [self.labels(part)])
        }
        for id in ids:
            if id not in found:
                raise no_such_crop(id)
        return [found[id] for id in ids]

    def page(self, which: CropFilter, after: str | None, limit: int, pictures: bool) -> list[StoredCrop]:
        condition, values = self.where(which)
        if after is not None:
            condition, values = f"{condition} AND id > ?", [*values, after]
        return self._crops(f"{condition} ORDER BY id LIMIT ?", [*values, limit], pictures)

    def _crops(self, condition: str, values: list[Any], pictures: bool = True) -> list[StoredCrop]:
        rows = self.run(f"SELECT {COLUMNS} FROM crops WHERE {condition}", values)
        contents = self.contents([row[0] for row in rows], pictures)
        found = []
        for id, camera, track, recording, time, start, end, frame, box, quality, person, *_ in rows:
            picture, vector, attributes = contents[id]
            found.append(
                StoredCrop(
                    id, camera, track, picture, vector, recording, time, start, end, frame, box_of(box), quality,
                    attributes, person,
                )
            )  # fmt: skip
        return found

    def tracks(self, which: CropFilter, after: str | None, limit: int) -> list[StoredTrack]:
        condition, values = self.where(which)
        statement = f"""
            SELECT track, min(camera),
                CASE WHEN count(DISTINCT recording) = 1 AND count(recording) = count(*) THEN min(recording) END,
                min(begins), max(ends), count(*),
                (SELECT id FROM crops best WHERE best.track = crops.track ORDER BY quality DESC NULLS LAST, id LIMIT 1),
                CASE WHEN count(DISTINCT person) = 1 AND count(person) = count(*) THEN min(person) END
            FROM crops WHERE track > ? AND track IN (SELECT track FROM crops WHERE {condition})
            GROUP BY track ORDER BY track LIMIT ?"""
        return [StoredTrack(*row) for row in self.run(statement, [after or "", *values, limit])]

    def history(self, after: int, limit: int) -> list[Operation]:
        statement = (
            "SELECT number, kind, key, time, changed, details FROM operations WHERE number > ? ORDER BY number LIMIT ?"
        )
        return [operation_of(row) for row in self.run(statement, [after, limit])]


def row_of(crop: StoredCrop, digest: str) -> tuple[Any, ...]:
    """The values of `COLUMNS`."""
    begins, ends = span_of(crop)
    box = None if crop.box is None else json.dumps(crop.box)
    return (
        crop.id, crop.camera, crop.track, crop.recording, crop.time, crop.start, crop.end, crop.frame, box,
        crop.quality, crop.person, digest, begins, ends,
    )  # fmt: skip


def moved_row(place: Place) -> tuple[Any, ...]:
    """track, start, end, begins, ends, id: the parameters of the statement that moves a crop."""
    return place.track, place.start, place.end, *span_of(place), place.id


def operation_of(row: Sequence[Any]) -> Operation:
    """An operation from its row; its details are JSON text."""
    number, kind, key, time, changed, details = row
    return Operation(number, kind, key, time, changed, json.loads(details))


def box_of(text: str | None) -> tuple[float, float, float, float] | None:
    """A box from its JSON text."""
    if text is None:
        return None
    left, top, right, bottom = json.loads(text)
    return left, top, right, bottom


def attributes_of(content: bytes | None) -> Any:
    """A (A,) float16 row from its bytes."""
    return None if content is None else np.frombuffer(content, dtype="<f2")


def parts_of(labels: Collection[str]) -> Iterable[list[str]]:
    """The labels in parts that one statement takes."""
    listed = list(labels)
    return (listed[start : start + SEVERAL] for start in range(0, len(listed), SEVERAL))
