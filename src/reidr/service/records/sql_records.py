"""What SQLite and PostgreSQL have in common: the same statements over the same two tables, records and logs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from reidr.service.records.checking import canonical, check_names, check_version, parsed
from reidr.service.records.records import Json, LogRow, Record

Ask = Callable[..., Any]
"""Runs a statement with its parameters, which it marks by `?`; returns the cursor."""


class SqlRecords(ABC):
    """A `RecordStore` but for how a database is opened, locked, cleaned and closed."""

    @abstractmethod
    def _read(self, statement: str, values: Sequence[object]) -> list[Any]:
        """The rows of a statement, whose parameters are marked by `?`."""

    @abstractmethod
    def _writing(self, lock: str) -> AbstractContextManager[Ask]:
        """A transaction that changes what `lock` names; nobody else is in one of the same name meanwhile."""

    def put(self, kind: str, key: str, value: Json, *, version: int | None = None) -> int:
        """See `RecordStore.put`."""
        check_names(kind, key)
        text = canonical(value)
        with self._writing(f"record {kind} {key}") as ask:
            found = ask("SELECT version FROM records WHERE kind = ? AND key = ?", (kind, key)).fetchone()
            before = int(found[0]) if found else 0
            check_version(kind, key, version, before)
            ask(
                "INSERT INTO records VALUES (?, ?, ?, ?) ON CONFLICT (kind, key)"
                " DO UPDATE SET value = excluded.value, version = excluded.version",
                (kind, key, text, before + 1),
            )
        return before + 1

    def get(self, kind: str, key: str) -> Record | None:
        """See `RecordStore.get`."""
        check_names(kind, key)
        found = self._read("SELECT value, version FROM records WHERE kind = ? AND key = ?", (kind, key))
        return Record(kind, key, parsed(found[0][0]), found[0][1]) if found else None

    def of_kind(self, kind: str, *, after: str | None = None, limit: int = 1000) -> list[Record]:
        """See `RecordStore.of_kind`."""
        check_names(kind)
        found = self._read(
            "SELECT key, value, version FROM records WHERE kind = ? AND key > ? ORDER BY key LIMIT ?",
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
            return bool(ask("DELETE FROM records WHERE kind = ? AND key = ?", (kind, key)).rowcount)

    def append(self, log: str, make: Callable[[LogRow | None], Json]) -> LogRow:
        """See `RecordStore.append`."""
        check_names(log)
        with self._writing(f"log {log}") as ask:
            found = ask("SELECT number, value FROM logs WHERE log = ? ORDER BY number DESC LIMIT 1", (log,)).fetchone()
            last = LogRow(log, found[0], parsed(found[1])) if found else None
            text = canonical(make(last))
            number = last.number + 1 if last else 1
            ask("INSERT INTO logs VALUES (?, ?, ?)", (log, number, text))
        return LogRow(log, number, parsed(text))

    def rows(self, log: str, *, after: int = 0, limit: int = 1000) -> list[LogRow]:
        """See `RecordStore.rows`."""
        check_names(log)
        found = self._read(
            "SELECT number, value FROM logs WHERE log = ? AND number > ? ORDER BY number LIMIT ?", (log, after, limit)
        )
        return [LogRow(log, number, parsed(value)) for number, value in found]
