"""The nearest neighbours of every vector among all vectors: one exact pass in blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.core.checks import whole_number
from reidr.retrieval.duplicate_rows import find_copies

Reals = NDArray[np.floating[Any]]
GROUPS = 64


def nearest_neighbours(features: Reals, depth: int, block: int = 512) -> tuple[NDArray[np.int32], Reals]:
    """The `depth` nearest rows of every row, itself included, and the largest squared distance from it.

    Args:
        features: (N, D) unit rows. depth: at most N. block: rows at a time; memory is about `block × N × 5` bytes.

    Returns:
        (N, depth) positions by ascending Euclidean distance, ties in order of position, also at the last place kept;
        (N,) largest squared distance. Equal rows are equally far from everything (see `copies`).

    Raises ReIDError for a depth or block out of range.
    """
    number = len(features)
    depth, block = whole_number(depth, "depth", least=1, most=number), whole_number(block, "block", least=1)
    copies = find_copies(features)
    indices = np.empty((number, depth), dtype=np.int32)
    farthest = np.empty(number, dtype=features.dtype)
    memory = np.empty((min(block, number), number), dtype=features.dtype)
    for start in range(0, number, block):
        part = features[start : start + block]
        keys = memory[: len(part)]
        np.matmul(-part, features.T, out=keys)
        copies.level(keys)
        farthest[start : start + block] = np.maximum(2.0 + 2.0 * keys.max(axis=1), 0.0)
        # A cosine above 1 is rounding: all of them are at distance 0.
        indices[start : start + block], _ = smallest_in_rows(keys, depth, least=-1.0)
    indices[copies.later], farthest[copies.later] = indices[copies.first], farthest[copies.first]
    return indices, farthest


def smallest_in_rows(rows: Reals, k: int, least: float = -np.inf) -> tuple[NDArray[np.int64], Reals]:
    """Positions and values (B, k) of the k smallest entries of each row (B, N), ascending, ties by position.

    Values below `least` count as `least`. The k-th smallest of the minima of disjoint groups bounds the k-th smallest
    entry from above, so one cheap pass leaves only few entries to sort.
    """
    number = rows.shape[1]
    if 4 * k >= number:
        whole = np.argsort(np.maximum(rows, rows.dtype.type(least)), axis=1, kind="stable")[:, :k]
        return whole, np.maximum(np.take_along_axis(rows, whole, axis=1), rows.dtype.type(least))
    width = number // GROUPS
    if width >= 2 * k:
        minima = rows[:, : width * GROUPS].reshape(len(rows), GROUPS, width).min(axis=1)
        bound = np.partition(minima, k - 1, axis=1)[:, k - 1]
    else:
        bound = np.partition(rows, k - 1, axis=1)[:, k - 1]
    bound = np.maximum(bound, rows.dtype.type(least))
    flat = _true_entries(rows, bound)
    row = flat // number
    values = np.maximum(rows.reshape(-1)[flat], rows.dtype.type(least))
    order = np.lexsort((values, row))
    first = np.searchsorted(row, np.arange(len(rows)))
    chosen = order[first[:, None] + np.arange(k)]
    return flat[chosen] - np.arange(len(rows))[:, None] * number, values[chosen]


def _true_entries(rows: Reals, bound: Reals) -> NDArray[np.int64]:
    """Flat positions where `rows <= bound[:, None]`, ascending: eight truth values are looked at as one word."""
    height, number = rows.shape
    padded = -(-number // 8) * 8
    mask = np.zeros((height, padded), dtype=np.bool_)
    np.less_equal(rows, bound[:, None], out=mask[:, :number])
    words = np.flatnonzero(mask.reshape(-1).view(np.uint64))
    word, byte = np.nonzero(mask.reshape(-1, 8)[words])
    place = words[word] * 8 + byte
    found: NDArray[np.int64] = place - place // padded * (padded - number)
    return found
