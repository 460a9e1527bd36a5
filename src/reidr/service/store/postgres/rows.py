"""Rows of a gallery in PostgreSQL, within one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
from psycopg import Connection, sql

from reidr.service.store.postgres.schema import INLINE
from reidr.service.store.records import CropFilter
from reidr.service.store.rules import CheckedCrop, Place
from reidr.service.store.sql import COLUMNS, SqlRows, attributes_of, moved_row, parts_of, row_of


class PostgresRows(SqlRows):
    """See `SqlRows`; within a transaction that writes also a `Change`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(statement.replace("?", "%s").encode(), parameters)
        return cursor.fetchall() if cursor.description else []

    def run_many(self, statement: str, parameters: Iterable[Sequence[Any]]) -> None:
        with self.connection.cursor() as cursor:
            cursor.executemany(statement.replace("?", "%s").encode(), parameters)

    def one_of(self, column: str) -> str:
        return f"{column} = ANY(?)"

    def labels(self, labels: Collection[str]) -> Any:
        return list(labels)

    def contents(self, ids: Collection[str], pictures: bool) -> dict[str, tuple[bytes, Any, Any]]:
        found: dict[str, tuple[bytes, Any, Any]] = {}
        for part in parts_of(ids):
            picture = "picture" if pictures else "''::bytea"
            rows = self.run(f"SELECT id, {picture}, vector, attributes FROM crops WHERE id = ANY(?)", [part])
            found |= {
                id: (picture, np.asarray(vector.to_numpy(), dtype=np.float32), attributes_of(attributes))
                for id, picture, vector, attributes in rows
            }
        return found

    def name_model(self, fingerprint: str, name: str, dimensions: int, attribute_model: str | None) -> None:
        first = self.dimensions() is None
        super().name_model(fingerprint, name, dimensions, attribute_model)
        if first:
            length = sql.SQL("ALTER TABLE crops ALTER COLUMN vector TYPE vector({})").format(sql.Literal(dimensions))
            self.connection.execute(length)
            storage = "PLAIN" if dimensions <= INLINE else "EXTERNAL"
            self.run(f"ALTER TABLE crops ALTER COLUMN vector SET STORAGE {storage}")

    def write(self, crops: Sequence[CheckedCrop], replaced: Collection[str]) -> None:
        from pgvector import Vector

        if replaced:
            self.run("DELETE FROM crops WHERE id = ANY(?)", [list(replaced)])
        marks = ", ".join("?" * (len(COLUMNS.split(",")) + 3))
        self.run_many(
            f"INSERT INTO crops ({COLUMNS}, vector, picture, attributes) VALUES ({marks})",
            (
                (
                    *row_of(each.crop, each.digest),
                    Vector(each.crop.vector),
                    each.crop.picture,
                    None if (row := each.crop.attributes) is None else row.astype("<f2").tobytes(),
                )
                for each in crops
            ),
        )

    def remove(self, which: CropFilter) -> int:
        condition, values = self.where(which)
        removed = len(self.run(f"DELETE FROM crops WHERE {condition} RETURNING 1", values))
        if removed:
            self.run("UPDATE gallery SET erasing = true")
        return removed

    def set_places(self, places: Sequence[Place]) -> None:
        self.run_many(
            "UPDATE crops SET track = ?, start_time = ?, end_time = ?, begins = ?, ends = ? WHERE id = ?",
            map(moved_row, places),
        )

    def label(self, which: CropFilter, person: str | None) -> int:
        condition, values = self.where(which)
        statement = f"UPDATE crops SET person = ? WHERE person IS DISTINCT FROM ? AND {condition} RETURNING 1"
        return len(self.run(statement, [person, person, *values]))
