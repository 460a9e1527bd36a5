"""A `RecordStore` in memory, for tests of what writes records."""

from __future__ import annotations

import copy
from collections.abc import Callable

from reidr.errors import ConflictError
from reidr.service.records.records import Json, LogRow, Record


class MemoryRecords:
    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Record] = {}
        self.logs: dict[str, list[LogRow]] = {}

    def put(self, kind: str, key: str, value: Json, *, version: int | None = None) -> int:
        before = self.kept.get((kind, key))
        now = 0 if before is None else before.version
        if version is not None and version != now:
            raise ConflictError(f"{kind} {key}: version {now}, not {version}")
        self.kept[kind, key] = Record(kind, key, copy.deepcopy(value), now + 1)
        return now + 1

    def get(self, kind: str, key: str) -> Record | None:
        return copy.deepcopy(self.kept.get((kind, key)))

    def of_kind(self, kind: str, *, after: str | None = None, limit: int = 1000) -> list[Record]:
        own = sorted((record for record in self.kept.values() if record.kind == kind), key=lambda each: each.key)
        return [record for record in own if after is None or record.key > after][:limit]

    def remove(self, kind: str, key: str) -> bool:
        return self.kept.pop((kind, key), None) is not None

    def append(self, log: str, make: Callable[[LogRow | None], Json]) -> LogRow:
        rows = self.logs.setdefault(log, [])
        rows.append(LogRow(log, len(rows) + 1, make(rows[-1] if rows else None)))
        return rows[-1]

    def rows(self, log: str, *, after: int = 0, limit: int = 1000) -> list[LogRow]:
        return self.logs.get(log, [])[after : after + limit]

    def close(self) -> None:
        pass
