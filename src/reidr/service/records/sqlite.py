"""Records and logs in one SQLite file that several processes may use at a time."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reidr.core.storage.files import make_private_file
from reidr.errors import ReIDError
from reidr.service.records.checking import SCHEMA_VERSION
from reidr.service.records.sql_records import Ask, SqlRecords

APPLICATION = 0x52654964  # "ReId": tells the file from other programs'
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS records (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
    " version INTEGER NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS logs (log TEXT NOT NULL, number INTEGER NOT NULL, value TEXT NOT NULL,"
    " PRIMARY KEY (log, number)) WITHOUT ROWID",
    # Against mistakes of programs; the hash chain of the audit log is what shows intent.
    "CREATE TRIGGER IF NOT EXISTS logs_only_grow BEFORE UPDATE ON logs BEGIN"
    " SELECT RAISE(ABORT, 'a log only grows'); END",
    "CREATE TRIGGER IF NOT EXISTS logs_never_shrink BEFORE DELETE ON logs BEGIN"
    " SELECT RAISE(ABORT, 'a log only grows'); END",
)


class SqliteRecords(SqlRecords):
    """A `RecordStore` in one file. What has returned survives a kill and a power failure (WAL, `synchronous=FULL`)."""

    def __init__(self, path: Path, *, patience: float = 60.0) -> None:
        """Open or make the file.

        Args:
            patience: seconds to wait while another process writes.

        Raises:
            ReIDError: the file is no record store of this version, is damaged, or cannot be written.
        """
        self.path, self.patience = path, patience
        self._lock = threading.RLock()
        with self._explained():
            if not path.is_file():
                make_private_file(path)
            # Autocommit: transactions begin in `_writing`. The lock lets threads share the connection.
            self._connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
        try:
            with self._explained():
                self._set_up()
        except ReIDError:
            self._connection.close()
            raise

    def _set_up(self) -> None:
        self._patiently("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("PRAGMA secure_delete=ON")
        self._connection.execute("PRAGMA temp_store=MEMORY")  # what is purged passes through no other file
        with self._writing("tables") as ask:
            version = ask("PRAGMA user_version").fetchone()[0]
            tables = ask("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if tables and (ask("PRAGMA application_id").fetchone()[0] != APPLICATION or version != SCHEMA_VERSION):
                raise ReIDError(
                    f"{self.path}: not a record store of this version (its version is {version}, not {SCHEMA_VERSION});"
                    " name another folder"
                )
            for statement in SCHEMA:
                ask(statement)
            ask(f"PRAGMA user_version={SCHEMA_VERSION}")
            ask(f"PRAGMA application_id={APPLICATION}")

    def purge(self) -> None:
        """See `RecordStore.purge`."""
        with self._lock, self._explained():
            # `secure_delete` overwrites what is deleted, but not copies that moving cells between pages left behind.
            self._patiently("VACUUM")
            begun = time.monotonic()
            while self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                if time.monotonic() - begun > self.patience:
                    raise ReIDError(
                        f"{self.path}-wal: still holds what was removed, since another process has been reading for "
                        f"{self.patience:.0f} seconds; end that one and do this again"
                    )
                time.sleep(0.05)

    def close(self) -> None:
        """See `RecordStore.close`."""
        with self._lock:
            self._connection.close()

    def _read(self, statement: str, values: Sequence[object]) -> list[Any]:
        with self._lock, self._explained():
            return self._connection.execute(statement, values).fetchall()

    def _patiently(self, statement: str) -> None:
        """Execute what does not wait for other processes by itself."""
        begun = time.monotonic()
        while True:
            try:
                self._connection.execute(statement)
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() - begun > self.patience:
                    raise
                time.sleep(0.05)

    @contextmanager
    def _writing(self, lock: str) -> Iterator[Ask]:
        """See `SqlRecords._writing`; the whole file is locked, whatever `lock` says."""
        with self._lock, self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk may have ended it already
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """SQLite's and the file system's errors as one sentence."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise ReIDError(f"{self.path}: the record store cannot be used ({error})") from error
        except sqlite3.DatabaseError as error:
            raise ReIDError(f"{self.path}: the record store is damaged ({error}); restore it from a backup") from error
        except OSError as error:
            raise ReIDError(f"{self.path}: no record store can be made there ({error.strerror or error})") from error
