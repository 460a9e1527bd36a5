"""Records and logs in a PostgreSQL database that several machines may use at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from reidr.errors import MissingExtraError, ReIDError
from reidr.service.records.checking import SCHEMA_VERSION, canonical, check_names, check_version, parsed
from reidr.service.records.records import Json, LogRow, Record

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
SET_UP_LOCK = 0x52654964  # of advisory locks: whoever makes the tables


class PostgresRecords:
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
            with self._writing(SET_UP_LOCK) as ask:
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

    def _set_up(self, ask: Callable[..., Any]) -> None:
        there = ask("SELECT to_regclass('records_schema')").fetchone()[0]
        if there is None:
            for statement in SCHEMA:
                ask(statement)
            ask("INSERT INTO records_schema VALUES (%s)", (SCHEMA_VERSION,))
        version = ask("SELECT version FROM records_schema").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise ReIDError(
                f"{self.place}: its records are of version {version}, not {SCHEMA_VERSION}; name another database"
            )

    def put(self, kind: str, key: str, value: Json, *, version: int | None = None) -> int:
        """See `RecordStore.put`."""
        check_names(kind, key)
        text = canonical(value)
        with self._writing(f"record {kind} {key}") as ask:
            found = ask("SELECT version FROM records WHERE kind = %s AND key = %s", (kind, key)).fetchone()
            before = int(found[0]) if found else 0
            check_version(kind, key, version, before)
            ask(
                "INSERT INTO records VALUES (%s, %s, %s, %s) ON CONFLICT (kind, key)"
                " DO UPDATE SET value = excluded.value, version = excluded.version",
                (kind, key, text, before + 1),
            )
        return before + 1

    def get(self, kind: str, key: str) -> Record | None:
        """See `RecordStore.get`."""
        check_names(kind, key)
        found = self._read("SELECT value, version FROM records WHERE kind = %s AND key = %s", (kind, key))
        return Record(kind, key, parsed(found[0][0]), found[0][1]) if found else None

    def of_kind(self, kind: str, *, after: str | None = None, limit: int = 1000) -> list[Record]:
        """See `RecordStore.of_kind`."""
        check_names(kind)
        found = self._read(
            "SELECT key, value, version FROM records WHERE kind = %s AND key > %s ORDER BY key LIMIT %s",
            (kind, after or "", limit),
        )
        return [Record(kind, key, parsed(value), version) for key, value, version in found]

    def kinds(self) -> list[str]:
        """See `RecordStore.kinds`."""
        return [kind for (kind,) in self._read("SELECT DISTINCT kind FROM records ORDER BY kind", ())]

    def remove(self, kind: str, key: str) -> bool:
        """See `RecordStore.remove`."""
        check_names(kind, key)
        with self._writing(f"record {kind} {key}") as ask:
            return bool(ask("DELETE FROM records WHERE kind = %s AND key = %s", (kind, key)).rowcount)

    def append(self, log: str, make: Callable[[LogRow | None], Json]) -> LogRow:
        """See `RecordStore.append`."""
        check_names(log)
        with self._writing(f"log {log}") as ask:
            found = ask("SELECT number, value FROM logs WHERE log = %s ORDER BY number DESC LIMIT 1", (log,)).fetchone()
            last = LogRow(log, found[0], parsed(found[1])) if found else None
            text = canonical(make(last))
            number = last.number + 1 if last else 1
            ask("INSERT INTO logs VALUES (%s, %s, %s)", (log, number, text))
        return LogRow(log, number, parsed(text))

    def rows(self, log: str, *, after: int = 0, limit: int = 1000) -> list[LogRow]:
        """See `RecordStore.rows`."""
        check_names(log)
        found = self._read(
            "SELECT number, value FROM logs WHERE log = %s AND number > %s ORDER BY number LIMIT %s",
            (log, after, limit),
        )
        return [LogRow(log, number, parsed(value)) for number, value in found]

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

    def _read(self, statement: str, values: tuple[object, ...]) -> list[Any]:
        with self._lock, self._explained():
            found: list[Any] = self._alive().execute(statement, values).fetchall()
            return found

    @contextmanager
    def _writing(self, lock: str | int) -> Iterator[Callable[..., Any]]:
        """A transaction that has the advisory lock of a name: nobody else is in one of the same name."""
        with self._lock, self._explained():
            connection = self._alive()
            with connection.transaction():
                if isinstance(lock, int):
                    connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))
                else:
                    name = f"{self._schema} {lock}"
                    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))
                yield connection.execute

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """The client's errors as one sentence."""
        try:
            yield
        except self._psycopg.Error as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise ReIDError(f"{self.place}: the record store cannot be used ({reason})") from error


def without_password(address: str) -> str:
    """The address as it may be shown."""
    parts = urlsplit(address)
    if parts.password is None:
        return address.split("?")[0]
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{parts.username}@{host}{parts.path}"
