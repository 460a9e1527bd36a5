"""What a service does by itself now and then: what is old goes, and erasures that were cut short are finished."""

from __future__ import annotations

import sys
import threading
import time

from reidr.errors import ConflictError, ReIDError
from reidr.service.api.admission.idempotency import forget_old
from reidr.service.records.records import RecordStore
from reidr.service.security.retention import apply_retention
from reidr.service.store.store import GalleryStore

KIND, KEY = "housekeeping", "daily"
DAY, HOUR = 86_400.0, 3_600.0
WHO = "the service"


class Housekeeping:
    """Looks every hour whether the day's work is to be done; of several processes of one gallery one does it."""

    def __init__(self, store: GalleryStore, records: RecordStore) -> None:
        self.store, self.records = store, records
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reidr-housekeeping", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is under way is finished first."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self.once()
            except ReIDError as error:
                sys.stderr.write(f"reidr: the daily removal of what is old has failed: {error}\n")
            if self._ended.wait(HOUR):
                return

    def once(self, now: float | None = None) -> bool:
        """Do the day's work unless it was done within a day; returns whether it was done now. Raises ReIDError."""
        now = time.time() if now is None else now
        last = self.records.get(KIND, KEY)
        if last is not None and now - last.value["time"] < DAY:
            return False
        try:
            self.records.put(KIND, KEY, {"time": now}, version=0 if last is None else last.version)
        except ConflictError:  # another process is quicker
            return False
        forget_old(self.records, now)
        apply_retention(self.store, self.records, WHO, now=now)
        return True
