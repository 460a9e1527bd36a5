"""The inner loops of searching, compiled; imported only where numba is installed (`reidr[fast]`).

What it wins: chosen rows are read where they lie, in place of being copied together first; bits are compared and
counted in one pass. The machine code is kept in numba's cache, so it is made once per machine.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

BLOCK = 4096  # rows whose counts stay in the fastest cache


FAST = {"reassoc", "contract", "nsz"}


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def products(vectors: NDArray[Any], rows: NDArray[Any], query: NDArray[Any], scores: NDArray[Any]) -> None:
    """scores[i] = the inner product of the query with row rows[i]. Four rows at a time: their reading overlaps."""
    whole = rows.shape[0] - rows.shape[0] % 4
    for place in range(0, whole, 4):
        first, second = vectors[rows[place]], vectors[rows[place + 1]]
        third, fourth = vectors[rows[place + 2]], vectors[rows[place + 3]]
        one, two, three, four = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for number in range(query.shape[0]):
            value = query[number]
            one += first[number] * value
            two += second[number] * value
            three += third[number] * value
            four += fourth[number] * value
        scores[place], scores[place + 1], scores[place + 2], scores[place + 3] = one, two, three, four
    for place in range(whole, rows.shape[0]):
        row = vectors[rows[place]]
        total = np.float32(0)
        for number in range(query.shape[0]):
            total += row[number] * query[number]
        scores[place] = total


@numba.njit(cache=True, nogil=True)
def greatest(scores: NDArray[Any], k: int) -> Any:
    """The k-th greatest of N scores; minus infinity where there are fewer."""
    kept = np.full(k, np.float32(-np.inf))
    for score in scores:
        if score > kept[0]:
            place = 1
            while place < k and kept[place] < score:
                kept[place - 1] = kept[place]
                place += 1
            kept[place - 1] = score
    return kept[0]


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def exact(vectors: NDArray[Any], rows: NDArray[Any], query: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of some rows those that are not zero, and their cosine distances to the query in float64."""
    found = np.empty(rows.shape[0], dtype=np.int64)
    distances = np.empty(rows.shape[0], dtype=np.float64)
    number = 0
    for place in range(rows.shape[0]):
        row = vectors[rows[place]]
        total, square = 0.0, 0.0
        for column in range(query.shape[0]):
            value = np.float64(row[column])
            total += value * np.float64(query[column])
            square += value * value
        if square > 0.5:
            found[number] = rows[place]
            distances[number] = min(2.0, max(0.0, 1.0 - total))
            number += 1
    return found[:number], distances[:number]


@numba.njit(cache=True, nogil=True)
def among(
    vectors: NDArray[Any], rows: NDArray[Any], query: NDArray[Any], k: int, rounding: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of `rows` the k nearest and all that come as near but for rounding, with their distances."""
    scores = np.empty(rows.shape[0], dtype=np.float32)
    products(vectors, rows, query, scores)
    least = greatest(scores, k) - rounding
    return exact(vectors, rows[scores >= least], query)


@intrinsic
def ones(_typing: Any, word: Any) -> Any:
    """How many bits of a word are set: one instruction of the processor."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@numba.njit(cache=True, nogil=True)
def differences(words: NDArray[Any], own: NDArray[Any], found: NDArray[Any]) -> None:
    """found[i] = in how many bits column i of (W, N) words differs from the W words `own`."""
    for first in range(0, found.shape[0], BLOCK):
        part = found[first : first + BLOCK]
        part[:] = 0
        for word in range(own.shape[0]):
            column = words[word, first : first + BLOCK]
            mine = own[word]
            for place in range(part.shape[0]):
                part[place] += ones(column[place] ^ mine)  # type: ignore[call-arg, unused-ignore]  # numba passes the first one


@numba.njit(cache=True, nogil=True)
def frequencies(values: NDArray[Any], counts: NDArray[Any]) -> None:
    """counts[j, v] grows by how often v occurs; J rows by turns, since a sum must not wait for the one before."""
    for first in range(0, values.shape[0], counts.shape[0]):
        for turn in range(min(counts.shape[0], values.shape[0] - first)):
            counts[turn, values[first + turn]] += 1
