"""How long footage is kept: days by camera, after which its crops are erased with all that hangs on them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reidr.core.text import shown
from reidr.errors import DataError
from reidr.service.records.records import RecordStore
from reidr.service.security.audit import Entry, write
from reidr.service.security.erasure.erasing import erase, finish_erasures
from reidr.service.security.erasure.receipts import Erasure, Receipt
from reidr.service.store.records import CropFilter
from reidr.service.store.store import GalleryStore

KIND = "retention"
OTHERS = "*"
"""Stands for every camera that has no rule of its own."""
DAY = 24 * 3600.0
LONG_AGO = -1e15  # seconds: before every recording
AT_ONCE = 500  # tracks of one erasure


@dataclass(frozen=True)
class Rule:
    """Crops of a camera (`OTHERS`: of every other camera) are erased so many days after their track has ended."""

    camera: str
    days: float
    set_by: str
    set_at: float


@dataclass(frozen=True)
class Applied:
    """What a run of the retention did. timeless: crops by camera that no rule can reach, since nobody knows when they
    were taken."""

    receipts: tuple[Receipt, ...]
    timeless: dict[str, int]


def set_retention(records: RecordStore, camera: str, days: float | None, who: str) -> None:
    """Keep the crops of a camera for so many days; None: for ever. The change goes to the audit log.

    Raises DataError for a number of days that is not above 0.
    """
    if days is not None and not 0 < days < float("inf"):
        raise DataError(f"{days:g} days: crops cannot be kept for that long; give a number above 0")
    if days is None:
        records.remove(KIND, camera)
    else:
        records.put(KIND, camera, {"days": days, "set_by": who, "set_at": time.time()})
    write(records, Entry(who, "retention", asked={"camera": camera, "days": days}))


def rules(records: RecordStore) -> list[Rule]:
    """The rules, by camera."""
    return [
        Rule(record.key, record.value["days"], record.value["set_by"], record.value["set_at"])
        for record in records.of_kind(KIND)
    ]


def apply_retention(
    store: GalleryStore, records: RecordStore, who: str, *, now: float | None = None, runs: Sequence[Path] = ()
) -> Applied:
    """Erase the crops of every track that ended longer ago than its camera's rule allows; run it once a day.

    Cases stay, but lose what they say of these crops. Erasures that were cut short are finished first.

    Raises ReIDError where something cannot be removed.
    """
    moment = time.time() if now is None else now
    done = finish_erasures(store, records, runs=runs)
    known = {rule.camera: rule for rule in rules(records)}
    timeless = {}
    for camera in store.facts().cameras:
        rule = known.get(camera, known.get(OTHERS))
        if rule is None:
            continue
        limit = moment - rule.days * DAY
        why = f"kept for {rule.days:g} days, as {shown(rule.set_by)} has set for camera {shown(camera)}"
        while tracks := ended_before(store, camera, limit):
            which = CropFilter(tracks=frozenset(tracks))
            done.append(erase(store, records, Erasure(which, who, why, about_person=False), runs=runs))
        number = without_time(store, camera)
        if number:
            timeless[camera] = number
    return Applied(tuple(done), timeless)


def ended_before(store: GalleryStore, camera: str, limit: float) -> list[str]:
    """Tracks of a camera that ended before a time, at most `AT_ONCE`."""
    which, after, found = CropFilter(cameras=frozenset({camera}), until=limit), None, []
    while page := store.tracks(which, after=after):
        found += [track.id for track in page if track.end is not None and track.end < limit]
        if len(found) >= AT_ONCE:
            break
        after = page[-1].id
    return found[:AT_ONCE]


def without_time(store: GalleryStore, camera: str) -> int:
    """How many crops of a camera have no time."""
    of_camera = CropFilter(cameras=frozenset({camera}))
    dated = CropFilter(cameras=frozenset({camera}), since=LONG_AGO)
    return store.count(of_camera) - store.count(dated)
