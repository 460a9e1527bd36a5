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


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def products(vectors: NDArray[Any], rows: NDArray[Any], query: NDArray[Any], scores: NDArray[Any]) -> None:
    """scores[i] = the inner product of the query with row rows[i]."""
    for place in range(rows.shape[0]):
        row = vectors[rows[place]]
        total = np.float32(0)
        for number in range(query.shape[0]):
            total += row[number] * query[number]
        scores[place] = total


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
                part[place] += ones(column[place] ^ mine)


@numba.njit(cache=True, nogil=True)
def frequencies(values: NDArray[Any], counts: NDArray[Any]) -> None:
    """counts[j, v] grows by how many of `values` are v; J rows in turn, since a sum must not wait for the one before."""
    for first in range(0, values.shape[0], counts.shape[0]):
        for turn in range(min(counts.shape[0], values.shape[0] - first)):
            counts[turn, values[first + turn]] += 1
