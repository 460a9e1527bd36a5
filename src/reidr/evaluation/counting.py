"""Count, don't sort: how many wrong crops stand before each match.

A rank is a number of crops that are not farther, so it can be counted in a pass over the row of distances; nothing
has to be sorted. A row costs one comparison with its farthest match, and then only what lies within is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reidr.errors import ReIDError
from reidr.evaluation.matching import Matching
from reidr.evaluation.reranked import place_reranked
from reidr.retrieval.ranking import RankedList

Ties = Literal["pessimistic", "optimistic", "expected"]
# A chunk of rows that stays in a core's second-level cache while it is passed over several times.
CHUNK_BYTES = 1 << 19
# Below this many values sorting them is cheaper than one comparison for each match.
FEW = 1024


class NegativeCounts:
    """For every match of every query, how many wrong crops are nearer than it and how many are not farther.

    Attributes:
        distances: (M,) distances of the matches, ascending within a query, queries one after another as in
            `matching.match_starts`; where a list was re-ranked, the keys that stand for its distances.
        not_farther: (M,) wrong crops at or below that distance; counted unless ties are optimistic.
        nearer: (M,) wrong crops strictly below it; counted unless ties are pessimistic.
    """

    def __init__(self, matching: Matching, ties: Ties, reranked: RankedList | None = None) -> None:
        self.matching = matching
        self.reranked = reranked
        matches = len(matching.match_items)
        self.distances = np.empty(matches)
        self.not_farther = np.zeros(matches if ties != "optimistic" else 0, dtype=np.int64)
        self.nearer = np.zeros(matches if ties != "pessimistic" else 0, dtype=np.int64)

    def add(self, block: NDArray[Any], first: int) -> None:
        """Count the rows of `block` (B, G): queries `first`, `first + 1`, …, in as many threads as there are cores.

        Raises ReIDError naming the query and the gallery position of a NaN.
        """
        step = max(1, CHUNK_BYTES // max(1, block.shape[1] * block.dtype.itemsize))
        workers = usable_cores()
        share = max(step, -(-len(block) // (4 * workers)))

        def add_share(begin: int) -> None:
            end = min(begin + share, len(block))
            for start in range(begin, end, step):
                chunk = block[start : min(start + step, end)]
                if chunk.dtype not in (np.float32, np.float64):
                    chunk = chunk.astype(np.float64)
                self._add_chunk(np.ascontiguousarray(chunk), first + start)

        if workers == 1 or len(block) <= share:
            for begin in range(0, len(block), share):
                add_share(begin)
            return
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(add_share, range(0, len(block), share)):
                pass

    def _add_chunk(self, chunk: NDArray[Any], first: int) -> None:
        if not chunk.size:
            return
        # The minimum of anything with NaN is NaN: one pass finds what would otherwise silently rank last.
        if not chunk.min() > -np.inf:
            refuse(chunk, first)
        last = first + len(chunk)
        rows, items, starts = pairs_of(self.matching.match_items, self.matching.match_starts, first, last)
        if not len(items):
            return
        if self.reranked is not None:
            shown = self._wrong(np.ones(chunk.shape, dtype=bool), first, last)
            shown[rows, items] = True
            chunk = place_reranked(
                chunk, shown, self.reranked.indices[first:last], self.reranked.distances[first:last]
            )
        found = chunk[rows, items]
        found = found[np.lexsort((found, rows))]
        here = slice(starts[0], starts[-1])
        self.distances[here] = found
        farthest = np.full(len(chunk), -np.inf, dtype=chunk.dtype)
        farthest[rows] = found
        bounds = (starts - starts[0]).tolist()
        for counts, compare, side in ((self.not_farther, np.less_equal, "right"), (self.nearer, np.less, "left")):
            if not len(counts):
                continue
            within = self._wrong(compare(chunk, farthest[:, None]), first, last)
            part = counts[here]
            for row, (low, high) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
                if low < high:
                    count_row(chunk[row], within[row], found[low:high], part[low:high], compare, side)

    def _wrong(self, mask: NDArray[np.bool_], first: int, last: int) -> NDArray[np.bool_]:
        """`mask` (rows, G), cleared in place where a crop is junk, ignored, or shows the query's own person."""
        matching = self.matching
        if matching.kept is not None:
            mask &= matching.kept
        if matching.ignored is not None:
            mask &= ~matching.ignored[first:last]
        rows, items, _ = pairs_of(matching.same_items, matching.same_starts, first, last)
        mask.reshape(-1)[rows * mask.shape[1] + items] = False
        return mask


def pairs_of(
    items: NDArray[np.int64], starts: NDArray[np.int64], first: int, last: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows first…last of a ragged list: row numbers from 0, items, and the slice of `starts`."""
    part = starts[first : last + 1]
    return np.repeat(np.arange(last - first), np.diff(part)), items[part[0] : part[-1]], part


def count_row(
    row: NDArray[Any],
    inside: NDArray[np.bool_],
    distances: NDArray[Any],
    counts: NDArray[np.int64],
    compare: Callable[..., Any],
    side: Any,
) -> None:
    """Fill `counts` for one query: its matches' ascending `distances`, `inside` = wrong crops within the last of them.

    Matches are settled from the far end, each by one comparison over what is still inside, until that is so little
    that copying it out, and at last sorting it, is cheaper.
    """
    values, within, whole = row, inside, True
    count = np.count_nonzero(within)
    counts[-1] = count
    for match in range(len(distances) - 2, -1, -1):
        if count * 8 <= len(values):
            values, whole = values[within.nonzero()[0]], False
            if count <= FEW:
                values.sort()
                counts[: match + 1] = values.searchsorted(distances[: match + 1], side)
                return
        within = compare(values, distances[match])
        if whole:
            within &= inside
        count = np.count_nonzero(within)
        counts[match] = count


def refuse(chunk: NDArray[Any], first: int) -> None:
    """Raises ReIDError for the first entry of `chunk` that is NaN or minus infinity."""
    row, item = np.argwhere(~(chunk > -np.inf))[0]
    raise ReIDError(
        f"the distance of query {first + row} to gallery crop {item} is {chunk[row, item]}; "
        "find out where the features became unusable"
    )


def usable_cores() -> int:
    """Cores this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
