"""Intervals over queries: how much of a number, or of a difference, is chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.errors import ReIDError


def bootstrap_interval(
    values: ArrayLike, *, draws: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of per-query `values` (N,); (0, 0) for no values (Efron 1979).

    Raises ReIDError for a NaN, the mark of a query without a match.
    """
    means = _bootstrap_means(np.asarray(values, dtype=float), draws, seed)
    return _percentiles(means, level)


def paired_bootstrap(
    ours: ArrayLike, theirs: ArrayLike, *, draws: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Interval of the mean difference `ours - theirs` of the same queries, resampled together.

    Raises ReIDError when the two are not of one length, or hold NaN.
    """
    first, second = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    if first.shape != second.shape:
        raise ReIDError(f"paired bootstrap: {first.shape} and {second.shape} values are not of the same queries")
    return _percentiles(_bootstrap_means(first - second, draws, seed), level)


def headroom_interval(
    base: ArrayLike, ours: ArrayLike, oracle: ArrayLike, *, draws: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Interval of the captured headroom, `mean(ours - base) / mean(oracle - base)`, over the same queries.

    Draws in which the oracle gains nothing have no share and are left out; (NaN, NaN) where none is left.
    Raises ReIDError when the three are not of one length, or hold NaN.
    """
    values = [np.asarray(each, dtype=float) for each in (base, ours, oracle)]
    if len({each.shape for each in values}) != 1:
        raise ReIDError(f"headroom: {[each.shape for each in values]} values are not of the same queries")
    # One seed, one number of queries: both resample the same ones.
    gained = _bootstrap_means(values[1] - values[0], draws, seed)
    possible = _bootstrap_means(values[2] - values[0], draws, seed)
    some = possible > 0
    return _percentiles(gained[some] / possible[some], level) if some.any() else (float("nan"), float("nan"))


def _bootstrap_means(values: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.float64]:
    if np.isnan(values).any():
        position = int(np.flatnonzero(np.isnan(values))[0])
        raise ReIDError(f"bootstrap: value {position} is NaN; leave out queries without a match first")
    if not len(values):
        return np.zeros(1)
    random = np.random.default_rng(seed)
    # Blocks of draws: 1,000 resamples of 12,000 queries at once would take 90 MB.
    means = [
        values[random.integers(len(values), size=(min(100, draws - start), len(values)))].mean(axis=1)
        for start in range(0, draws, 100)
    ]
    return np.concatenate(means)


def _percentiles(means: NDArray[np.float64], level: float) -> tuple[float, float]:
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
