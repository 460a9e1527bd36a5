"""Putting a re-ranked list in the place of the retriever's order, inside a block of keys."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.errors import ReIDError
from reidr.evaluation.relevance import Relevance, SamePerson
from reidr.retrieval.ranking import RankedList

SAME_DISTANCE = 1e-6  # float32 products of the same two vectors may differ by this much between block shapes


class ListReplacement:
    """A re-ranked list over the kept gallery entries."""

    def __init__(self, ranked: RankedList, relevance: Relevance) -> None:
        if len(ranked) != relevance.queries or len(ranked.gallery_ids) != relevance.gallery:
            raise ReIDError(
                f"the re-ranked list is of {len(ranked)} queries and {len(ranked.gallery_ids)} gallery entries,"
                f" not of {relevance.queries} and {relevance.gallery}"
            )
        self._ranked = ranked
        self._column = np.full(relevance.gallery, -1, dtype=np.int64)
        self._column[relevance.kept] = np.arange(len(relevance.kept))

    def apply(
        self,
        keys: NDArray[np.floating[Any]],
        rows: slice,
        same: SamePerson,
        keep: NDArray[np.bool_] | None,
    ) -> None:
        """Rewrite `keys` (B, K), negative cosines, in place: listed entries get whole numbers below -1 in list order.

        Ignored entries become +inf. Entries outside the list keep their key, at least -1.
        """
        np.maximum(keys, -1.0, out=keys)
        keys[same.query[~same.match], same.gallery[~same.match]] = np.inf
        if keep is not None:
            keys[~keep] = np.inf
        for row, indices, distances in zip(
            keys, self._ranked.indices[rows], self._ranked.distances[rows], strict=True
        ):
            columns = np.where(indices >= 0, self._column[indices], -1)
            counted = columns >= 0
            counted[counted] = np.isfinite(row[columns[counted]])
            if not counted.any():
                continue
            columns, listed = columns[counted], distances[counted]
            farthest = row[columns].max()
            row[columns] = np.inf
            nearest_other = row.min()
            if nearest_other == farthest and abs(listed[-1] - _distance(farthest)) <= SAME_DISTANCE:
                row[row == farthest] = -2.0
            level = np.cumsum(np.concatenate([[True], listed[1:] != listed[:-1]]))
            row[columns] = level - level[-1] - 2


def _distance(key: float) -> float:
    """Euclidean distance of unit vectors from their negative cosine."""
    return float(np.sqrt(max(2.0 + 2.0 * float(key), 0.0)))


def unit_rows(features: NDArray[np.floating[Any]], number: int, name: str) -> NDArray[np.floating[Any]]:
    """Features as (number, D) floats. Raises ReIDError naming the first row that is not finite or not of length 1."""
    array = np.asarray(features)
    if array.ndim != 2 or len(array) != number or array.dtype.kind != "f":
        raise ReIDError(f"{name} features must be floats of shape ({number}, D), not {array.dtype} {array.shape}")
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    squared = np.einsum("ij,ij->i", array, array)
    wrong = ~(np.abs(squared - 1.0) <= 1e-3)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        problem = f"has length {np.sqrt(squared[row]):.4g}" if np.isfinite(squared[row]) else "holds NaN or infinity"
        raise ReIDError(f"{name} feature {row} {problem}; features must be finite and L2-normalised")
    return array
