"""A record store in memory that does the plainest thing: what the real ones are compared with."""

from __future__ import annotations

import json
from collections.abc import Callable

from reidr.errors import ConflictError
from reidr.service.records.records import Json, LogRow, Record


class NaiveRecords:
    """A `RecordStore` in dictionaries."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], tuple[Json, int]] = {}
        self.logs: dict[str, list[Json]] = {}

    def put(self, kind: str, key: str, value: Json, *, version: int | None = None) -> int:
        before = self.records.get((kind, key), ({}, 0))[1]
        if version is not None and version != before:
            raise ConflictError("changed")
        self.records[kind, key] = (json.loads(json.dumps(value)), before + 1)
        return before + 1

    def get(self, kind: str, key: str) -> Record | None:
        found = self.records.get((kind, key))
        return None if found is None else Record(kind, key, found[0], found[1])

    def of_kind(self, kind: str, *, after: str | None = None, limit: int = 1000) -> list[Record]:
        keys = sorted(key for own, key in self.records if own == kind and key > (after or ""))
        return [Record(kind, key, *self.records[kind, key]) for key in keys[:limit]]

    def kinds(self) -> list[str]:
        return sorted({kind for kind, _ in self.records})

    def remove(self, kind: str, key: str) -> bool:
        return self.records.pop((kind, key), None) is not None

    def append(self, log: str, make: Callable[[LogRow | None], Json]) -> LogRow:
        rows = self.logs.setdefault(log, [])
        last = LogRow(log, len(rows), rows[-1]) if rows else None
        rows.append(json.loads(json.dumps(make(last))))
        return LogRow(log, len(rows), rows[-1])

    def rows(self, log: str, *, after: int = 0, limit: int = 1000) -> list[LogRow]:
        found = [LogRow(log, number, value) for number, value in enumerate(self.logs.get(log, []), start=1)]
        return found[after:][:limit]

    def purge(self) -> None:
        pass

    def close(self) -> None:
        pass
