"""What the stores in SQLite and PostgreSQL do alike."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from reidr.core.checks import whole_number
from reidr.service.store.changes import ChangingStore
from reidr.service.store.records import EVERYTHING, CropFilter, Operation, StoredCrop, StoredTrack, StoreFacts
from reidr.service.store.rules import check_filter
from reidr.service.store.sql import SqlRows

SCHEMA = 1
"""Version of the tables, in both."""


class SqlStore(ChangingStore):
    """`GalleryStore` but for the search. kind, address: what `facts` says of them."""

    kind: str
    address: str

    @abstractmethod
    def _reading(self) -> AbstractContextManager[SqlRows]:
        """One transaction that reads, from which the gallery looks the same until it ends."""

    @abstractmethod
    def _changing(self) -> AbstractContextManager[SqlRows]:
        """One transaction that writes, while nobody else does."""

    def facts(self) -> StoreFacts:
        """See `GalleryStore.facts`."""
        with self._reading() as rows:
            model = rows.model()
            crops, tracks, start, end = rows.run(
                "SELECT count(*), count(DISTINCT track), min(begins), max(ends) FROM crops"
            )[0]
            cameras = tuple(camera for (camera,) in rows.run("SELECT DISTINCT camera FROM crops ORDER BY camera"))
            version = rows.number()
        return StoreFacts(self.kind, self.address, *model, crops, tracks, cameras, version, SCHEMA, start, end)

    def set_model(self, fingerprint: str, name: str, dimensions: int, attribute_model: str | None = None) -> None:
        """See `GalleryStore.set_model`."""
        with self._changing() as rows:
            rows.name_model(fingerprint, name, dimensions, attribute_model)

    def get(self, ids: Sequence[str]) -> list[StoredCrop]:
        """See `GalleryStore.get`."""
        with self._reading() as rows:
            return rows.get(ids)

    def crops(
        self, which: CropFilter = EVERYTHING, *, after: str | None = None, limit: int = 1000, pictures: bool = True
    ) -> list[StoredCrop]:
        """See `GalleryStore.crops`."""
        check_filter(which)
        with self._reading() as rows:
            return rows.page(which, after, whole_number(limit, "limit", least=0), pictures)

    def tracks(
        self, which: CropFilter = EVERYTHING, *, after: str | None = None, limit: int = 1000
    ) -> list[StoredTrack]:
        """See `GalleryStore.tracks`."""
        check_filter(which)
        with self._reading() as rows:
            return rows.tracks(which, after, whole_number(limit, "limit", least=0))

    def count(self, which: CropFilter = EVERYTHING) -> int:
        """See `GalleryStore.count`."""
        check_filter(which)
        with self._reading() as rows:
            return rows.count(which)

    def history(self, *, after: int = 0, limit: int = 1000) -> list[Operation]:
        """See `GalleryStore.history`."""
        with self._reading() as rows:
            return rows.history(after, whole_number(limit, "limit", least=0))
