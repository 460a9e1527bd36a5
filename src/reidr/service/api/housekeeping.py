"""What a service does by itself now and then: what is old goes, and erasures that were cut short are finished."""

from __future__ import annotations

import sys
import time

from reidr.errors import ConflictError, ReIDError
from reidr.service.api.admission.idempotency import forget_old
from reidr.service.records.records import RecordStore
from reidr.service.repeating import Repeating
from reidr.service.security.retention import apply_retention
from reidr.service.store.store import GalleryStore

KIND, KEY = "housekeeping", "daily"
DAY, HOUR = 86_400.0, 3_600.0
WHO = "the service"


def housekeeping(store: GalleryStore, records: RecordStore) -> Repeating:
    """A thread that looks every hour whether the day's work is to be done."""

    def failed(error: ReIDError) -> None:
        sys.stderr.write(f"reidr: the daily removal of what is old has failed: {error}\n")

    return Repeating("reidr-housekeeping", lambda: keep_house(store, records), HOUR, failed)


def keep_house(store: GalleryStore, records: RecordStore, now: float | None = None) -> bool:
    """Do the day's work unless it was done within a day; returns whether it was done now. Raises ReIDError.

    Of several processes of one gallery one does it.
    """
    now = time.time() if now is None else now
    last = records.get(KIND, KEY)
    if last is not None and now - last.value["time"] < DAY:
        return False
    try:
        records.put(KIND, KEY, {"time": now}, version=0 if last is None else last.version)
    except ConflictError:  # another process is quicker
        return False
    forget_old(records, now)
    apply_retention(store, records, WHO, now=now)
    return True
