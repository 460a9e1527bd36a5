"""Counting instead of sorting: how many entries of a row are not farther than each of a few thresholds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.errors import ReIDError

Reals = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]
# One comparison of a whole row costs about as much as extracting and sorting 1/256 of it (measured, AVX2 and AVX-512).
SORTED_COST = 256


def count_rows(
    rows: Reals,
    thresholds: Reals,
    bounds: Integers,
    keep: NDArray[np.bool_] | None = None,
    *,
    strict: bool = False,
    workers: int = 1,
    first_query: int = 0,
) -> Integers:
    """For every threshold the number of entries of its row that are `<=` it (`<` if `strict`).

    Args:
        rows: (B, G), not changed. thresholds: (n,) ascending within each row's part.
        bounds: (B + 1,) thresholds of row b are `thresholds[bounds[b] : bounds[b + 1]]`.
        keep: (B, G) or (G,) True where an entry counts; None counts all.
        workers: threads; NumPy leaves the interpreter lock free while it compares.
        first_query: added to a row's number in error messages.

    Raises:
        ReIDError: a NaN in `rows`, naming query and gallery position.
    """
    counts = np.zeros(len(thresholds), dtype=np.int64)

    def run(begin: int, end: int) -> None:
        mask = np.empty(rows.shape[1], dtype=np.bool_)
        for b in range(begin, end):
            row = rows[b]
            if row.size and np.isnan(row.max()):
                column = int(np.flatnonzero(np.isnan(row))[0])
                raise ReIDError(
                    f"distance of query {first_query + b} to gallery entry {column} is NaN; remove or repair that feature"
                )
            part = slice(bounds[b], bounds[b + 1])
            if part.start == part.stop:
                continue
            if keep is not None:
                row = row[keep if keep.ndim == 1 else keep[b]]
            _count_row(row, thresholds[part], counts[part], mask[: len(row)], strict)

    if workers <= 1 or len(rows) < 2 * workers:
        run(0, len(rows))
    else:
        edges = np.linspace(0, len(rows), workers + 1).astype(int).tolist()
        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(run, begin, end) for begin, end in zip(edges, edges[1:], strict=False)]:
                done.result()
    return counts


def _count_row(row: Reals, thresholds: Reals, counts: Integers, mask: NDArray[np.bool_], strict: bool) -> None:
    """Fill `counts`: from the farthest threshold inwards by comparing, then by sorting the few entries that are left."""
    compare = np.less if strict else np.less_equal
    for i in range(len(thresholds) - 1, -1, -1):
        compare(row, thresholds[i], out=mask)
        counts[i] = count = np.count_nonzero(mask)
        if i and count * SORTED_COST <= i * len(row):
            nearer = row[mask]
            nearer.sort()
            counts[:i] = nearer.searchsorted(thresholds[:i], side="left" if strict else "right")
            return
