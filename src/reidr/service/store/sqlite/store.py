"""`SqliteStore`: a gallery in a folder, for one machine; several processes and threads may use it at once."""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reidr.core.checks import whole_number
from reidr.core.text import shown
from reidr.errors import DataError
from reidr.service.store.changes import ChangingStore
from reidr.service.store.records import (
    EVERYTHING,
    CropFilter,
    Hit,
    Operation,
    StoredCrop,
    StoredTrack,
    StoreFacts,
)
from reidr.service.store.rules import check_filter, unit_vectors
from reidr.service.store.sqlite import block
from reidr.service.store.sqlite.erasing import finish_removals, removals_wait
from reidr.service.store.sqlite.nearest import among, nearest
from reidr.service.store.sqlite.rows import SqliteRows
from reidr.service.store.sqlite.schema import SCHEMA, connect, open_file
from reidr.service.store.sqlite.snapshot import Snapshot, current, rows_by_number, wanted_rows

Found = list[tuple[NDArray[np.int64], NDArray[np.float64]]]


class SqliteStore(ChangingStore):
    """See `GalleryStore`. The folder holds `gallery.sqlite` and, derived from it, the block of vectors."""

    def __init__(self, folder: Path) -> None:
        """Open the gallery in `folder`, made where there is none; an erasure that was cut short is finished first.

        Raises DataError for a folder whose file is no gallery, ReIDError where it cannot be written.
        """
        self.folder = folder
        self.path = open_file(folder)
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._all: list[sqlite3.Connection] = []
        self._snapshot: Snapshot | None = None
        self._refreshing = threading.Lock()
        self._closed = False
        with self._connection() as connection:
            waiting = removals_wait(SqliteRows(connection))
        if waiting:
            self._after_removal()

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection of this process that no other thread uses meanwhile."""
        if self._closed:
            raise DataError(f"{shown(str(self.folder))}: this gallery has been closed; open it again")
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = connect(self.path)
            self._all.append(connection)
        try:
            yield connection
        except sqlite3.Error as error:
            raise DataError(
                f"{shown(str(self.path))}: {error}; see whether its disk is full or another program holds it"
            ) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._idle.put(connection)

    @contextlib.contextmanager
    def _rows(self, begin: str) -> Iterator[SqliteRows]:
        """One transaction."""
        with self._connection() as connection:
            connection.execute(begin)
            yield SqliteRows(connection)
            connection.execute("COMMIT")

    def _changing(self) -> contextlib.AbstractContextManager[SqliteRows]:
        return self._rows("BEGIN IMMEDIATE")

    def _reading(self) -> contextlib.AbstractContextManager[SqliteRows]:
        return self._rows("BEGIN")

    def _after_removal(self) -> None:
        with self._connection() as connection:
            finish_removals(self.folder, connection)

    def facts(self) -> StoreFacts:
        with self._reading() as rows:
            model, name, dimensions, attributes = rows.run(
                "SELECT model, model_name, dimensions, attribute_model FROM gallery"
            )[0]
            crops, tracks = rows.run("SELECT count(*), count(DISTINCT track) FROM crops")[0]
            cameras = tuple(camera for (camera,) in rows.run("SELECT DISTINCT camera FROM crops ORDER BY camera"))
            version = rows.number()
        address = str(self.folder)
        return StoreFacts(
            "sqlite", address, model, name, dimensions, attributes, crops, tracks, cameras, version, SCHEMA
        )

    def set_model(self, fingerprint: str, name: str, dimensions: int, attribute_model: str | None = None) -> None:
        with self._changing() as rows:
            rows.name_model(fingerprint, name, dimensions, attribute_model)

    def get(self, ids: Sequence[str]) -> list[StoredCrop]:
        with self._reading() as rows:
            return rows.get(ids)

    def crops(self, which: CropFilter = EVERYTHING, *, after: str | None = None, limit: int = 1000) -> list[StoredCrop]:
        check_filter(which)
        with self._reading() as rows:
            return rows.page(which, after, whole_number(limit, "limit", least=0))

    def tracks(
        self, which: CropFilter = EVERYTHING, *, after: str | None = None, limit: int = 1000
    ) -> list[StoredTrack]:
        check_filter(which)
        with self._reading() as rows:
            return rows.tracks(which, after, whole_number(limit, "limit", least=0))

    def count(self, which: CropFilter = EVERYTHING) -> int:
        check_filter(which)
        with self._reading() as rows:
            return rows.count(which)

    def history(self, *, after: int = 0, limit: int = 1000) -> list[Operation]:
        with self._reading() as rows:
            return rows.history(after, whole_number(limit, "limit", least=0))

    def search(
        self, vectors: NDArray[np.float32], k: int, which: CropFilter = EVERYTHING, *, exact: bool = True
    ) -> list[list[Hit]]:
        check_filter(which)
        k = whole_number(k, "k", least=1)
        with self._searching() as (rows, snapshot):
            queries = unit_vectors(vectors, rows.dimensions())
            found = self._nearest(rows, snapshot, queries, k, which, exact)
            return hits_of(rows, found, k)

    def _nearest(
        self, rows: SqliteRows, snapshot: Snapshot, queries: NDArray[np.float32], k: int, which: CropFilter, exact: bool
    ) -> Found:
        """Rows and distances for each query: at least the k nearest where there are as many."""
        mask, few = wanted_rows(rows, snapshot, which)
        if few is not None:
            return among(snapshot.vectors, queries, k, few)
        return nearest(snapshot.vectors, queries, k, mask)

    @contextlib.contextmanager
    def _searching(self) -> Iterator[tuple[SqliteRows, Snapshot]]:
        """A transaction that reads, with the snapshot that belongs to it."""
        while True:
            with self._reading() as rows:
                if not block.is_current(self.folder, rows):
                    snapshot = None
                else:
                    try:
                        snapshot = self._current(rows)
                    except FileNotFoundError:  # another process has erased crops since the transaction began
                        snapshot = None
                if snapshot is not None:
                    yield rows, snapshot
                    return
            with self._changing() as rows:
                if not block.is_current(self.folder, rows):
                    block.extend(self.folder, rows)

    def _current(self, rows: SqliteRows) -> Snapshot:
        """The snapshot of a transaction; threads that need the same new one make it once."""
        snapshot = self._snapshot
        if snapshot is None or snapshot.number != rows.number():
            with self._refreshing:
                snapshot = current(self.folder, rows, self._snapshot)
                if self._snapshot is None or self._snapshot.number <= snapshot.number:
                    self._snapshot = snapshot
        return snapshot

    def close(self) -> None:
        self._closed = True
        self._snapshot = None
        while self._all:
            self._all.pop().close()


def hits_of(rows: SqliteRows, found: Found, k: int) -> list[list[Hit]]:
    """The hits of each query, nearest first and equal ones by id."""
    numbers = sorted({int(row) + 1 for places, _ in found for row in places})
    crops = rows_by_number(rows, numbers)
    answer = []
    for places, distances in found:
        listed = [
            Hit(*crops[row + 1], distance)
            for row, distance in zip(places.tolist(), distances.tolist(), strict=True)
            if row + 1 in crops
        ]
        listed.sort(key=lambda hit: (hit.distance, hit.id))
        answer.append(listed[:k])
    return answer
