"""What is kept beside a gallery, copied to where the gallery goes: each record and each row of the log once."""

from __future__ import annotations

from dataclasses import dataclass

from reidr.errors import DataError
from reidr.service.records.records import LogRow, RecordStore

AUDIT = "audit"
PAGE = 500


@dataclass(frozen=True)
class CopiedRecords:
    """How many records and rows of the audit log were written; those that were there already are not counted."""

    records: int
    rows: int


def copy_records(source: RecordStore, target: RecordStore) -> CopiedRecords:
    """Copy all records and the audit log, row by row as it stands, so that it can be verified there too.

    Called again it goes on, and brings over what has changed. What was removed in the source since is not removed.

    Raises DataError where the target has an audit log of its own.
    """
    written = 0
    for kind in source.kinds():
        after: str | None = None
        while page := source.of_kind(kind, after=after, limit=PAGE):
            for record in page:
                held = target.get(kind, record.key)
                if held is None or held.value != record.value:
                    target.put(kind, record.key, record.value)
                    written += 1
            after = page[-1].key
    return CopiedRecords(written, _copy_log(source, target))


def _copy_log(source: RecordStore, target: RecordStore) -> int:
    """Append the rows that the target's log lacks; returns how many."""
    copied, number = 0, 0
    while page := source.rows(AUDIT, after=number, limit=PAGE):
        held = {row.number: row for row in target.rows(AUDIT, after=number, limit=PAGE)}
        for row in page:
            if row.number not in held:
                target.append(AUDIT, lambda last, row=row: _next(last, row))  # type: ignore[misc]
                copied += 1
            elif held[row.number].value != row.value:
                raise _another_log()
        number = page[-1].number
    if target.rows(AUDIT, after=number, limit=1):
        raise _another_log()
    return copied


def _next(last: LogRow | None, row: LogRow) -> dict[str, object]:
    """The value of a row, where it is the next one. Raises DataError where somebody else has written to the log."""
    if (0 if last is None else last.number) != row.number - 1:
        raise _another_log()
    return row.value


def _another_log() -> DataError:
    return DataError(
        "the audit log at the new place has rows that the old one lacks: it belongs to another site, or is in use "
        "already; choose an empty place, or copy the crops alone (--crops-only)"
    )
