"""`RankedList`: for every query the first k gallery crops, nearest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.core.checks import as_array, mask_rows, one_list, plain_array, whole_number
from reidr.errors import ReIDError
from reidr.retrieval.duplicate_rows import find_copies
from reidr.retrieval.unit_rows import paired_rows


@dataclass(frozen=True, eq=False)
class RankedList:
    """The first k gallery crops of each query, sorted by distance; never a full matrix.

    Re-rankers take a `RankedList` and give a `RankedList`. Ties keep the gallery's order here; metrics treat tied
    entries by their own stated policy (pessimistic by default), so a yes/no verifier gains nothing from its ties.

    Attributes:
        query_ids: Q crop ids.
        gallery_ids: ids of the whole gallery searched, G of them.
        indices: (Q, k) int64 into `gallery_ids`; -1 pads rows that have fewer than k candidates, at their end.
        distances: (Q, k) float64, ascending along each row; +inf where padded.
        local: (Q, k) CSLS distances of the same entries (`csls`), which need not ascend; None where
            nobody asked for them. Fusion takes them in place of `distances`.
        made_by: what ranked it, step by step, e.g. `("retriever lite", "k-reciprocal k1=20 k2=6 lambda=0.3")`.

    Raises ReIDError for anything that is no such list, naming the query.
    """

    query_ids: tuple[str, ...]
    gallery_ids: tuple[str, ...]
    indices: NDArray[np.int64]
    distances: NDArray[np.float64]
    made_by: tuple[str, ...] = ()
    local: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        for name in ("query_ids", "gallery_ids"):
            object.__setattr__(self, name, tuple(one_list(getattr(self, name), f"ranked list: {name}")))
        indices = plain_array(self.indices, "ranked list: indices")
        if indices.dtype.kind not in "iu":
            indices = as_array(indices, "ranked list: indices")
            if not (np.isfinite(indices) & (indices == np.trunc(indices))).all():
                raise ReIDError("ranked list: indices must be whole numbers")
        object.__setattr__(self, "indices", np.asarray(indices, dtype=np.int64))
        distances = as_array(self.distances, "ranked list: distances")
        object.__setattr__(self, "distances", np.asarray(distances, dtype=np.float64))
        if self.local is not None:
            local = np.asarray(as_array(self.local, "ranked list: local"), dtype=np.float64)
            object.__setattr__(self, "local", local)
        if self.indices.shape != self.distances.shape or self.indices.ndim != 2:
            raise ReIDError(
                f"ranked list: indices {self.indices.shape} and distances {self.distances.shape} must be equal (Q, k)"
            )
        if len(self.query_ids) != len(self.indices):
            raise ReIDError(f"ranked list: {len(self.query_ids)} query ids for {len(self.indices)} rows")
        if self.local is not None and self.local.shape != self.indices.shape:
            raise ReIDError(f"ranked list: local distances {self.local.shape} for entries {self.indices.shape}")
        if self.local is not None and np.isnan(self.local).any():
            row, column = np.argwhere(np.isnan(self.local))[0]
            raise ReIDError(f"ranked list: local distance of query {self.query_ids[row]} at rank {column + 1} is NaN")
        if np.isnan(self.distances).any():
            row, column = np.argwhere(np.isnan(self.distances))[0]
            raise ReIDError(f"ranked list: distance of query {self.query_ids[row]} at rank {column + 1} is NaN")
        padded = self.indices < 0
        if (padded[:, :-1] & ~padded[:, 1:]).any():
            raise ReIDError("ranked list: padding (-1) must come at the end of a row")
        outside = (self.indices >= len(self.gallery_ids)) | (self.indices < -1)
        if outside.any() or not np.isposinf(self.distances[padded]).all():
            raise ReIDError("ranked list: an index lies outside the gallery, or a padded entry has a finite distance")
        if self.indices.shape[1] > 1:
            left, right = self.distances[:, :-1], self.distances[:, 1:]
            falling = left > right
            if falling.any():
                row = int(np.argwhere(falling)[0, 0])
                raise ReIDError(f"ranked list: distances of query {self.query_ids[row]} are not ascending")
            ordered = np.sort(self.indices, axis=1)
            if ((ordered[:, :-1] == ordered[:, 1:]) & (ordered[:, 1:] >= 0)).any():
                raise ReIDError("ranked list: a query lists the same gallery crop twice")

    def __len__(self) -> int:
        return len(self.query_ids)

    @property
    def k(self) -> int:
        """Number of candidates per query."""
        return int(self.indices.shape[1])

    def top(self, k: int) -> RankedList:
        """The same list cut to its first `k` columns. Raises ReIDError for a negative k."""
        k = whole_number(k, "k", least=0)
        local = None if self.local is None else self.local[:, :k]
        return replace(self, indices=self.indices[:, :k], distances=self.distances[:, :k], local=local)

    def of_queries(self, rows: NDArray[np.int64]) -> RankedList:
        """The lists of the queries at `rows` alone, in that order. Raises ReIDError for a row that is not there."""
        rows = plain_array(rows, "rows")
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise ReIDError(f"rows must be a list of whole numbers, not {rows.dtype} {rows.shape}")
        rows = rows.astype(np.int64)
        if rows.size and not (rows.min() >= 0 and rows.max() < len(self)):
            raise ReIDError(f"rows: {rows.min()} to {rows.max()} reach beyond the {len(self)} queries")
        return replace(
            self,
            query_ids=tuple(self.query_ids[row] for row in rows.tolist()),
            indices=self.indices[rows],
            distances=self.distances[rows],
            local=None if self.local is None else self.local[rows],
        )

    def reordered(self, distances: NDArray[np.float64], step: str) -> RankedList:
        """Sort the first columns anew by `distances` (Q, m ≤ k), the rest following unchanged.

        The new distances of a row are shifted by one constant so that its worst re-ranked entry is not farther than
        the entry it had at rank m: the row stays ascending, ties stay ties, and nothing beyond rank m moves.
        Raises ReIDError for another shape, and a listed entry whose new distance is NaN or infinite.
        """
        distances = np.asarray(as_array(distances, "distances"), dtype=np.float64)
        if distances.ndim != 2:
            raise ReIDError(
                f"re-ranking gives {distances.shape} distances, not one row for each of {len(self)} queries"
            )
        m = distances.shape[1]
        if m > self.k or len(distances) != len(self):
            raise ReIDError(
                f"re-ranking gives {distances.shape} distances for a ranked list of ({len(self)}, {self.k})"
            )
        known = self.indices[:, :m] >= 0
        if not np.isfinite(distances[known]).all():
            row, column = np.argwhere(known & ~np.isfinite(distances))[0]
            raise ReIDError(
                f"re-ranking: new distance of query {self.query_ids[row]} at rank {column + 1} is infinite or NaN"
            )
        last = np.where(known, self.distances[:, :m], -np.inf).max(axis=1, initial=-np.inf)
        worst = np.where(known, distances, -np.inf).max(axis=1, initial=-np.inf)
        # A row that is all padding has neither and is left alone.
        shift = np.subtract(last, worst, where=known.any(axis=1), out=np.zeros(len(self)))
        fresh = np.where(known, distances + shift[:, None], np.inf)
        order = np.argsort(fresh, axis=1, kind="stable")

        def moved(values: NDArray[Any]) -> NDArray[Any]:
            return np.concatenate([np.take_along_axis(values[:, :m], order, axis=1), values[:, m:]], axis=1)

        head = np.take_along_axis(fresh, order, axis=1)
        # Rounding in the shift may leave the last re-ranked entry a hair beyond the next one.
        head = np.where(np.isfinite(head), np.minimum(head, last[:, None]), np.inf)
        return replace(
            self,
            indices=moved(self.indices),
            distances=np.concatenate([head, self.distances[:, m:]], axis=1),
            local=None if self.local is None else moved(self.local),
            made_by=(*self.made_by, step),
        )

    def sorted_by(self, distances: NDArray[np.float64], step: str) -> RankedList:
        """The first m columns alone, sorted by `distances` (Q, m ≤ k) as they are; ties keep their order.

        Unlike `reordered` nothing is shifted and nothing follows, so the distances may be compared across queries.
        """
        order = np.argsort(distances, axis=1, kind="stable")
        indices = np.take_along_axis(self.indices[:, : distances.shape[1]], order, axis=1)
        values = np.take_along_axis(distances, order, axis=1)
        return RankedList(self.query_ids, self.gallery_ids, indices, values, (*self.made_by, step))


def rank_features(
    query: NDArray[np.float32],
    gallery: NDArray[np.float32],
    query_ids: tuple[str, ...],
    gallery_ids: tuple[str, ...],
    k: int,
    *,
    excluded: Callable[[slice], NDArray[np.bool_]] | NDArray[np.bool_] | None = None,
    made_by: tuple[str, ...] = (),
    block: int = 512,
) -> RankedList:
    """The k nearest gallery crops of each query by Euclidean distance of L2-normalised features, blockwise.

    Args:
        query: (Q, D) unit vectors. gallery: (G, D) unit vectors.
        k: list length, cut to G.
        excluded: (Q, G) True where a gallery crop may not appear for a query (a protocol's rule), or a function of a
            slice of queries giving those rows; None excludes nothing.
        block: queries per block; memory is about `block × G × 16` bytes.

    Distances are `sqrt(2 - 2·cos)`, in [0, 2]. Ties keep the gallery's order; equal gallery rows tie exactly.

    Raises ReIDError for features that are not finite unit rows of one width, one for each id; a k or block below 1; and
    `excluded` of another shape.
    """
    k, block = whole_number(k, "k", least=1), whole_number(block, "block", least=1)
    query_ids, gallery_ids = tuple(one_list(query_ids, "query_ids")), tuple(one_list(gallery_ids, "gallery_ids"))
    query, gallery = paired_rows(query, gallery, query_ids, gallery_ids)
    if excluded is not None:
        excluded = mask_rows(excluded, "excluded", len(query), len(gallery))
    k = min(k, len(gallery))
    copies = find_copies(gallery)
    indices = np.full((len(query), k), -1, dtype=np.int64)
    distances = np.full((len(query), k), np.inf)
    for start in range(0, len(query), block):
        rows = slice(start, start + block)
        cosines = query[rows] @ gallery.T
        copies.level(cosines)
        squared = 2.0 - 2.0 * cosines.astype(np.float64)
        found = np.sqrt(np.maximum(squared, 0.0))
        if excluded is not None:
            found[excluded(rows)] = np.inf
        order = np.argsort(found, axis=1, kind="stable")[:, :k]
        nearest = np.take_along_axis(found, order, axis=1)
        indices[rows] = np.where(np.isinf(nearest), -1, order)
        distances[rows] = nearest
    return RankedList(query_ids, gallery_ids, indices, distances, made_by)
