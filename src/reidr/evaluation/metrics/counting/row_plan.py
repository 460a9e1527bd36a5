"""Which matches of a row are worth a comparison each, and from where on sorting is cheaper.

A comparison of the whole row with one distance costs a tenth to a thirtieth of sorting that row, so a few far matches
are compared, and many are settled by one sort: of what lies within some match, or of the whole row. How far the matches
lie is estimated from a sample of the row; the counts are exact whatever the estimate says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE = 48  # values of each row that say roughly how far its matches lie
# Costs are measured with rows of these lengths, so many comparisons in one call, so often.
SHORT, LONG, AT_ONCE, TRIALS = 256, 8192, 8, 5


@dataclass(frozen=True)
class Costs:
    """Seconds for one comparison of any row and for each value compared, copied out, and sorted, on this machine."""

    call: float
    compared: float
    copied: float
    sorted: float

    @classmethod
    @cache
    def measured(cls, dtype: np.dtype[Any]) -> Costs:
        """The costs for values of this type: half a millisecond, once in a process.

        They are measured because they differ widely: sorting uses the vector units of newer processors only.
        """
        values = np.random.default_rng(0).random(LONG).astype(dtype)
        half = values < np.median(values)
        mask = np.empty((AT_ONCE, LONG), dtype=bool)

        def compare(number: int) -> Callable[[], Any]:
            def work() -> None:
                np.less_equal(values[:number], values[:AT_ONCE, None], out=mask[:, :number])
                list(map(np.count_nonzero, mask[:, :number]))

            return work

        short, long = (_best_time(compare(number)) / AT_ONCE for number in (SHORT, LONG))
        return cls(
            call=short,
            compared=max(long - short, 0.0) / (LONG - SHORT),
            copied=_best_time(lambda: values.take(half.nonzero()[0])) / np.count_nonzero(half),
            sorted=_best_time(lambda: np.sort(values)) / LONG,
        )


def _best_time(work: Callable[[], Any]) -> float:
    times = []
    for _ in range(TRIALS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def matches_to_sort(
    chunk: NDArray[Any], distances: NDArray[Any], bounds: NDArray[np.int64], costs: Costs | None = None
) -> NDArray[np.int64]:
    """How many matches of each row are to be settled by sorting; those behind them are compared one by one.

    Args:
        chunk: (B, G) distances. distances: (M,) those of the matches, ascending in each row.
        bounds: (B + 1,) matches of row r are numbers `bounds[r]` to `bounds[r + 1]`.
        costs: None: as measured on this machine.

    Returns:
        (B,) s: of m matches, numbers s to m - 1 are compared, and what lies within match s is sorted for those before
        it (0: nothing is sorted). s = m: the whole row is sorted.
    """
    rows, columns = chunk.shape
    number = np.diff(bounds)
    if not len(distances) or not columns:
        return np.zeros(rows, dtype=np.int64)
    costs = costs or Costs.measured(chunk.dtype)
    row = np.repeat(np.arange(rows), number)
    place = np.arange(len(row)) - bounds[row]
    sample = np.ascontiguousarray(chunk[:, :: -(-columns // SAMPLE)])
    # At most SAMPLE of them: bytes are enough, and several times faster to add.
    inside = np.repeat(sample, number, axis=0) <= distances[:, None]
    nearer = np.add.reduce(inside.view(np.uint8), axis=1, dtype=np.uint8).astype(np.int64)
    within = (nearer + 0.5) * (columns / sample.shape[1])
    comparing = (number[row] - place) * (costs.call + costs.compared * columns)
    sorting = np.where(
        place > 0, costs.call + (costs.copied + costs.sorted) * within + 2 * costs.compared * columns, 0.0
    )
    # The option of sorting the whole row stands behind those of each match.
    begins = bounds[:-1] + np.arange(rows)
    cost = np.full(len(row) + rows, costs.call + costs.sorted * columns)
    cost[np.arange(len(row)) + row] = comparing + sorting
    least = np.minimum.reduceat(cost, begins)
    owner = np.repeat(np.arange(rows), number + 1)
    first = np.flatnonzero(cost == least[owner])
    chosen = np.full(rows, -1)
    chosen[owner[first][::-1]] = first[::-1]
    return chosen - begins
