"""The audit log: who asked what, when, why, and what came back. Rows are added, never changed, and chained by hashes.

Each row holds the hash of the row before it, and its own: SHA-256 over that hash and its own canonical JSON. So a row
that was changed, taken out, or put in breaks the chain (`verification`). Whoever may write to the database could still
write the whole chain anew, or cut its end off: against that, keep the head elsewhere that `reidr audit verify` prints.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from reidr.service.records.checking import canonical
from reidr.service.records.records import Json, LogRow, RecordStore
from reidr.service.security.pseudonyms import Pseudonyms

LOG = "audit"
FIRST = "0" * 64  # "the hash before the first row"


@dataclass(frozen=True)
class Entry:
    """What happened.

    Attributes:
        who: the holder of the key, or the account at this machine. action: search, enrol, decide, erase, export, …
        why: the purpose, as it was given. asked, answered: JSON; texts under fields such as `track`, `crops` or
            `picture`, and bytes anywhere, become pseudonyms (`pseudonyms`). gallery_version: number of the gallery's
            last change. verified_by: the person who looked at what came back and stands for it.
    """

    who: str
    action: str
    why: str = ""
    asked: dict[str, Any] = field(default_factory=dict)
    answered: dict[str, Any] = field(default_factory=dict)
    gallery_version: int | None = None
    verified_by: str | None = None


def write(records: RecordStore, entry: Entry) -> LogRow:
    """Add an entry to the audit log; when this returns it is on the disk.

    Raises DataError where what was asked or answered is no JSON.
    """
    pseudonyms = Pseudonyms(records)
    body = {
        "time": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds"),
        "who": entry.who,
        "action": entry.action,
        "why": entry.why,
        "gallery_version": entry.gallery_version,
        "asked": pseudonyms.hide(entry.asked),
        "answered": pseudonyms.hide(entry.answered),
        "verified_by": entry.verified_by,
    }

    def chained(last: LogRow | None) -> Json:
        number = last.number + 1 if last else 1
        row = {"number": number, **body, "previous": last.value["hash"] if last else FIRST}
        return {**row, "hash": hash_of(row)}

    return records.append(LOG, chained)


def hash_of(row: Json) -> str:
    """SHA-256 over the hash before a row and the row's canonical JSON, without its own hash."""
    content = {name: part for name, part in row.items() if name != "hash"}
    return hashlib.sha256((str(row["previous"]) + canonical(content)).encode("ascii", "backslashreplace")).hexdigest()


def last_number(records: RecordStore) -> int:
    """The number of the newest row of the audit log, 0 for an empty one: found by halves, since logs read forwards."""

    def is_behind(number: int) -> bool:
        return not records.rows(LOG, after=number, limit=1)

    high = 1
    while not is_behind(high):
        high *= 2
    low = 0
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_behind(middle) else (middle + 1, high)
    return low


def all_rows(records: RecordStore, *, after: int = 0) -> Iterator[LogRow]:
    """Every row of the audit log behind number `after`, oldest first, read page by page."""
    while page := records.rows(LOG, after=after):
        yield from page
        after = page[-1].number
