"""The seam: what every gallery store can do. The same operations give the same answers in each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reidr.service.store.records import (
    EVERYTHING,
    CropFilter,
    Hit,
    IndexFacts,
    Operation,
    StoredCrop,
    StoredTrack,
    StoreFacts,
)


class GalleryStore(Protocol):
    """Crops with vectors of one model. A change that has returned is durable; several threads may use one store.

    `operation` is a key of the caller's: a change whose key is known does nothing and returns what it returned before;
    the same key for another kind of change is refused. All raise DataError with one sentence.
    """

    def facts(self) -> StoreFacts:
        """What it holds, counted now."""

    def set_model(self, fingerprint: str, name: str, dimensions: int, attribute_model: str | None = None) -> None:
        """Say whose vectors come: the first time it is kept, afterwards another one is refused."""

    def add(self, crops: Sequence[StoredCrop], *, replace: bool = False, operation: str | None = None) -> int:
        """Add crops, all or none; returns how many are new or changed.

        A crop that is there already with the same content is passed over; with other content it is refused unless
        `replace`. A track holds crops of one camera. Vectors must have the model's length, be finite and of length 1.
        """

    def delete(self, which: CropFilter, *, operation: str | None = None) -> int:
        """Remove crops for good: no bytes of their pictures or vectors stay in the store's files. Returns how many."""

    def merge(self, tracks: Sequence[str], into: str, *, operation: str | None = None) -> int:
        """Make tracks of one camera one: `into`, from the earliest start to the latest end. Returns crops changed."""

    def split(self, crops: Sequence[str], track: str, *, operation: str | None = None) -> int:
        """Move crops of one track to the new track `track`; both then last from their first to their last crop."""

    def assign(self, which: CropFilter, person: str | None, *, operation: str | None = None) -> int:
        """Write down whom crops show, or (None) that nobody says so any more. Returns how many changed."""

    def get(self, ids: Sequence[str]) -> list[StoredCrop]:
        """Crops by id, in that order; refused where one is not there."""

    def crops(
        self, which: CropFilter = EVERYTHING, *, after: str | None = None, limit: int = 1000, pictures: bool = True
    ) -> list[StoredCrop]:
        """Crops in the order of their ids, those behind `after` only: for going through all of them page by page.

        Without `pictures` theirs are empty, which is much quicker.
        """

    def tracks(
        self, which: CropFilter = EVERYTHING, *, after: str | None = None, limit: int = 1000
    ) -> list[StoredTrack]:
        """Tracks of which a crop passes the filter, in the order of their ids; told by all their crops."""

    def count(self, which: CropFilter = EVERYTHING) -> int:
        """How many crops pass the filter."""

    def search(
        self, vectors: NDArray[np.float32], k: int, which: CropFilter = EVERYTHING, *, exact: bool | None = None
    ) -> list[list[Hit]]:
        """The k nearest crops of each of (Q, D) unit rows among those that pass the filter, nearest first.

        Equal distances are ordered by id. `exact`: None answers by the approximate index where there is one (see
        `build_index`), True never.
        """

    def build_index(self) -> IndexFacts | None:
        """Make the approximate index anew, and measure its recall; None where the database keeps one by itself.

        It pays from some hundred thousand crops. What is added later is found, what is erased leaves it too.
        """

    def history(self, *, after: int = 0, limit: int = 1000) -> list[Operation]:
        """The changes behind number `after`, oldest first."""

    def close(self) -> None:
        """Let go of files and connections."""
