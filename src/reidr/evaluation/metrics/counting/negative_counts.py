"""Count, don't sort: how many wrong crops stand before each match.

A rank is a number of crops that are not farther, so it can be counted in a pass over the row of distances; nothing
has to be sorted. Far matches cost one comparison each; the little that lies within the first near one is sorted.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reidr.errors import ReIDError
from reidr.evaluation.metrics.counting.reranked import place_reranked
from reidr.evaluation.metrics.matching import Matching
from reidr.retrieval.ranked_list import RankedList

Ties = Literal["pessimistic", "optimistic", "expected"]
# Rows whose few own crops are looked up together; the rest is done row by row, in a core's second-level cache.
CHUNK_BYTES = 1 << 22
# Copying out what is within and sorting it costs about as much as four comparisons of the row when a 64th of it is
# left, and settles all matches that remain; fewer than three of them are compared instead. Measured with AVX-512.
SORT_SHARE, SORT_ALWAYS, FEW_MATCHES = 64, 512, 3
# Copying out half a row costs about as much as so many comparisons, so it is done after as many, with as many to come.
PATIENCE = 8
# Distances from which it pays to load the compiled counting (half a second), and matches of one query up to which a
# comparison for each is cheaper there than sorting what is near.
WORTH_COMPILING, FEW_ENOUGH = 200_000_000, 64


class NegativeCounts:
    """For every match of every query, how many wrong crops are nearer than it and how many are not farther.

    Attributes:
        starts: (Q + 1,) matches of query q are numbers `starts[q]` to `starts[q + 1]`, nearest first.
        distances: (M,) distances of the matches; where a list was re-ranked, the keys that stand for its distances.
        not_farther: (M,) wrong crops at or below that distance; counted unless ties are optimistic.
        nearer: (M,) wrong crops strictly below it; counted unless ties are pessimistic.
    """

    def __init__(
        self, matching: Matching, ties: Ties, reranked: RankedList | None = None, floor: float | None = None
    ) -> None:
        """`floor`: smaller distances in a block, which is then overwritten, are rounding and count as equal to it."""
        self.matching = matching
        self.reranked = reranked
        self.floor = floor
        self.starts = np.concatenate([[0], np.cumsum(matching.matches)])
        self.distances = np.empty(self.starts[-1])
        self.not_farther = np.zeros(self.starts[-1] if ties != "optimistic" else 0, dtype=np.int64)
        self.nearer = np.zeros(self.starts[-1] if ties != "pessimistic" else 0, dtype=np.int64)
        # Below the floor values are equal, which only a strict comparison would have to know.
        simple = reranked is None and (floor is None or ties == "pessimistic")
        few = int(matching.matches.max(initial=0)) <= FEW_ENOUGH
        large = matching.queries * matching.gallery >= WORTH_COMPILING
        self.compiled = compiled_counter() if simple and few and large else None

    def add(self, block: NDArray[Any], first: int) -> None:
        """Count the rows of `block` (B, G): queries `first`, `first + 1`, …, in as many threads as there are cores.

        Raises ReIDError naming the query and the gallery position of a NaN.
        """
        step = max(1, CHUNK_BYTES // max(1, block.shape[1] * block.dtype.itemsize))
        workers = usable_cores()
        share = max(step, -(-len(block) // (4 * workers)))

        def add_share(begin: int) -> None:
            end = min(begin + share, len(block))
            room = np.empty(block.shape[1], dtype=bool)
            for start in range(begin, end, step):
                chunk = block[start : min(start + step, end)]
                if chunk.dtype not in (np.float32, np.float64):
                    chunk = chunk.astype(np.float64)
                self._add_chunk(np.ascontiguousarray(chunk), first + start, room)

        if workers == 1 or len(block) <= share:
            for begin in range(0, len(block), share):
                add_share(begin)
            return
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(add_share, range(0, len(block), share)):
                pass

    def _add_chunk(self, chunk: NDArray[Any], first: int, room: NDArray[np.bool_]) -> None:
        matching = self.matching
        last = first + len(chunk)
        person = slice(matching.starts[first], matching.starts[last])
        rows = np.repeat(np.arange(len(chunk)), np.diff(matching.starts[first : last + 1]))
        items, right = matching.items[person], matching.right[person]
        shown = self._shown(first, last, rows[~right], items[~right])
        if self.reranked is not None and shown is not None:
            for row, distances in enumerate(chunk):
                self._check(distances, first + row)
            listed = self.reranked.indices[first:last], self.reranked.distances[first:last]
            chunk = place_reranked(chunk, shown, *listed)
        values = chunk[rows, items]
        if self.floor is not None and self.reranked is None:
            np.maximum(values, self.floor, out=values)
        if shown is not None:
            visible = shown[rows, items]
            rows, values, right = rows[visible], values[visible], right[visible]
        order = np.lexsort((values, rows))
        values, right = values[order], right[order]
        own_nearer, own_not_farther = counts_of_own(rows, values)
        here = slice(self.starts[first], self.starts[last])
        self.distances[here] = found = values[right]
        places = self.starts[first : last + 1] - self.starts[first]
        if self.compiled is not None and shown is None:
            self._count_compiled(chunk, first, places, here)
            bounds = [0]
        else:
            bounds = places.tolist()
        for row, (low, high) in enumerate(pairwise(bounds)):
            if self.reranked is None:
                self._check(chunk[row], first + row)
            seen = None if shown is None else shown[row]
            for counts, strict in ((self.not_farther, False), (self.nearer, True)):
                if low < high and len(counts):
                    count_row(chunk[row], seen, found[low:high], counts[here][low:high], strict, room)
        # Crops of the query's own person were counted with the others: they are few and known.
        for counts, own in ((self.not_farther, own_not_farther), (self.nearer, own_nearer)):
            if len(counts):
                counts[here] -= own[right]

    def _count_compiled(self, chunk: NDArray[Any], first: int, places: NDArray[np.int64], here: slice) -> None:
        """Count all rows of a chunk at once, with the distances of their matches as the chunk has them."""
        assert self.compiled is not None
        found = self.distances[here].astype(chunk.dtype)
        for counts, strict in ((self.not_farther, False), (self.nearer, True)):
            if len(counts):
                bad = self.compiled(chunk, places, found, counts[here], strict)
                if bad >= 0:
                    self._check(chunk[bad], first + bad)

    def _check(self, row: NDArray[Any], query: int) -> None:
        """Apply the floor in place. Raises ReIDError for NaN and minus infinity."""
        if not row.size:
            return
        # The minimum of anything with NaN is NaN: one pass finds what would otherwise silently rank last.
        least = row.min()
        if self.floor is not None and least < self.floor:  # seldom: most rows need no second pass
            np.maximum(row, self.floor, out=row)
        if not least > -np.inf:
            item = int(np.argmax(~(row > -np.inf)))
            raise ReIDError(
                f"the distance of query {query} to gallery crop {item} is {row[item]}; "
                "find out where the features became unusable"
            )

    def _shown(
        self, first: int, last: int, rows: NDArray[np.int64], items: NDArray[np.int64]
    ) -> NDArray[np.bool_] | None:
        """(rows, G) True for crops that count, right or wrong; None where only `rows`, `items` do not."""
        matching = self.matching
        if matching.kept is None and matching.ignored is None and self.reranked is None:
            return None
        shown = np.ones((last - first, matching.gallery), dtype=bool)
        if matching.kept is not None:
            shown &= matching.kept
        if matching.ignored is not None:
            shown &= ~matching.ignored(slice(first, last))
        shown[rows, items] = False
        return shown


def compiled_counter() -> Callable[..., int] | None:
    """`count_rows` of `compiled.py`, None where numba is not installed or may keep its code in no folder."""
    if find_spec("numba") is None:
        return None
    try:
        from reidr.evaluation.metrics.counting.compiled import count_rows
    except RuntimeError:
        return None
    return count_rows  # type: ignore[no-any-return, unused-ignore]


def counts_of_own(rows: NDArray[np.int64], values: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For `values` sorted within `rows`: how many of the same row are smaller, and how many are not larger."""
    opens = np.ones(len(rows), dtype=bool)
    opens[1:] = (values[1:] != values[:-1]) | (rows[1:] != rows[:-1])
    bounds = np.append(np.flatnonzero(opens), len(rows))
    group = np.cumsum(opens) - 1
    begin = np.searchsorted(rows, rows)
    return bounds[group] - begin, bounds[group + 1] - begin


