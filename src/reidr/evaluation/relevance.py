"""Who matches whom: labels as integers, and for a block of queries the gallery entries that show the same person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.errors import ReIDError

Labels = Sequence[str | int | None] | NDArray[np.integer] | NDArray[np.str_] | NDArray[np.object_]
Clothes = Literal["changed", "same"]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SamePerson:
    """Pairs of query and gallery entry that show the same person, flat and grouped by query.

    Attributes:
        query: (n,) ascending positions in the block. gallery: (n,) positions among the kept gallery entries.
        match: (n,) True where the entry counts as a match, False where the protocol ignores it for that query.
    """

    query: Integers
    gallery: Integers
    match: NDArray[np.bool_]


class Relevance:
    """The rule between queries and gallery, from labels: matches, ignored entries, dropped entries.

    Attributes:
        kept: (K,) gallery positions that are not junk, ascending.
    """

    def __init__(
        self,
        query_ids: Labels,
        gallery_ids: Labels,
        query_cameras: Labels,
        gallery_cameras: Labels,
        junk: ArrayLike | None = None,
        query_outfits: Labels | None = None,
        gallery_outfits: Labels | None = None,
        clothes: Clothes | None = None,
    ) -> None:
        """Arguments as for `evaluate_ranking`. Raises ReIDError for lengths or options that do not fit."""
        self.queries, self.gallery = len(query_ids), len(gallery_ids)
        check_length(query_cameras, self.queries, "query_cameras")
        check_length(gallery_cameras, self.gallery, "gallery_cameras")
        self.kept = kept_positions(junk, self.gallery)
        self._person = self._codes(query_ids, gallery_ids)
        self._camera = self._codes(query_cameras, gallery_cameras)
        self._clothes = clothes
        if clothes not in (None, "changed", "same"):
            raise ReIDError(f"clothes must be None, 'changed' or 'same', not {clothes!r}")
        if clothes is not None:
            if query_outfits is None or gallery_outfits is None:
                raise ReIDError(f"clothes={clothes!r} needs query_outfits and gallery_outfits")
            check_length(query_outfits, self.queries, "query_outfits")
            check_length(gallery_outfits, self.gallery, "gallery_outfits")
            self._outfit = self._codes(query_outfits, gallery_outfits)
        self._by_person = np.argsort(self._person[1], kind="stable")
        self._sorted_persons = self._person[1][self._by_person]

    def of(self, rows: slice) -> SamePerson:
        """The pairs of a slice of queries; `query` counts from the slice's start."""
        wanted = self._person[0][rows]
        first = np.searchsorted(self._sorted_persons, wanted, side="left")
        number = np.searchsorted(self._sorted_persons, wanted, side="right") - first
        query = np.repeat(np.arange(len(wanted)), number)
        within = np.arange(len(query)) - np.repeat(np.cumsum(number) - number, number)
        gallery = self._by_person[np.repeat(first, number) + within]
        ignored = self._equal(self._camera, rows, query, gallery)
        if self._clothes is not None:
            same = self._equal(self._outfit, rows, query, gallery)
            ignored |= same if self._clothes == "changed" else ~same
        return SamePerson(query, gallery, ~ignored)

    def _codes(self, query: Labels, gallery: Labels) -> tuple[Integers, Integers]:
        query_codes, gallery_codes = shared_codes(query, gallery)
        return query_codes, gallery_codes[self.kept]

    @staticmethod
    def _equal(codes: tuple[Integers, Integers], rows: slice, query: Integers, gallery: Integers) -> NDArray[np.bool_]:
        equal: NDArray[np.bool_] = codes[0][rows][query] == codes[1][gallery]
        return equal


def shared_codes(query: Labels, gallery: Labels) -> tuple[Integers, Integers]:
    """Labels as integers shared by both lists; None becomes -1 in the query and -2 in the gallery, so it never equals."""
    query_array, gallery_array = np.asarray(query), np.asarray(gallery)
    if query_array.dtype.kind in "iu" and gallery_array.dtype.kind in "iu":
        _, codes = np.unique(np.concatenate([query_array, gallery_array]), return_inverse=True)
        return codes[: len(query_array)].astype(np.int64), codes[len(query_array) :].astype(np.int64)
    query_list, gallery_list = _plain(query), _plain(gallery)
    known: dict[str | int, int] = {}
    for label in (*query_list, *gallery_list):
        if label is not None:
            known.setdefault(label, len(known))
    return (
        np.array([-1 if label is None else known[label] for label in query_list], dtype=np.int64),
        np.array([-2 if label is None else known[label] for label in gallery_list], dtype=np.int64),
    )


def _plain(labels: Labels) -> list[str | int | None]:
    """Labels as plain Python values, so that a NumPy 3 and a 3 are one. Raises ReIDError for anything but str, int, None."""
    values: list[str | int | None] = [v.item() if isinstance(v, np.generic) else v for v in labels]
    for position, value in enumerate(values):
        if value is not None and not isinstance(value, (str, int)):
            raise ReIDError(f"label {position} is {value!r}; labels are text, integers, or None where unknown")
    return values


def kept_positions(junk: ArrayLike | None, gallery: int) -> Integers:
    """Gallery positions that are not junk. Raises ReIDError unless `junk` is (G,) bool or None."""
    if junk is None:
        return np.arange(gallery)
    mask = np.asarray(junk)
    if mask.shape != (gallery,) or mask.dtype != np.bool_:
        raise ReIDError(f"junk must be ({gallery},) bool, one per gallery entry, not {mask.shape} {mask.dtype}")
    return np.flatnonzero(~mask)


def check_length(values: Labels, wanted: int, name: str) -> None:
    """Raise ReIDError unless `values` has `wanted` entries."""
    if len(values) != wanted:
        raise ReIDError(f"{name} has {len(values)} entries but the ids beside it have {wanted}")
