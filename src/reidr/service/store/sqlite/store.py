"""`SqliteStore`: a gallery in a folder, for one machine; several processes and threads may use it at once."""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reidr.core.checks import whole_number
from reidr.core.progress import progress
from reidr.core.text import shown
from reidr.errors import DataError
from reidr.service.store.records import EVERYTHING, CropFilter, Hit, IndexFacts, StoreFacts
from reidr.service.store.rules import check_filter, unit_vectors
from reidr.service.store.sql_store import SqlStore
from reidr.service.store.sqlite import block, codes
from reidr.service.store.sqlite.erasing import finish_removals, removals_wait
from reidr.service.store.sqlite.nearest import Found, among, nearest
from reidr.service.store.sqlite.rows import SqliteRows
from reidr.service.store.sqlite.schema import connect, open_file
from reidr.service.store.sqlite.snapshot import CropFacts, Snapshot, crops_at, current, wanted_rows

FEW_ROWS = 20_000  # crops that pass a filter, up to which all of them are compared also where there is an index


class SqliteStore(SqlStore):
    """See `GalleryStore`. The folder holds `gallery.sqlite` and, derived from it, the block of vectors."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        """Open the gallery in `folder`, made where there is none; an erasure that was cut short is finished first.

        Raises DataError for a folder whose file is no gallery, ReIDError where it cannot be written.
        """
        self.folder = folder
        self.address = str(folder)
        self.path = open_file(folder)
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._all: list[sqlite3.Connection] = []
        self._snapshot: Snapshot | None = None
        self._refreshing = threading.Lock()
        self._index: tuple[tuple[int, int, int], codes.Codes] | None = None
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

    def search(
        self, vectors: NDArray[np.float32], k: int, which: CropFilter = EVERYTHING, *, exact: bool | None = None
    ) -> list[list[Hit]]:
        check_filter(which)
        k = whole_number(k, "k", least=1)
        with self._searching() as (rows, snapshot):
            queries = unit_vectors(vectors, snapshot.vectors.shape[1] or None)
            found = self._nearest(rows, snapshot, queries, k, which, exact)
            return hits_of(crops_at(rows, snapshot, found), found, k)

    def count(self, which: CropFilter = EVERYTHING) -> int:
        """See `GalleryStore.count`. Once this process has searched, from what it holds: the service counts before every
        search, and the database's own count of a large gallery takes as long as searching it."""
        check_filter(which)
        if self._snapshot is None or which.ids is not None or which.tracks is not None or which.persons is not None:
            return super().count(which)
        with self._searching() as (rows, snapshot):
            mask, few = wanted_rows(rows, snapshot, which)
            return int(np.count_nonzero(snapshot.alive if mask is None else mask)) if few is None else len(few)

    def _nearest(
        self,
        rows: SqliteRows,
        snapshot: Snapshot,
        queries: NDArray[np.float32],
        k: int,
        which: CropFilter,
        exact: bool | None,
    ) -> Found:
        """Rows and distances for each query: at least the k nearest where there are as many."""
        mask, few = wanted_rows(rows, snapshot, which)
        made = None if exact or (mask is None and few is not None) else self._codes(snapshot)
        if made is not None and (few is None or len(few) > FEW_ROWS):
            return made.nearest(snapshot.vectors, queries, k, mask)
        if few is not None:
            return among(snapshot.vectors, queries, k, few)
        return nearest(snapshot.vectors, queries, k, mask)

    def _codes(self, snapshot: Snapshot) -> codes.Codes | None:
        """The approximate index with the rows of a snapshot; read from its file again when that has changed."""
        with self._refreshing:
            try:
                status = (self.folder / codes.FILE).stat()
            except FileNotFoundError:
                self._index = None
                return None
            identity = (status.st_ino, status.st_mtime_ns, snapshot.numbering)
            if self._index is None or self._index[0] != identity:
                made = codes.read_index(self.folder, snapshot.numbering)
                self._index = None if made is None else (identity, made)
            if self._index is None:
                return None
            made = self._index[1].fitted(snapshot.vectors, snapshot.alive)
            if made.words.shape[1] > self._index[1].words.shape[1]:
                self._index = (identity, made)
            return made

    def build_index(self) -> IndexFacts | None:
        """See `GalleryStore.build_index`. An index of rows that another process erased meanwhile is thrown away."""
        with self._searching() as (_, snapshot):
            if not snapshot.alive.any():
                raise DataError(f"{shown(str(self.folder))}: holds no crops; add some before you make an index")
        with progress("approximate index", len(snapshot.alive)) as advance:
            made = codes.build(snapshot.vectors, snapshot.alive, advance)
        with self._changing() as rows:
            (removed,) = rows.run("SELECT count(*) FROM removed WHERE number > ?", [snapshot.number])[0]
            if removed or block.state(rows).numbering != snapshot.numbering:
                raise DataError("crops were removed while the index was being made; make it again")
            codes.write_index(self.folder, made, snapshot.numbering)
        return made.facts

    def facts(self) -> StoreFacts:
        """See `GalleryStore.facts`."""
        with self._reading() as rows:
            made = codes.read_index(self.folder, block.state(rows).numbering)
        return replace(super().facts(), index=None if made is None else made.facts)

    @contextlib.contextmanager
    def _searching(self) -> Iterator[tuple[SqliteRows, Snapshot]]:
        """A transaction that reads, with the snapshot that belongs to it."""
        while True:
            with self._reading() as rows:
                snapshot = self._current(rows)
                if snapshot is not None:
                    yield rows, snapshot
                    return
            with self._changing() as rows:
                if not block.is_current(self.folder, block.state(rows)):
                    block.extend(self.folder, rows)

    def _current(self, rows: SqliteRows) -> Snapshot | None:
        """The snapshot of a transaction, None where the block is behind; threads that need one make it once."""
        now, snapshot = block.state(rows), self._snapshot
        if snapshot is not None and (snapshot.number, snapshot.numbering) == (now.number, now.numbering):
            return snapshot
        if not block.is_current(self.folder, now):
            return None
        with self._refreshing:
            try:
                snapshot = current(self.folder, rows, now, self._snapshot)
            except FileNotFoundError:  # another process has erased crops since the transaction began
                return None
            if self._snapshot is None or age(self._snapshot) <= age(snapshot):
                self._snapshot = snapshot
        return snapshot

    def close(self) -> None:
        self._closed = True
        self._snapshot = None
        while self._all:
            self._all.pop().close()


def age(snapshot: Snapshot) -> tuple[int, int]:
    """By which snapshots are ordered in time."""
    return snapshot.numbering, snapshot.number


def hits_of(crops: Mapping[int, CropFacts], found: Found, k: int) -> list[list[Hit]]:
    """The hits of each query, nearest first and equal ones by id."""
    answer = []
    for places, distances in found:
        listed = [
            Hit(*crops[row], distance)
            for row, distance in zip(places.tolist(), distances.tolist(), strict=True)
            if row in crops
        ]
        listed.sort(key=lambda hit: (hit.distance, hit.id))
        answer.append(listed[:k])
    return answer
