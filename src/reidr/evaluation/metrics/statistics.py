"""Intervals: how much of a number, or of a difference, is chance.

Queries of one person are not independent: a person who resembles others does so in every picture. So where `groups`
name the persons, whole persons are resampled, with all their queries (Field and Welsh 2007); on Market-1501, with 4.5
queries a person, intervals over single queries are too narrow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.core.checks import as_array, group_numbers, real_number, whole_number
from reidr.errors import ReIDError

LARGEST = 1e200  # sums and differences of such values stay finite
FEWEST_CASES = 20
"""Queries or pairs below which a figure or a number is given with a warning."""


def bootstrap_interval(
    values: ArrayLike, *, groups: ArrayLike | None = None, draws: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of per-query `values` (N,); (0, 0) for no values (Efron 1979).

    `groups` (N,): labels of the persons; None: every value is a case of its own. One group, or one value, gives an
    interval of no width, which says nothing of chance. `draws`: at least 1. `level`: within
    (0, 1). Raises ReIDError for a NaN, the mark of a query without a match, or an infinite value; for a group that is
    unknown; where groups and values are not of one length; and for draws, level or seed out of range.
    """
    means = bootstrap_means(per_query_values(values, "values"), draws, seed, groups)
    return percentiles(means, level)


def paired_bootstrap(
    ours: ArrayLike,
    theirs: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of the mean difference `ours - theirs` of the same queries, resampled together; `groups` as above.

    Raises ReIDError when the two are not of one length, and as `bootstrap_interval`.
    """
    first, second = per_query_values(ours, "ours"), per_query_values(theirs, "theirs")
    if first.shape != second.shape:
        raise ReIDError(f"paired bootstrap: {first.shape} and {second.shape} values are not of the same queries")
    return percentiles(bootstrap_means(first - second, draws, seed, groups), level)


def draw_rows(groups: ArrayLike, random: np.random.Generator) -> NDArray[np.int64]:
    """The rows of one bootstrap sample: as many groups as there are, drawn with replacement, each with all its rows.

    Raises ReIDError for a group that is unknown (None, NaN), and for no rows at all.
    """
    place, number = group_numbers(groups, "groups")
    if not number:
        raise ReIDError("groups: there is no row to draw from")
    by_group = np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1])
    drawn = random.integers(len(by_group), size=len(by_group))
    return np.concatenate([by_group[each] for each in drawn])


def bootstrap_means(
    values: NDArray[np.float64], draws: int, seed: int, groups: ArrayLike | None
) -> NDArray[np.float64]:
    """(draws,) means of `values` (N,) resampled by whole groups. Raises ReIDError for draws or seed out of range."""
    draws, seed = whole_number(draws, "draws", least=1), whole_number(seed, "seed", least=0)
    if groups is None:
        place = np.arange(len(values))
    else:
        place, _ = group_numbers(groups, "groups", len(values))
    if not len(values):
        return np.zeros(1)
    total, count = np.bincount(place, weights=values), np.bincount(place).astype(float)
    random = np.random.default_rng(seed)
    means = []
    # Blocks of draws: 1,000 resamples of 12,000 queries at once would take 90 MB.
    for start in range(0, draws, 100):
        drawn = random.integers(len(total), size=(min(100, draws - start), len(total)))
        means.append(total[drawn].sum(axis=1) / count[drawn].sum(axis=1))
    return np.concatenate(means)


def per_query_values(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """(N,) finite numbers; truths count as 1 and 0. Raises ReIDError for anything else."""
    array = np.asarray(as_array(values, name, truths=True), dtype=np.float64)
    if array.ndim != 1:
        raise ReIDError(f"{name} must be one number per query, not an array of shape {array.shape}")
    if (np.abs(array) > LARGEST).any():  # NaN is not
        position = int(np.argmax(np.abs(array) > LARGEST))
        if np.isfinite(array[position]) and not np.isnan(array).any():
            raise ReIDError(f"{name}: value {position} is {array[position]:g}, too large to be added up")
    if not np.isfinite(array).all():
        position = int(np.argmin(np.isfinite(array)))
        what = "NaN; leave out queries without a match first"
        if not np.isnan(array[position]):
            what = f"{array[position]}; every value must be finite"
        raise ReIDError(f"{name}: value {position} is {what}")
    return array


def percentiles(means: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """Lower and upper end of the central `level` of resampled means. Raises ReIDError for a level outside (0, 1)."""
    level = real_number(level, "level", least=0.0, most=1.0, inside=True)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
