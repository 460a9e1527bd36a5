"""The nearest neighbours of every row, kept while the distances between rows arrive in tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.floating[Any]]
CELLS = 1 << 19  # entries sorted at a time
PENDING = 1 << 20  # entries that may wait to be sorted in


class NearestLists:
    """For each of N rows the `depth` smallest keys so far, and whose they are: ascending, ties in order of position.

    Keys of a row must arrive in ascending order of position. So a later key equal to the last one kept can never enter,
    and `bounds` says which may.

    Attributes:
        keys: (N, depth), +inf where fewer have arrived. positions: (N, depth) int32, -1 there.
        bounds: (N,) the last keys kept when `sort_in` was called last; +inf while there are fewer.
    """

    def __init__(self, number: int, depth: int, dtype: np.dtype[Any]) -> None:
        self.keys = np.full((number, depth), np.inf, dtype=dtype)
        self.positions = np.full((number, depth), -1, dtype=np.int32)
        self.bounds = np.full(number, np.inf, dtype=dtype)
        self._waiting: list[tuple[NDArray[np.int32], NDArray[np.int32], Reals]] = []
        self._number = 0

    def add(self, rows: NDArray[np.int32], positions: NDArray[np.int32], keys: Reals) -> None:
        """Let entries wait, (n,) each: key of a row to a position. They are sorted in when too many wait."""
        self._waiting.append((rows, positions, keys))
        self._number += len(rows)
        if self._number > PENDING:
            self.sort_in()

    def sort_in(self) -> None:
        """Sort in all entries that wait, and update `bounds`."""
        if self._number:
            rows, positions, keys = (np.concatenate(each) for each in zip(*self._waiting, strict=True))
            self._waiting, self._number = [], 0
            if len(self.bounds) <= 1 << 16:
                rows = rows.astype(np.uint16)  # which NumPy sorts by their digits, many times faster
            order = np.argsort(rows, kind="stable")  # by row, in order of arrival, which is that of position
            counts = np.bincount(rows, minlength=len(self.bounds))
            first = np.cumsum(counts) - counts
            positions, keys = positions[order], keys[order]
            changed = np.argsort(counts, kind="stable")[np.count_nonzero(counts == 0) :]
            start = 0
            while start < len(changed):
                # Rows with about as many new entries are sorted together, as many as fit.
                width = self.keys.shape[1] + counts[changed[start:]]
                fitting = int(np.count_nonzero(width * np.arange(1, len(width) + 1) <= CELLS))
                part = changed[start : start + max(fitting, 1)]
                self._merge(part, first[part], counts[part], positions, keys)
                start += len(part)

    def _merge(
        self,
        rows: NDArray[np.int64],
        first: NDArray[np.int64],
        counts: NDArray[np.int64],
        positions: NDArray[np.int32],
        keys: Reals,
    ) -> None:
        """Sort `counts` new entries from number `first` on into the lists of `rows`."""
        depth, width = self.keys.shape[1], int(counts.max())
        here = first[:, None] + np.arange(width)
        empty = np.arange(width) >= counts[:, None]
        here[empty] = 0
        new_keys, new_positions = keys[here], positions[here]
        new_keys[empty] = np.inf
        every = np.concatenate([self.keys[rows], new_keys], axis=1)
        whose = np.concatenate([self.positions[rows], new_positions], axis=1)
        order = np.argsort(every, axis=1, kind="stable")[:, :depth]
        self.keys[rows] = best = np.take_along_axis(every, order, axis=1)
        self.positions[rows] = np.take_along_axis(whose, order, axis=1)
        self.bounds[rows] = best[:, -1]
