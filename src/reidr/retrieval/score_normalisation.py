"""Distances in units of a query's own neighbourhood: what survives a change of scene.

A retriever's distances grow and shrink with the scene (crowds, light, resolution), so one threshold does not fit two
scenes. Each query's own farther candidates tell what a wrong candidate looks like here: the z-norm of speaker
verification, with the gallery as the cohort (Auckenthaler, Carey and Lloyd-Thomas, 2000, where a fixed cohort of other
people gives the test norm).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.core.checks import as_array, instance_of, whole_number
from reidr.errors import ReIDError
from reidr.retrieval.ranked_list import RankedList

Reals = NDArray[np.float64]
LEAST = 3  # candidates from which a mean and a spread can be told
NO_SPREAD = 1e-9


def z_norm(ranked: RankedList, first: int = 11, last: int = 50) -> tuple[Reals, Reals]:
    """Mean and standard deviation of each query's distances at ranks `first` to `last`, (Q,) each.

    Ranks before `first` are left out because they may be matches; ranks beyond the list are left out too.
    Raises ReIDError where a query has fewer than 3 candidates there, or all of them at one distance.
    """
    instance_of(ranked, RankedList, "ranked")
    check_ranks(first, last)
    part = ranked.distances[:, first - 1 : last]
    there = np.isfinite(part)
    count = there.sum(axis=1)
    if (count < LEAST).any():
        row = int(np.argmax(count < LEAST))
        raise ReIDError(
            f"neighbourhood: query {ranked.query_ids[row]} has {count[row]} candidates from rank {first} on and needs"
            f" {LEAST}; list more candidates or begin at a smaller rank"
        )
    known = np.where(there, part, 0.0)
    mean = known.sum(axis=1) / count
    spread = np.sqrt(np.where(there, (part - mean[:, None]) ** 2, 0.0).sum(axis=1) / count)
    if (spread < NO_SPREAD).any():
        row = int(np.argmin(spread))
        raise ReIDError(f"neighbourhood: all candidates of query {ranked.query_ids[row]} are at one distance")
    return mean, spread


def check_ranks(first: int, last: int) -> None:
    """Raises ReIDError unless 1 ≤ first ≤ last, both whole numbers."""
    first, last = whole_number(first, "first"), whole_number(last, "last")
    if not 1 <= first <= last:
        raise ReIDError(f"neighbourhood: ranks {first} to {last} are no range")


def has_z_norm(ranked: RankedList, first: int = 11, last: int = 50) -> bool:
    """Whether every query has a `z_norm`: small galleries and equal distances leave none.

    Raises ReIDError for ranks that are no range.
    """
    instance_of(ranked, RankedList, "ranked")
    check_ranks(first, last)
    part = ranked.distances[:, first - 1 : last]
    there = np.isfinite(part)
    if part.shape[1] < LEAST or (there.sum(axis=1) < LEAST).any():
        return False
    highest = np.where(there, part, -np.inf).max(axis=1)
    return bool((highest - part.min(axis=1) > LEAST * NO_SPREAD).all())


def normalised_distances(ranked: RankedList, first: int = 11, last: int = 50) -> Reals:
    """(Q, k) `(d - mean) / spread` of each query's `z_norm`; +inf where padded. Below 0: nearer than that."""
    mean, spread = z_norm(ranked, first, last)
    return (ranked.distances - mean[:, None]) / spread[:, None]


def cohort_normalised(ranked: RankedList, cohort: ArrayLike) -> Reals:
    """(Q, k) distances normalised by each query's distances to a fixed cohort of other people, (Q, C) (T-norm).

    Raises ReIDError for shapes that do not fit, fewer than 3 of a cohort, or no spread.
    """
    instance_of(ranked, RankedList, "ranked")
    others = np.asarray(as_array(cohort, "cohort"), dtype=np.float64)
    if others.ndim != 2 or len(others) != len(ranked) or others.shape[1] < LEAST:
        raise ReIDError(f"cohort distances {others.shape} do not fit {len(ranked)} queries and at least {LEAST} others")
    with np.errstate(invalid="ignore"):  # what is not finite is refused below
        spread = others.std(axis=1)
    if not (spread >= NO_SPREAD).all():
        raise ReIDError("cohort distances of a query are not finite, or all the same")
    return (ranked.distances - others.mean(axis=1)[:, None]) / spread[:, None]
