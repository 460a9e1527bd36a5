"""Rows of a gallery in SQLite, within one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from reidr.service.store.records import CropFilter
from reidr.service.store.rules import CheckedCrop, Place
from reidr.service.store.sql import COLUMNS, SqlRows, attributes_of, moved_row, parts_of, row_of

NOTHING = "x''"  # no bytes


class SqliteRows(SqlRows):
    """See `SqlRows`; within a transaction that writes also a `Change`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement, parameters).fetchall()

    def run_many(self, statement: str, parameters: Iterable[Sequence[Any]]) -> None:
        self.connection.executemany(statement, parameters)

    def one_of(self, column: str) -> str:
        return f"{column} IN (SELECT value FROM json_each(?))"

    def labels(self, labels: Collection[str]) -> Any:
        return json.dumps(list(labels))

    def contents(self, ids: Collection[str], pictures: bool) -> dict[str, tuple[bytes, Any, Any]]:
        found: dict[str, tuple[bytes, Any, Any]] = {}
        for part in parts_of(ids):
            picture = "picture" if pictures else NOTHING
            rows = self.run(
                f"SELECT id, {picture}, vector, attributes FROM crops JOIN pictures USING (row) "
                f"JOIN vectors USING (row) WHERE {self.one_of('id')}",
                [self.labels(part)],
            )
            found |= {
                id: (picture, np.frombuffer(vector, dtype="<f4"), attributes_of(attributes))
                for id, picture, vector, attributes in rows
            }
        return found

    def write(self, crops: Sequence[CheckedCrop], replaced: Collection[str]) -> None:
        if replaced:
            self.remove(CropFilter(ids=frozenset(replaced)))
        (last,) = self.run("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'crops'")[0]
        number = self.number() + 1
        marks = ", ".join("?" * (len(COLUMNS.split(",")) + 2))
        self.run_many(
            f"INSERT INTO crops ({COLUMNS}, row, changed) VALUES ({marks})",
            ((*row_of(each.crop, each.digest), last + place, number) for place, each in enumerate(crops, start=1)),
        )
        self.run_many(
            "INSERT INTO vectors VALUES (?, ?)",
            ((last + place, each.crop.vector.astype("<f4").tobytes()) for place, each in enumerate(crops, start=1)),
        )
        self.run_many(
            "INSERT INTO pictures VALUES (?, ?, ?)",
            (
                (last + place, each.crop.picture, None if (row := each.crop.attributes) is None else row.tobytes())
                for place, each in enumerate(crops, start=1)
            ),
        )

    def remove(self, which: CropFilter) -> int:
        condition, values = self.where(which)
        number = self.number() + 1
        self.run(f"INSERT INTO removed SELECT row, {number}, 0 FROM crops WHERE {condition}", values)
        for table in ("vectors", "pictures", "crops"):
            self.run(f"DELETE FROM {table} WHERE row IN (SELECT row FROM removed WHERE number = {number})")
        return int(self.run(f"SELECT count(*) FROM removed WHERE number = {number}")[0][0])

    def set_places(self, places: Sequence[Place]) -> None:
        number = self.number() + 1
        self.run_many(
            "UPDATE crops SET track = ?, start_time = ?, end_time = ?, begins = ?, ends = ?, changed = ? WHERE id = ?",
            ((*row[:-1], number, row[-1]) for row in map(moved_row, places)),
        )

    def label(self, which: CropFilter, person: str | None) -> int:
        condition, values = self.where(which)
        found = self.connection.execute(
            f"UPDATE crops SET person = ? WHERE person IS NOT ? AND {condition}", [person, person, *values]
        )
        return found.rowcount
