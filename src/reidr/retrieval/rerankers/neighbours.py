"""The nearest neighbours of every vector among all vectors: exact, each pair multiplied once, in tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.core.checks import whole_number
from reidr.retrieval.duplicate_rows import find_copies
from reidr.retrieval.rerankers.nearest_lists import NearestLists

Reals = NDArray[np.floating[Any]]
GROUPS = 64
TILE_ROWS, TILE_COLUMNS = 512, 2048
COPIES_BLOCK = 1024  # kinds of equal rows that are written out at a time


def nearest_neighbours(
    features: Reals, depth: int, block: int = TILE_ROWS, width: int = TILE_COLUMNS
) -> tuple[NDArray[np.int32], Reals]:
    """The `depth` nearest rows of every row, itself included, and the largest squared distance from it.

    Every pair of different rows is multiplied once, in tiles, and serves both of them. Of a tile only those entries are
    kept that are nearer than the `depth` nearest that a row has so far.

    Args:
        features: (N, D) unit rows. depth: at most N. block, width: rows and columns of a tile.

    Returns:
        (N, depth) positions by ascending Euclidean distance, ties in order of position, also at the last place kept;
        (N,) largest squared distance. Equal rows are equally far from everything: they are searched as one.

    Raises ReIDError for a depth or a tile out of range.
    """
    number = len(features)
    depth = whole_number(depth, "depth", least=1, most=number)
    block, width = whole_number(block, "block", least=1), whole_number(width, "width", least=1)
    copies = find_copies(features)
    if not len(copies.later):
        lists, farthest = _of_different_rows(features, depth, block, width)
        return lists.positions, farthest
    single = np.ones(number, dtype=bool)
    single[copies.later] = False
    own = np.arange(number)
    own[copies.later] = copies.first
    kind = (np.cumsum(single) - 1)[own]
    lists, farthest = _of_different_rows(features[single], min(depth, int(single.sum())), block, width)
    return _with_copies(lists, kind, depth)[kind], farthest[kind]


def _of_different_rows(features: Reals, depth: int, block: int, width: int) -> tuple[NearestLists, Reals]:
    """`nearest_neighbours` of rows that all differ."""
    number = len(features)
    lists = NearestLists(number, depth, features.dtype)
    largest = np.full(number, -np.inf, dtype=features.dtype)
    memory = np.empty(min(block, number) * min(width, number), dtype=features.dtype)
    for count, start in enumerate(range(0, number, block)):
        part = -features[start : start + block]
        stop = start + len(part)
        for left in range(start, number, width):
            others = features[left : left + width]
            keys = memory[: len(part) * len(others)].reshape(len(part), len(others))
            np.matmul(part, others.T, out=keys)
            right = left + len(others)
            np.maximum(largest[start:stop], keys.max(axis=1), out=largest[start:stop])
            np.maximum(largest[left:right], keys.max(axis=0), out=largest[left:right])
            _add_by_row(lists, keys, start, left)
            behind = max(stop - left, 0)  # columns of the block's own rows have been added by row
            if behind < len(others):
                _add_by_column(lists, keys[:, behind:], start, left + behind)
            if left == start:
                lists.sort_in()
        # Bounds fall with the share of the rows that has been seen: seldom much, once that is large.
        if count < 4 or count % 4 == 0:
            lists.sort_in()
    lists.sort_in()
    return lists, np.maximum(2.0 + 2.0 * largest, 0.0)


def _add_by_row(lists: NearestLists, keys: Reals, start: int, left: int) -> None:
    """Entries of a tile, whose corner is (start, left), that may be among the nearest of its rows."""
    bounds = lists.bounds[start : start + len(keys)]
    depth = lists.keys.shape[1]
    if np.isinf(bounds).any() and depth < keys.shape[1]:
        own = np.partition(keys, depth - 1, axis=1)[:, depth - 1]
        inside = keys <= np.minimum(np.maximum(own, -1.0), bounds)[:, None]
    else:
        inside = keys < bounds[:, None]
    row, column = _true_entries(inside)
    # A cosine above 1 is rounding: all of them are at distance 0.
    lists.add(row + np.int32(start), column + np.int32(left), np.maximum(keys[row, column], -1.0))


def _add_by_column(lists: NearestLists, keys: Reals, start: int, left: int) -> None:
    """The same for its columns, as the rows that they stand for."""
    bounds = lists.bounds[left : left + keys.shape[1]]
    depth = lists.keys.shape[1]
    if np.isinf(bounds).any() and depth < len(keys):
        own = np.partition(np.ascontiguousarray(keys.T), depth - 1, axis=1)[:, depth - 1]
        inside = keys <= np.minimum(np.maximum(own, -1.0), bounds)
    else:
        inside = keys < bounds
    row, column = _true_entries(inside)
    lists.add(column + np.int32(left), row + np.int32(start), np.maximum(keys[row, column], -1.0))


def _with_copies(lists: NearestLists, kind: NDArray[np.int64], depth: int) -> NDArray[np.int32]:
    """(U, depth) the nearest of all rows, from those among the first of each kind of equal rows.

    The `depth` nearest kinds are enough: each has a row, and of kinds at one distance those kept begin earlier.

    Args:
        lists: the nearest kinds of U kinds. kind: (N,) the kind of every row; kinds are numbered by their first rows.
    """
    members = np.argsort(kind, kind="stable")
    number = np.bincount(kind)
    first = np.cumsum(number) - number
    found = np.empty((len(number), depth), dtype=np.int32)
    for start in range(0, len(number), COPIES_BLOCK):
        nearest, keys = lists.positions[start : start + COPIES_BLOCK], lists.keys[start : start + COPIES_BLOCK]
        many = np.minimum(number[nearest], depth).ravel()
        place = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        position = members[np.repeat(first[nearest].ravel(), many) + place]
        row = np.repeat(np.repeat(np.arange(len(nearest)), nearest.shape[1]), many)
        order = np.lexsort((position, np.repeat(keys.ravel(), many), row))
        begin = np.searchsorted(row, np.arange(len(nearest)))
        found[start : start + COPIES_BLOCK] = position[order[begin[:, None] + np.arange(depth)]]
    return found


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
    row, column = _true_entries(rows <= bound[:, None])
    values = np.maximum(rows[row, column], rows.dtype.type(least))
    order = np.lexsort((values, row))
    first = np.searchsorted(row, np.arange(len(rows)))
    chosen = order[first[:, None] + np.arange(k)]
    return column[chosen].astype(np.int64), values[chosen]


def _true_entries(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Rows and columns of the true entries, row by row: eight truth values are looked at as one word."""
    height, number = mask.shape
    if number % 8:
        padded = np.zeros((height, number + -number % 8), dtype=np.bool_)
        padded[:, :number] = mask
        mask = padded
    words = np.flatnonzero(mask.reshape(-1).view(np.uint64))
    word, byte = np.nonzero(mask.reshape(-1, 8)[words])
    place = words[word] * 8 + byte
    row = place // mask.shape[1]
    return row.astype(np.int32), (place - row * mask.shape[1]).astype(np.int32)
