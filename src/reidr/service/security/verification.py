"""Whether the audit log is as it was written: the first row that does not fit is named."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reidr.errors import DataError
from reidr.service.records.records import Json, LogRow, RecordStore
from reidr.service.security.audit import FIRST, all_rows, hash_of

HEAD = re.compile(r"(\d+):([0-9a-f]{64})")


@dataclass(frozen=True)
class Checked:
    """What a check of the chain found.

    Attributes:
        rows: how many rows are as they were written, from the first on. head: "number:hash" of the last of them;
            "0:000…" for an empty log. broken: number of the first row that does not fit, None where all do; why: what
            is wrong with it.
    """

    rows: int
    head: str
    broken: int | None = None
    why: str = ""


def verify(records: RecordStore, *, kept_head: str | None = None) -> Checked:
    """Go through the audit log from its first row.

    Args:
        kept_head: "number:hash" as it was printed once and kept elsewhere; the row of that number must have that hash.

    Raises:
        DataError: `kept_head` is none.
    """
    kept = read_head(kept_head) if kept_head is not None else None
    number, last = 0, FIRST
    if kept == (0, FIRST):
        kept = None
    for row in all_rows(records):
        reason = fault_of(row, number + 1, last)
        if not reason and kept is not None and kept[0] == row.number and kept[1] != row.value["hash"]:
            reason = "its hash is not the one that was kept elsewhere: the log was written anew up to here"
        if reason:
            return Checked(number, head_of(number, last), row.number if row.number > number else number + 1, reason)
        number, last = row.number, row.value["hash"]
    if kept is not None and kept[0] > number:
        reason = f"the log ends with row {number}, but its head was row {kept[0]} once: its end was cut off"
        return Checked(number, head_of(number, last), number + 1, reason)
    return Checked(number, head_of(number, last))


def fault_of(row: LogRow, number: int, previous: str) -> str:
    """What is wrong with a row that should be number `number` behind the hash `previous`; "" where nothing is."""
    if row.number != number:
        return f"row {number} is missing; row {row.number} comes in its place"
    value: Json = row.value
    if value.get("number") != number:
        return f"it says of itself that it is row {value.get('number')}"
    if value.get("previous") != previous:
        return "it does not follow the row before it (another hash)"
    if value.get("hash") != hash_of(value):
        return "its content is not what its hash was taken of"
    return ""


def head_of(number: int, digest: str) -> str:
    """The head of the chain as it is printed."""
    return f"{number}:{digest}"


def read_head(text: str) -> tuple[int, str]:
    """Number and hash of a head. Raises DataError where it is none."""
    found = HEAD.fullmatch(text.strip())
    if found is None:
        raise DataError(f"{text[:100]!r}: not the head of an audit log; it looks like 12:0f3a… (number, 64 digits)")
    return int(found[1]), found[2]
