"""Count, don't sort: how many wrong crops stand before each match.

A rank is a number of crops that are not farther, so it can be counted in a pass over the row of distances. A few far
matches cost one comparison each, and the little that lies within a near one is sorted; where many matches are far, the
row is sorted (`row_plan.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reidr.errors import ReIDError
from reidr.evaluation.metrics.counting.reranked import place_reranked
from reidr.evaluation.metrics.counting.row_plan import matches_to_sort
from reidr.evaluation.metrics.matching import Matching
from reidr.retrieval.ranked_list import RankedList

Ties = Literal["pessimistic", "optimistic", "expected"]
# Rows whose few own crops are looked up together; the rest is done row by row, in a core's second-level cache.
CHUNK_BYTES = 1 << 22
# Comparisons of a row that are made in one call, and the bytes that their answers may fill in the second-level cache.
MOST_AT_ONCE, WITHIN_BYTES = 16, 1 << 18
# Copying out what is left of a row costs about as much as so many comparisons of it.
COPY_COST = 8
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
            room = Room.of(block.shape[1], block.dtype)
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

    def _add_chunk(self, chunk: NDArray[Any], first: int, room: Room) -> None:
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
        self.distances[here] = values[right]
        places = self.starts[first : last + 1] - self.starts[first]
        if self.compiled is not None and shown is None:
            self._count_compiled(chunk, first, places, here)
        else:
            self._count_rows(chunk, first, shown, places, room)
        # Crops of the query's own person were counted with the others: they are few and known.
        for counts, own in ((self.not_farther, own_not_farther), (self.nearer, own_nearer)):
            if len(counts):
                counts[here] -= own[right]

    def _count_rows(
        self, chunk: NDArray[Any], first: int, shown: NDArray[np.bool_] | None, places: NDArray[np.int64], room: Room
    ) -> None:
        """Count the rows of a chunk one after another; `places` as in `matches_to_sort`."""
        here = slice(self.starts[first], self.starts[first + len(chunk)])
        found = self.distances[here].astype(chunk.dtype)
        wanted = [(counts[here], strict) for counts, strict in self._kinds() if len(counts)]
        settled = matches_to_sort(chunk, found, places).tolist()
        for row, (low, high) in enumerate(pairwise(places.tolist())):
            seen = None if shown is None else shown[row]
            whole = low < high and settled[row] == high - low
            if whole:
                ascending = self._sorted(chunk[row], seen, first + row, room)
                for counts, strict in wanted:
                    counts[low:high] = count_in_sorted(ascending, seen, found[low:high], strict)
                continue
            if self.reranked is None:
                self._check(chunk[row], first + row)
            if low < high:
                for counts, strict in wanted:
                    count_row(chunk[row], seen, found[low:high], counts[low:high], strict, settled[row], room)

    def _sorted(self, row: NDArray[Any], shown: NDArray[np.bool_] | None, query: int, room: Room) -> NDArray[Any]:
        """The row's values in order, what is not `shown` behind them as infinity. Raises ReIDError as `_check`."""
        if shown is not None and self.reranked is None:
            self._check(row, query)  # what is hidden too
        values = room.values[: len(row)]
        np.copyto(values, row)
        if shown is not None:
            np.copyto(values, np.inf, where=~shown)
        values.sort()
        if not values[0] > -np.inf or np.isnan(values[-1]):  # NaN is sorted to the end
            self._check(row, query)
        if self.floor is not None and self.reranked is None and values[0] < self.floor:
            np.maximum(values, self.floor, out=values)
        return values

    def _kinds(self) -> tuple[tuple[NDArray[np.int64], bool], ...]:
        """The two counts, either of them possibly empty, and whether the comparison behind it is strict."""
        return (self.not_farther, False), (self.nearer, True)

    def _count_compiled(self, chunk: NDArray[Any], first: int, places: NDArray[np.int64], here: slice) -> None:
        """Count all rows of a chunk at once, with the distances of their matches as the chunk has them."""
        assert self.compiled is not None
        found = self.distances[here].astype(chunk.dtype)
        for counts, strict in self._kinds():
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


@dataclass(frozen=True, eq=False)
class Room:
    """Buffers for one row: where every thread has its own, they stay in the core's cache.

    Attributes:
        within: (C, G) the answers of C comparisons that are made in one call. values: (G,) a copy of the row.
    """

    within: NDArray[np.bool_]
    values: NDArray[Any]

    @classmethod
    def of(cls, columns: int, dtype: np.dtype[Any]) -> Room:
        """For rows of distances of this type."""
        at_once = min(max(WITHIN_BYTES // max(columns, 1), 1), MOST_AT_ONCE)
        within = np.empty((at_once, columns), dtype=bool)
        return cls(within, np.empty(columns, dtype=np.float32 if dtype == np.float32 else np.float64))


def count_row(
    row: NDArray[Any],
    shown: NDArray[np.bool_] | None,
    distances: NDArray[Any],
    counts: NDArray[np.int64],
    strict: bool,
    settled: int,
    room: Room,
) -> None:
    """Fill `counts`: how many `shown` values of `row` are at or below (`strict`: below) each ascending distance.

    Distances from number `settled` on are compared with the whole row; what lies within that one is sorted, which
    answers all before it.
    """
    compare: Callable[..., Any] = np.less if strict else np.less_equal
    within = room.within[:0]
    for end in range(len(distances), settled, -len(room.within)):
        begin = max(end - len(room.within), settled)
        within = room.within[: end - begin, : len(row)]
        compare(row, distances[begin:end, None], out=within)
        if shown is not None:
            within &= shown
        counts[begin:end] = list(map(np.count_nonzero, within))  # by itself many times faster than along an axis
        if (begin - settled) * (len(row) - counts[begin]) > COPY_COST * len(row):
            row, shown = row.take(within[0].nonzero()[0]), None  # nothing farther counts for those that follow
    if settled:
        near = row.take(within[0].nonzero()[0])
        near.sort()
        counts[:settled] = near.searchsorted(distances[:settled], "left" if strict else "right")


def count_in_sorted(
    values: NDArray[Any], shown: NDArray[np.bool_] | None, distances: NDArray[Any], strict: bool
) -> NDArray[np.int64]:
    """The same from a row's values in order, where what is not `shown` stands last as infinity."""
    counts = values.searchsorted(distances, "left" if strict else "right")
    if shown is not None:  # a match may be infinitely far itself: what is hidden is not counted with it
        counts = np.minimum(counts, np.count_nonzero(shown))
    return np.asarray(counts, dtype=np.int64)


def usable_cores() -> int:
    """Cores this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
