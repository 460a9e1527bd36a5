"""Sending targets what they have not received: again after a failure, once after a success, whoever was killed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from reidr.core.notices import warn_once
from reidr.errors import ConflictError
from reidr.service.notifying.events import Event, events_for, message_of
from reidr.service.notifying.sending import NotTakenError, send
from reidr.service.notifying.targets import Target, targets
from reidr.service.records.records import RecordStore
from reidr.service.repeating import Repeating
from reidr.service.security.audit import Entry, write
from reidr.service.store.store import GalleryStore

KIND = "notification"
TRIES = 10
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0
CLAIM = 60.0  # seconds for which a process that sends a message keeps others from sending it


@dataclass(frozen=True)
class Delivered:
    """What one round did: messages that were taken, that will be sent again, and that were given up."""

    sent: int = 0
    waiting: int = 0
    given_up: int = 0


def deliver(store: GalleryStore, records: RecordStore, *, now: float | None = None) -> Delivered:
    """Send to every target what it has not received.

    A message is sent again after 5, 10, 20 … seconds, at most `TRIES` times. Several processes may do this at once: one
    of them sends. A process that is killed after the target took a message and before that is written down sends it
    twice, with the same id.
    """
    moment = time.time() if now is None else now
    sent = waiting = given_up = 0
    for target in targets(records):
        for event in events_for(records, target):
            outcome = deliver_to(store, records, target, event, moment)
            sent += outcome == "sent"
            waiting += outcome == "waiting"
            given_up += outcome == "given up"
    return Delivered(sent, waiting, given_up)


def deliver_to(store: GalleryStore, records: RecordStore, target: Target, event: Event, moment: float) -> str:
    """Send one message if it is due. Returns "sent", "waiting", "given up", or "" where there was nothing to do."""
    key = f"{target.name} {event.id}"
    known = records.get(KIND, key)
    state: dict[str, Any] = known.value if known else {"tries": 0, "due": 0.0, "over": False, "case": event.case}
    if state["over"]:
        return ""
    if state["due"] > moment:
        return "waiting"
    tries = state["tries"] + 1
    claimed = {**state, "tries": tries, "due": moment + CLAIM}
    try:
        version = records.put(KIND, key, claimed, version=known.version if known else 0)
    except ConflictError:  # another process sends it
        return "waiting"
    message = message_of(event, store, picture=target.pictures)
    if message is None:  # erased meanwhile
        records.put(KIND, key, {**claimed, "over": True}, version=version)
        return ""
    try:
        send(target, event.id, message)
    except NotTakenError as error:
        over = error.lasting or tries >= TRIES
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (tries - 1))
        records.put(KIND, key, {**claimed, "due": moment + pause, "over": over, "error": str(error)}, version=version)
        return "given up" if over else "waiting"
    records.put(KIND, key, {**claimed, "over": True}, version=version)
    asked = {"target": target.name, "place": target.place, "type": event.kind, "case": event.case, "track": event.track}
    write(records, Entry("reidr", "notify", f"target set by {target.set_by}", asked, {"with_picture": target.pictures}))
    return "sent"


def delivering(store: GalleryStore, records: RecordStore, *, every: float = 5.0) -> Repeating:
    """A thread that delivers every few seconds, for a service. What was not sent is sent later."""
    return Repeating(
        "notifications",
        lambda: deliver(store, records),
        every,
        lambda error: warn_once(f"notifications: {error}"),
    )
