"""Put a re-ranked list into rows of the retriever's distances, so that a whole ranking can be measured from both."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def place_reranked(
    chunk: NDArray[Any], shown: NDArray[np.bool_], indices: NDArray[np.int64], distances: NDArray[np.float64]
) -> NDArray[Any]:
    """A copy of the retriever's distances in which the listed crops come first, in the list's order and with its ties.

    Everything that is not listed follows with the retriever's distances. Where the listed crops are the retriever's
    own nearest ones, an unlisted crop exactly as far as the farthest of them ties with the list's last entries, so that
    a list cut amid ties is neither better nor worse than the ranking it was cut from.

    Args:
        chunk: (B, G) the retriever's distances, none of them minus infinity.
        shown: (B, G) crops that count, right or wrong.
        indices, distances: (B, k) rows of a `RankedList`.
    """
    chunk = chunk.copy()
    if not indices.shape[1]:
        return chunk
    listed = indices >= 0
    rows, columns = np.nonzero(listed)
    items = indices[listed]
    counts = shown[rows, items]
    rows, columns, items = rows[counts], columns[counts], items[counts]

    border = np.full(len(chunk), -np.inf, dtype=chunk.dtype)
    np.maximum.at(border, rows, chunk[rows, items])
    nearest = chunk.min(axis=1)
    unlisted = shown.copy()
    unlisted[rows, items] = False
    following = np.where(unlisted, chunk, np.inf).min(axis=1)

    # Keys below everything else in the row: one step down for every change of distance, counted from the list's end.
    changes = np.zeros(indices.shape, dtype=np.int64)
    changes[:, :-1] = (distances[:, :-1] < distances[:, 1:])[:, ::-1].cumsum(axis=1)[:, ::-1]
    level = changes[rows, columns]
    final = np.full(len(chunk), np.iinfo(np.int64).max)
    np.minimum.at(final, rows, level)
    base = np.where(np.isfinite(nearest), nearest, 0).astype(chunk.dtype)
    keys = base[rows] - (1 + np.abs(base[rows])) * (1 + level).astype(chunk.dtype)
    tied = (level == final[rows]) & (following >= border)[rows]
    chunk[rows, items] = np.where(tied, border[rows], keys)
    return chunk