def count_row(
    row: NDArray[Any],
    shown: NDArray[np.bool_] | None,
    distances: NDArray[Any],
    counts: NDArray[np.int64],
    strict: bool,
    room: NDArray[np.bool_],
) -> None:
    """Fill `counts`: how many `shown` values of `row` are at or below (`strict`: below) each ascending distance.

    The farthest distance comes first, each costs one comparison, until what is within is short enough to be sorted,
    which answers all that remain. Where matches are many, what is within is copied out in between.

    Args:
        room: (G,) anything; a buffer of its own for each thread stays in the core's cache.
    """
    compare: Callable[..., Any] = np.less if strict else np.less_equal
    values, compared = row, 0
    for match in range(len(distances) - 1, -1, -1):
        within = compare(values, distances[match], out=room[: len(values)])
        if shown is not None:
            within &= shown
        counts[match] = count = np.count_nonzero(within)
        compared += 1
        if match >= FEW_MATCHES and count <= max(len(values) // SORT_SHARE, SORT_ALWAYS):
            values = values.take(within.nonzero()[0])
            values.sort()
            counts[:match] = values.searchsorted(distances[:match], "left" if strict else "right")
            return
        if min(match, compared) >= PATIENCE and 2 * count <= len(values):
            values, shown, compared = values.take(within.nonzero()[0]), None, 0


def usable_cores() -> int:
    """Cores this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
