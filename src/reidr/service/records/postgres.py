"""Records and logs in a PostgreSQL database that several machines may use at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from reidr.errors import MissingExtraError, ReIDError
from reidr.service.records.checking import SCHEMA_VERSION
from reidr.service.records.sql_records import Ask, SqlRecords

# Names are ordered by code point, as in SQLite, whatever the language of the database.
SCHEMA = (
    'CREATE TABLE IF NOT EXISTS records (kind text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL,'
    " value text NOT NULL, version bigint NOT NULL, PRIMARY KEY (kind, key))",
    'CREATE TABLE IF NOT EXISTS logs (log text COLLATE "C" NOT NULL, number bigint NOT NULL,'
    " value text NOT NULL, PRIMARY KEY (log, number))",
    "CREATE TABLE IF NOT EXISTS records_schema (version bigint PRIMARY KEY)",
    "CREATE OR REPLACE FUNCTION log_only_grows() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION 'a log only grows'; END $$",
    "CREATE OR REPLACE TRIGGER logs_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON logs"
    " EXECUTE FUNCTION log_only_grows()",
)
SET_UP = "tables"  # what whoever makes the tables locks


class PostgresRecords(SqlRecords):
    """A `RecordStore` in the tables `records` and `logs` of a gallery's schema (`store.postgres.schema.gallery_of`).

    A connection that was lost (the server was started anew) is made again for the next call; the call that lost it
    raises, since nobody can tell whether it was done.
    """

    def __init__(self, address: str, *, patience: float = 60.0) -> None:
        """Connect, and make the tables where they are missing.

        Args:
            address: postgresql://user@host/database, with ?gallery=NAME where there are several galleries in it.
            patience: seconds to wait for a connection.

        Raises:
            MissingExtraError: psycopg is not installed. ReIDError: no connection, or tables of another version.
        """
        try:
            import psycopg
            import psycopg.sql
        except ImportError:
            raise MissingExtraError("PostgreSQL needs psycopg; install with: pip install 'reidr[postgres]'") from None
        from reidr.service.store.postgres.schema import gallery_of

        self._psycopg, self._patience = psycopg, patience
        self._address, self._schema = gallery_of(address)
        self._lock = threading.RLock()
        self.place = without_password(address)
        with self._explained():
            self._connection = self._connect()
        try:
            with self._writing(SET_UP) as ask:
                self._set_up(ask)
        except ReIDError:
            self._connection.close()
            raise

    def _connect(self) -> Any:
        connection = self._psycopg.connect(
            self._address, autocommit=True, connect_timeout=max(2, round(self._patience)), application_name="reidr"
        )
        connection.execute("SET synchronous_commit = on")
        connection.execute("SET client_min_messages = warning")
        schema = self._psycopg.sql.Identifier(self._schema)
        # The schema may be there without this user being allowed to make one: so it is looked for first.
        if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self._schema,)).fetchone():
            connection.execute(self._psycopg.sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        connection.execute(self._psycopg.sql.SQL("SET search_path TO {}").format(schema))
        return connection

    def _set_up(self, ask: Ask) -> None:
        there = ask("SELECT to_regclass('records_schema')").fetchone()[0]
        if there is None:
            for statement in SCHEMA:
                ask(statement)
            ask("INSERT INTO records_schema VALUES (?)", (SCHEMA_VERSION,))
        version = ask("SELECT version FROM records_schema").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise ReIDError(
                f"{self.place}: its records are of version {version}, not {SCHEMA_VERSION}; name another database"
            )

    def purge(self) -> None:
        """See `RecordStore.purge`."""
        with self._lock, self._explained():
            self._alive().execute("VACUUM FULL records")
            if self._may_checkpoint():
                self._connection.execute("CHECKPOINT")

    def close(self) -> None:
        """See `RecordStore.close`."""
        with self._lock:
            self._connection.close()

    def _may_checkpoint(self) -> bool:
        """Whether this user may have the server write its files now; else it does so by itself, minutes later."""
        asked = (
            "SELECT rolsuper OR pg_has_role(oid, 'pg_checkpoint', 'usage') FROM pg_roles WHERE rolname = current_user"
        )
        return bool(self._connection.execute(asked).fetchone()[0])

    def _alive(self) -> Any:
        if self._connection.closed or self._connection.broken:
            self._connection = self._connect()
        return self._connection

    def _read(self, statement: str, values: Sequence[object]) -> list[Any]:
        with self._lock, self._explained():
            found: list[Any] = self._alive().execute(marked(statement), values).fetchall()
            return found

    @contextmanager
    def _writing(self, lock: str) -> Iterator[Ask]:
        """See `SqlRecords._writing`; an advisory lock keeps others away."""
        with self._lock, self._explained():
            connection = self._alive()

            def ask(statement: str, values: Sequence[object] = ()) -> Any:
                return connection.execute(marked(statement), values)

            with connection.transaction():
                name = f"{self._schema} {lock}"
                connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))
                yield ask

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """The client's errors as one sentence."""
        try:
            yield
        except self._psycopg.Error as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise ReIDError(f"{self.place}: the record store cannot be used ({reason})") from error


def marked(statement: str) -> str:
    """A statement with its parameters marked as psycopg wants them."""
    return statement.replace("?", "%s")


def without_password(address: str) -> str:
    """The address as it may be shown."""
    parts = urlsplit(address)
    if parts.password is None:
        return address.split("?")[0]
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{parts.username}@{host}{parts.path}"
