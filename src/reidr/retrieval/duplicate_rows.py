"""Rows of features that occur more than once: equal rows must get equal distances, or ties are broken by rounding.

A matrix product sums a column in another order where it stands at the edge of a block of the processor's kernel, so two
equal rows may get cosines a hair apart. Whoever ranks by such products finds the copies once, before the products, and
gives each copy the value of the first of its kind. Rows that differ are left as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.errors import ReIDError

Reals = NDArray[np.floating[Any]]
BLOCK = 512


@dataclass(frozen=True, eq=False)
class Copies:
    """Positions of rows that repeat an earlier one (`later`), and of the first of their kind (`first`), (n,) each."""

    later: NDArray[np.int64]
    first: NDArray[np.int64]

    def level(self, products: NDArray[Any]) -> None:
        """Give the columns of `products` (B, N) that stand for equal rows equal values, in place."""
        if len(self.later):
            products[:, self.later] = products[:, self.first]


def find_copies(features: Reals) -> Copies:
    """Which rows of `features` (N, D) equal an earlier row, number by number (0 and -0 are equal).

    Rows are distinguished by 64-bit sums of integers, which no order of summation can change: one pass over the
    features, less than a hundredth of the time of a search in them. Rows of one sum are compared.
    """
    sums = _sums(features)
    order = np.argsort(sums, kind="stable")
    opens = np.ones(len(order), dtype=bool)
    opens[1:] = sums[order[1:]] != sums[order[:-1]]
    later, first = order[~opens], order[opens][np.cumsum(opens) - 1][~opens]
    equal = np.empty(len(later), dtype=bool)
    for start in range(0, len(later), BLOCK):
        part = slice(start, start + BLOCK)
        equal[part] = (features[later[part]] == features[first[part]]).all(axis=1)
    return Copies(later[equal], first[equal])


def _sums(features: Reals) -> NDArray[np.uint64]:
    """(N,) a sum of each row's bits times odd random numbers, modulo 2^64."""
    if features.ndim != 2:
        raise ReIDError(f"features must have the shape (rows, numbers), not {features.shape}")
    number, columns = features.shape
    word = 8 // features.itemsize
    padded = -(-columns // word) * word
    factors = np.random.default_rng(0).integers(0, 2**63, padded // word, dtype=np.uint64) * 2 + 1
    sums = np.empty(number, dtype=np.uint64)
    room = np.zeros((min(BLOCK, number), padded), dtype=features.dtype)
    for start in range(0, number, BLOCK):
        part = features[start : start + BLOCK]
        np.add(part, 0, out=room[: len(part), :columns])  # -0 becomes 0
        np.einsum("ij,j->i", room[: len(part)].view(np.uint64), factors, out=sums[start : start + BLOCK])
    return sums
