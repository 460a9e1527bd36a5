"""`PostgresStore`: a gallery in a PostgreSQL database, for several machines that use it at once."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg import Connection, Error, OperationalError
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

from reidr.core.checks import whole_number
from reidr.errors import DataError
from reidr.service.store.postgres.rows import PostgresRows
from reidr.service.store.postgres.schema import LONGEST_INDEXED, first_line, gallery_of, lock, prepare, use
from reidr.service.store.recall import measured_recall
from reidr.service.store.records import EVERYTHING, CropFilter, Hit, IndexFacts, StoreFacts
from reidr.service.store.rules import check_filter, unit_vectors
from reidr.service.store.sql_store import SqlStore

CONNECTIONS = 8  # of one process at most
PATIENCE = 30.0  # seconds to wait for the server


class PostgresStore(SqlStore):
    """See `GalleryStore`. One schema of the database; changes are made one after the other, under an advisory lock."""

    kind = "postgresql"

    def __init__(self, address: str) -> None:
        """Open the gallery at `postgresql://user:password@host/database?gallery=NAME`, made where there is none.

        Raises DataError where the server cannot be reached, lacks pgvector, or refuses.
        """
        server, self.schema = gallery_of(address)
        self.address = shown_address(server, self.schema)
        try:
            with Connection.connect(server, autocommit=True, connect_timeout=int(PATIENCE)) as connection:
                prepare(connection, self.schema)
        except Error as error:
            raise self._problem(error) from error
        self._pool = ConnectionPool(
            server,
            min_size=1,
            max_size=CONNECTIONS,
            open=True,
            timeout=PATIENCE,
            configure=self._configure,
            kwargs={"autocommit": True},
        )
        with self._connection() as connection:
            waiting = connection.execute("SELECT erasing FROM gallery").fetchone()
        if waiting == (True,):
            self._after_removal()

    def _configure(self, connection: Connection) -> None:
        use(connection, self.schema)
        connection.execute("SET synchronous_commit = on")  # what has returned is on the server's disk
        register_vector(connection)

    def _problem(self, error: Error) -> DataError:
        if isinstance(error, PoolTimeout | OperationalError):
            return DataError(f"{self.address}: the database cannot be used ({first_line(error)}); see that it runs")
        return DataError(f"{self.address}: the database refuses ({first_line(error)}); see its log")

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            with self._pool.connection() as connection:
                yield connection
        except Error as error:
            raise self._problem(error) from error

    @contextlib.contextmanager
    def _changing(self) -> Iterator[PostgresRows]:
        with self._connection() as connection, connection.transaction():
            lock(connection, self.schema)
            yield PostgresRows(connection)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[PostgresRows]:
        with self._connection() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield PostgresRows(connection)

    def _after_removal(self) -> None:
        """Write the table anew: PostgreSQL leaves removed rows in its files until something else takes their place."""
        with self._connection() as connection:
            if connection.execute("SELECT erasing FROM gallery").fetchone() == (True,):
                connection.execute("VACUUM (FULL) crops")
                connection.execute("UPDATE gallery SET erasing = false")

    def search(
        self, vectors: NDArray[np.float32], k: int, which: CropFilter = EVERYTHING, *, exact: bool | None = None
    ) -> list[list[Hit]]:
        """See `GalleryStore.search`. By pgvector's HNSW index where `build_index` has made one."""
        check_filter(which)
        k = whole_number(k, "k", least=1)
        with self._reading() as rows:
            queries = unit_vectors(vectors, rows.dimensions())
            if exact is None:
                exact = rows.run("SELECT index FROM gallery")[0][0] is None
            if exact:
                # An HNSW index would answer the same statement, approximately; those of filters are read as bitmaps.
                rows.run("SET LOCAL enable_indexscan = off")
            else:
                rows.run("SET LOCAL hnsw.iterative_scan = relaxed_order")  # goes on until k crops pass the filter
                rows.run(f"SET LOCAL hnsw.ef_search = {min(1000, max(100, 2 * k))}")
            return [nearest(rows, query, k, which, exact) for query in queries]

    def build_index(self) -> IndexFacts | None:
        """See `GalleryStore.build_index`: pgvector's HNSW index. The gallery cannot be changed meanwhile."""
        dimensions = self.facts().dimensions
        if dimensions is None or dimensions > LONGEST_INDEXED:
            raise DataError(
                f"{self.address}: has no vectors, or longer ones than pgvector indexes ({LONGEST_INDEXED} numbers)"
            )
        begun = time.monotonic()
        with self._changing() as rows:
            rows.run("DROP INDEX IF EXISTS crops_vector")
            rows.run("CREATE INDEX crops_vector ON crops USING hnsw (vector vector_ip_ops)")
        seconds = time.monotonic() - begun
        made = IndexFacts("hnsw", self.count(), measured_recall(self), seconds)
        with self._changing() as rows:
            rows.run("UPDATE gallery SET index = ?", [json.dumps(asdict(made))])
        return made

    def facts(self) -> StoreFacts:
        """See `GalleryStore.facts`."""
        with self._reading() as rows:
            (told,) = rows.run("SELECT index FROM gallery")[0]
        return replace(super().facts(), index=None if told is None else IndexFacts(**json.loads(told)))

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.close()


def nearest(rows: PostgresRows, query: NDArray[np.float32], k: int, which: CropFilter, exact: bool) -> list[Hit]:
    """The k nearest crops of one query. `<#>` is the negative inner product."""
    condition, values = rows.where(which)
    order = "score, id" if exact else "score"
    statement = (
        "SELECT id, track, camera, start_time, end_time, vector <#> ? AS score FROM crops "
        f"WHERE {condition} ORDER BY {order} LIMIT ?"
    )
    found: Sequence[tuple[Any, ...]] = rows.run(statement, [Vector(query), *values, k])
    hits = [
        Hit(id, track, camera, start, end, min(2.0, max(0.0, 1.0 + score)))
        for id, track, camera, start, end, score in found
    ]
    return sorted(hits, key=lambda hit: (hit.distance, hit.id))


def shown_address(server: str, schema: str) -> str:
    """The address without its password."""
    parts = conninfo_to_dict(server)
    user = f"{parts['user']}@" if parts.get("user") else ""
    port = f":{parts['port']}" if parts.get("port") else ""
    gallery = schema.removeprefix("reidr").removeprefix("_")
    name = f"?gallery={gallery}" if gallery else ""
    return f"postgresql://{user}{parts.get('host') or 'localhost'}{port}/{parts.get('dbname') or ''}{name}"
