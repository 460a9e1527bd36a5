"""What is told: matches that a human confirmed, and matches of a search in a case that a human opened."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from reidr.service.finding.cases import CASE, DECISION
from reidr.service.notifying.targets import Target
from reidr.service.records.records import Record, RecordStore
from reidr.service.security.erasure.kept_records import of_kind
from reidr.service.store.records import CropFilter, StoredTrack
from reidr.service.store.store import GalleryStore

Kind = Literal["match.confirmed", "match.found"]


@dataclass(frozen=True)
class Event:
    """Something to tell of a track. id: the same for the same event, whoever looks for it."""

    id: str
    kind: Kind
    time: float
    case: str
    track: str
    by: str | None = None
    p_same: float | None = None


def events_for(records: RecordStore, target: Target) -> Iterator[Event]:
    """All that has happened since the target was added, told or not.

    There is no other source: nothing is searched here, so nobody is told of a person for whom no human has searched.
    """
    for record in of_kind(records, DECISION):
        if record.value["decided"] == "same" and record.value["time"] > target.since:
            case, value = record.key.rpartition("/")[0], record.value
            name = event_id("match.confirmed", record.key)
            yield Event(name, "match.confirmed", value["time"], case, value["track"], value["by"], value.get("p_same"))
    if target.found_above is not None:
        for record in of_kind(records, CASE):
            yield from found_in(record, target)


def found_in(case: Record, target: Target) -> Iterator[Event]:
    """The matches of a case's last answer that are as probable as the target wants."""
    answer = case.value.get("answer")
    if not answer or answer["created"] <= target.since:
        return
    for appearance in answer["appearances"]:
        for track in appearance["tracks"]:
            probability = track["p_same"]
            if probability is not None and probability >= (target.found_above or 0) and track["decided"] == "undecided":
                # Not by the answer: to search once more for the same person is no news.
                name = event_id("match.found", f"{case.key}/{track['track']}")
                yield Event(name, "match.found", answer["created"], case.key, track["track"], p_same=probability)


def event_id(kind: Kind, what: str) -> str:
    """An id that names nobody."""
    return "msg_" + hashlib.sha256(f"{kind} {what}".encode()).hexdigest()[:32]


def message_of(event: Event, store: GalleryStore, *, picture: bool) -> dict[str, Any] | None:
    """What is sent; None where the track is not in the gallery any more. Times are seconds since 1970, UTC."""
    track: StoredTrack | None = next(iter(store.tracks(CropFilter(tracks=frozenset({event.track})))), None)
    if track is None:
        return None
    data: dict[str, Any] = {
        "case": event.case,
        "track": track.id,
        "camera": track.camera,
        "start": track.start,
        "end": track.end,
        "probability": event.p_same,
        "confirmed_by": event.by,
    }
    if picture:
        data["picture"] = base64.b64encode(store.get([track.best])[0].picture).decode()
    return {"type": event.kind, "timestamp": event.time, "data": data}
