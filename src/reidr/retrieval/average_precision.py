"""The one definition of precision at a match, for whole rankings and for the head of a list alike.

It stands in this room because fusion weights are chosen by it and rankings are measured by it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]


def precision_at_matches(order: NDArray[Any], ranks: NDArray[Any]) -> Reals:
    """Precision at a query's i-th match (`order`, from 1) that stands at a rank (`ranks`, from 1): i / rank."""
    return np.asarray(order / ranks)


def hits_in_order(distances: Reals, truth: Flags) -> Flags:
    """(Q, m) `truth` sorted by rising `distances` (Q, m); of equal distances matches come last (pessimistic)."""
    return np.take_along_axis(truth, np.lexsort((truth, distances), axis=1), axis=1)


def precision_sums(hits: Flags) -> Reals:
    """(Q,) sums of the precisions at the matches of `hits` (Q, m), True where the list has a match.

    Divided by the number of a query's matches it is average precision; matches beyond the m places then count as never
    found.
    """
    ranks = np.arange(1, hits.shape[1] + 1)
    return np.asarray((precision_at_matches(np.cumsum(hits, axis=1), ranks) * hits).sum(axis=1))
