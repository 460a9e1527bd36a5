"""Exact search: the k rows of greatest cosine similarity, in pieces, so that memory stays small however many rows."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

Found = list[tuple[NDArray[np.int64], NDArray[np.float64]]]
"""For each query rows and their distances."""
PIECE = 8192  # rows that are multiplied together: 16 MB of 512 numbers
MANY = 8  # queries from which multiplying blocks is quicker than row by row
AT_ONCE = 512  # neighbours up to which they are kept sorted while rows are compared
FEW = 0.3  # share of a piece below which its wanted rows are gathered, instead of multiplying all of it
ROUNDING = 1e-5  # what a float32 product of unit rows may be off by; who comes so near is looked at exactly


def nearest(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], k: int, wanted: NDArray[np.bool_] | None = None
) -> Found:
    """For each query the rows of the greatest inner product, and all that come as near as the last of them.

    Args:
        vectors: (N, D) unit rows, or zero where a row is no more. queries: (Q, D) unit rows. k: at least 1.
        wanted: (N,) rows that may be found; None: all.

    Returns:
        Per query rows and cosine distances in float64, in the order of the rows: at least k where there are as many,
        more where further ones tie with them but for rounding. Equal vectors have equal distances.
    """
    best = [_Best(k) for _ in queries]
    if not len(queries):
        return []
    columns = np.ascontiguousarray(queries.T) if len(queries) > 1 else queries[0]
    for first in range(0, len(vectors), PIECE):
        piece = vectors[first : first + PIECE]
        rows = None
        if wanted is not None:
            mask = wanted[first : first + PIECE]
            number = int(np.count_nonzero(mask))
            if number == 0:
                continue
            if number < len(piece):
                rows = np.flatnonzero(mask)
                if number < FEW * len(piece):
                    piece, first_rows = piece[rows], rows
                    _take(best, piece @ columns, first_rows, first)
                    continue
        scores = piece @ columns
        if rows is not None:
            scores = scores[rows]
        _take(best, scores, rows, first)
    return [_exact(vectors, query, found) for query, found in zip(queries, best, strict=True)]


def among(vectors: NDArray[np.float32], queries: NDArray[np.float32], k: int, rows: NDArray[np.int64]) -> Found:
    """As `nearest`, among the few `rows` alone, which ascend."""
    made = compiled() if len(queries) < MANY and k <= AT_ONCE else None
    if made is not None:
        return [made.among(vectors, rows, query, k, 2 * ROUNDING) for query in queries]
    best = [_Best(k) for _ in queries]
    for first in range(0, len(rows), PIECE):
        part = rows[first : first + PIECE]
        _take(best, vectors[part] @ (queries.T if len(queries) > 1 else queries[0]), part, 0)
    return [_exact(vectors, query, found) for query, found in zip(queries, best, strict=True)]


@cache
def compiled() -> ModuleType | None:
    """`compiled.py`, None where numba is not installed or may keep its code in no folder."""
    if find_spec("numba") is None:
        return None
    try:
        from reidr.service.store.sqlite import compiled as made
    except RuntimeError:
        return None
    return made


class _Best:
    """The greatest scores of one query so far, with those that rounding may have put behind them."""

    def __init__(self, k: int) -> None:
        self.k = k
        self.least = -np.inf  # below this nothing can be among the k
        self.rows: list[NDArray[np.int64]] = []
        self.scores: list[NDArray[np.float32]] = []
        self.held = 0

    def take(self, scores: NDArray[np.float32], rows: NDArray[np.int64] | None, first: int) -> None:
        places = np.flatnonzero(scores >= self.least)
        if not len(places):
            return
        self.rows.append((places if rows is None else rows[places]) + first)
        self.scores.append(scores[places])
        self.held += len(places)
        if self.held > max(4 * self.k, 256):
            self.prune()

    def prune(self) -> None:
        """Keep the k greatest and what lies within twice the rounding of the last of them."""
        scores, rows = np.concatenate(self.scores), np.concatenate(self.rows)
        if len(scores) > self.k:
            self.least = float(np.partition(scores, len(scores) - self.k)[len(scores) - self.k]) - 2 * ROUNDING
            keep = scores >= self.least
            scores, rows = scores[keep], rows[keep]
        self.scores, self.rows, self.held = [scores], [rows], len(rows)


def _take(best: list[_Best], scores: NDArray[np.float32], rows: NDArray[np.int64] | None, first: int) -> None:
    """Give every query its column of the scores."""
    if scores.ndim == 1:
        best[0].take(scores, rows, first)
        return
    for column, each in enumerate(best):
        each.take(scores[:, column], rows, first)


def _exact(
    vectors: NDArray[np.float32], query: NDArray[np.float32], found: _Best
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The found rows with distances in float64, each computed alone: the product of a block rounds by a row's place."""
    if not found.held:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    found.prune()
    rows = np.sort(found.rows[0])
    made = compiled()
    if made is not None:
        return made.exact(vectors, rows, query)
    exact = vectors[rows].astype(np.float64)
    there = np.einsum("ij,ij->i", exact, exact) > 0.5  # another process has just erased the others
    scores = np.einsum("ij,j->i", exact[there], query.astype(np.float64))
    return rows[there], np.clip(1.0 - scores, 0.0, 2.0)
