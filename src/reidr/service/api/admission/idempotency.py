"""A changing request that is sent twice with one key is done once (the header Idempotency-Key).

What was answered is kept for a day among the records, so that any process of the service knows it, and a restart too.
The stores get the key as their own operation key: where a process dies between a change and its record, the repeated
request finds the change done.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any, Literal

from reidr.errors import ConflictError
from reidr.service.http.errors import RequestError
from reidr.service.records.records import Record, RecordStore

KIND = "request"
KEPT_SECONDS = 86_400.0
STALE_SECONDS = 180.0
"""A request that was begun so long ago and not finished is taken to have died with its process."""


@dataclass(frozen=True)
class Claim:
    """A request that is being done under a key. operation: what the stores know it by."""

    operation: str
    digest: str
    version: int


@dataclass(frozen=True)
class Replay:
    """What was answered before."""

    status: int
    answer: dict[str, Any]


def digest_of(*parts: str) -> str:
    """SHA-256 of texts, each with its length before it."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()


def claim(records: RecordStore, caller: str, key: str, digest: str, now: float | None = None) -> Claim | Replay:
    """Take a key for a request, or what the same request was answered before.

    Args:
        digest: of everything that is asked: method, path, body.

    Raises RequestError: 422 where the key belongs to another request, 409 where that request is under way.
    """
    now = time.time() if now is None else now
    operation = digest_of(caller, key)
    known = records.get(KIND, operation)
    if known is not None and now - known.value["time"] < KEPT_SECONDS:
        answered = answer_before(known, digest, now)
        if answered is not None:
            return answered
    begun = {"digest": digest, "time": now, "state": "begun"}
    try:
        version = records.put(KIND, operation, begun, version=0 if known is None else known.version)
    except ConflictError:
        raise under_way() from None
    return Claim(operation, digest, version)


def answer_before(known: Record, digest: str, now: float) -> Replay | None:
    """What a known key was answered; None where the process that had begun it is gone. Raises as `claim`."""
    value = known.value
    if value["digest"] != digest:
        raise RequestError("this Idempotency-Key belongs to another request; make a new key for a new request", 422)
    state: Literal["begun", "done"] = value["state"]
    if state == "done":
        return Replay(value["status"], value["answer"])
    if now - value["time"] < STALE_SECONDS:
        raise under_way()
    return None


def under_way() -> RequestError:
    """The same request is being done."""
    return RequestError("a request with this Idempotency-Key is under way; wait for its answer", 409)


def finish(records: RecordStore, claimed: Claim, status: int, answer: dict[str, Any]) -> None:
    """Keep what a request was answered."""
    value = {"digest": claimed.digest, "time": time.time(), "state": "done", "status": status, "answer": answer}
    records.put(KIND, claimed.operation, value)


def abandon(records: RecordStore, claimed: Claim) -> None:
    """Give a key back whose request was refused: nothing was changed."""
    records.remove(KIND, claimed.operation)


def forget_old(records: RecordStore, now: float | None = None) -> int:
    """Remove what is kept longer than a day; returns how many."""
    now = time.time() if now is None else now
    removed, after = 0, None
    while page := records.of_kind(KIND, after=after, limit=500):
        for record in page:
            if now - record.value["time"] > KEPT_SECONDS:
                removed += records.remove(KIND, record.key)
        after = page[-1].key
    return removed
