"""From the ranks of each query's matches to average precision, first match, INP and CMC, under a stated tie policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Ties = Literal["pessimistic", "optimistic", "expected"]
Integers = NDArray[np.int64]
Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Matches:
    """Every match of every query, flat, sorted by query and then by distance.

    Attributes:
        query: (n,) query position. tied: (n,) True where a match is as far as the match before it in the same query.
        nearer: (n,) counted non-matches strictly nearer. not_farther: (n,) counted non-matches not farther.
    """

    query: Integers
    tied: NDArray[np.bool_]
    nearer: Integers
    not_farther: Integers


@dataclass(frozen=True, eq=False)
class PerQuery:
    """(Q,) average precision, first match's rank, INP, number of matches, and (Q, R) chance of a match within rank r."""

    average_precision: Reals
    first_match_rank: Reals
    inverse_negative_penalty: Reals
    matches: Integers
    hits: Reals


def per_query(found: Matches, queries: int, ties: Ties, maximum_rank: int) -> PerQuery:
    """Per-query values; NaN (0 for the number of matches) where a query has no match.

    A match's rank is its place among the matches plus the non-matches put before it: all that are not farther
    (pessimistic), or only those strictly nearer (optimistic). `expected` is the exact mean over all orders of tied
    entries (McSherry and Najork, ECIR 2008). INP is the number of matches over the last match's rank (Ye et al. 2021).
    """
    number = np.bincount(found.query, minlength=queries)
    begin = np.cumsum(number) - number
    ordinal = np.arange(len(found.query)) - begin[found.query] + 1
    before = found.nearer if ties == "optimistic" else found.not_farther
    rank = before + ordinal
    gain = ordinal / rank
    some = np.flatnonzero(number)
    first, last = np.full(queries, np.nan), np.full(queries, np.nan)
    first[some] = rank[begin[some]]
    last[some] = rank[begin[some] + number[some] - 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        penalty = number / last
    hits = (first[:, None] <= np.arange(1, maximum_rank + 1)).astype(np.float64)
    hits[number == 0] = np.nan
    if ties == "expected":
        _expect(found, ordinal, number, gain, first, penalty, hits)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.bincount(found.query, weights=gain, minlength=queries) / number
    return PerQuery(precision, first, penalty, number, hits)


def _expect(
    found: Matches, ordinal: Integers, number: Integers, gain: Reals, first: Reals, penalty: Reals, hits: Reals
) -> None:
    """Replace, in place, what groups of tied matches and non-matches add by its mean over all orders of the group.

    Groups are few, and summing them term by term avoids the cancellation of the closed form with harmonic numbers.
    """
    starts = np.flatnonzero(~found.tied)
    sizes = np.diff(np.append(starts, len(found.tied)))
    mixed = found.not_farther[starts] > found.nearer[starts]
    for start, size in zip(starts[mixed].tolist(), sizes[mixed].tolist(), strict=True):
        query = int(found.query[start])
        earlier = int(ordinal[start]) - 1
        ahead = int(found.nearer[start]) + earlier
        others = int(found.not_farther[start] - found.nearer[start])
        total = size + others
        place = np.arange(1, total + 1)
        # At each place of the group: chance of a match there, times the expected precision if there is one.
        precision = (earlier + 1 + (place - 1) * ((size - 1) / (total - 1))) / (ahead + place)
        gain[start : start + size] = precision.sum() / total
        if earlier == 0:
            first[query] = ahead + (total + 1) / (size + 1)
            steps = np.arange(min(total, max(hits.shape[1] - ahead, 0)))
            none_yet = np.cumprod(np.maximum(others - steps, 0) / (total - steps))
            hits[query] = 1.0
            hits[query, :ahead] = 0.0
            hits[query, ahead : ahead + len(steps)] = 1.0 - none_yet
        if earlier + size == number[query]:
            # Chance that the last match stands at `place`, from the last place down: P(m - 1) = P(m) (m - size) / (m - 1).
            down = place[:0:-1]
            chance = (size / total) * np.cumprod(np.concatenate([[1.0], (down - size) / (down - 1)]))
            penalty[query] = number[query] * (chance / (ahead + place[::-1])).sum()
