"""The seam: small JSON records by kind and key, and logs that only grow; in SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """One record. version: 1 when it is first written, one more with every change."""

    kind: str
    key: str
    value: Json
    version: int


@dataclass(frozen=True)
class LogRow:
    """One row of a log. number: 1, 2, 3 … without gaps."""

    log: str
    number: int
    value: Json


class RecordStore(Protocol):
    """Records and logs. What has returned is durable; threads and processes may use one store at once.

    All raise DataError for a kind, key or value that cannot be kept (an empty or very long name, what is no JSON), and
    ReIDError with one sentence where the database cannot be used.
    """

    def put(self, kind: str, key: str, value: Json, *, version: int | None = None) -> int:
        """Write a record; returns its new version.

        With `version` (0: must not exist yet) raises ConflictError where the record's version is another one.
        """

    def get(self, kind: str, key: str) -> Record | None:
        """The record, or None."""

    def of_kind(self, kind: str, *, after: str | None = None, limit: int = 1000) -> list[Record]:
        """Records of a kind in the order of their keys (by code point), those behind `after`."""

    def kinds(self) -> list[str]:
        """The kinds of which there are records, sorted."""

    def remove(self, kind: str, key: str) -> bool:
        """Remove a record; returns whether it was there. `purge` then leaves no bytes of it."""

    def append(self, log: str, make: Callable[[LogRow | None], Json]) -> LogRow:
        """Add one row to a log: `make` gets the last row (None for the first), while nobody else can add one.

        Where `make` raises, nothing is added.
        """

    def rows(self, log: str, *, after: int = 0, limit: int = 1000) -> list[LogRow]:
        """Rows of a log behind number `after`, oldest first."""

    def purge(self) -> None:
        """Write the store's files anew, so that they hold no bytes of what was removed or replaced.

        PostgreSQL's write-ahead log and its backups are beyond a client's reach: they go when the server recycles them.
        """

    def close(self) -> None:
        """Let go of files and connections."""
