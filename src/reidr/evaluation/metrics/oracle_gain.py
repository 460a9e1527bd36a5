"""Share of oracle gain: how much a re-ranker could gain on the first k crops, and how much of it a given one gained."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.core.checks import flag_array, instance_of, plain_array, real_number
from reidr.errors import ReIDError
from reidr.evaluation.metrics.names import values_per_query
from reidr.evaluation.metrics.ranking_result import RankingResult
from reidr.evaluation.metrics.statistics import bootstrap_means, per_query_values, percentiles
from reidr.retrieval.ranked_list import RankedList


def oracle_at_k(ranked: RankedList, is_match: NDArray[np.bool_]) -> RankedList:
    """What a perfect verifier makes of the first k crops: the matches first, the order otherwise kept.

    Args:
        ranked: the retriever's list, without crops that the protocol ignores.
        is_match: (Q, k) True where a crop shows the query's person; k ≤ `ranked.k`, what follows stays.

    Rank-1 of the result is the share of queries with a match among their first k crops (recall@k).
    Raises ReIDError when `is_match` does not fit `ranked`, or holds anything but truths.
    """
    instance_of(ranked, RankedList, "ranked")
    is_match = plain_array(is_match, "is_match")
    if is_match.ndim != 2 or len(is_match) != len(ranked) or is_match.shape[1] > ranked.k:
        raise ReIDError(f"is_match {is_match.shape} does not fit a ranked list of ({len(ranked)}, {ranked.k})")
    is_match = flag_array(is_match, "is_match", is_match.shape)
    distances = ranked.distances[:, : is_match.shape[1]]
    finite = np.where(np.isfinite(distances), distances, 0.0)
    span = finite.max(axis=1, keepdims=True, initial=0.0) - finite.min(axis=1, keepdims=True, initial=0.0)
    # One span and more between the last match and the first wrong crop, whatever their distances were.
    behind = np.where(is_match, distances, distances + span + 1.0)
    return ranked.reordered(behind, f"oracle@{is_match.shape[1]}")


def share_of_oracle_gain(base: float, ours: float, oracle: float) -> float:
    """Share of the possible gain that was made: (ours - base) / (oracle - base); NaN where nothing could be gained.

    1 is a perfect verifier, 0 one that changes nothing, below 0 one that does harm. Raises ReIDError where the oracle
    is below the base, which a perfect verifier on the same list cannot be, and for anything but finite numbers.
    """
    base, ours, oracle = real_number(base, "base"), real_number(ours, "ours"), real_number(oracle, "oracle")
    if oracle < base:
        raise ReIDError(f"oracle {oracle:g} is below base {base:g}; they were not measured on the same list")
    return (ours - base) / (oracle - base) if oracle > base else float("nan")


def shares_of_oracle_gain(
    base: RankingResult, ours: RankingResult, oracle: RankingResult, people: NDArray[Any]
) -> dict[str, Any]:
    """The share in every compared metric, by key, and beside it `KEY_interval`, resampled over `people` (E,) of the
    queries with a match; None where nothing could be gained, or where one person is all there is."""
    shares: dict[str, Any] = {}
    tables = [values_per_query(result) for result in (base, ours, oracle)]
    for key in tables[0]:
        values = [table[key] for table in tables]
        means = [float(each.mean()) if len(each) else 0.0 for each in values]
        # The base may lie above the oracle: its whole list is measured, the oracle's first k alone are sorted.
        share = share_of_oracle_gain(means[0], means[1], max(means[0], means[2]))
        interval = oracle_gain_interval(*values, groups=people)
        shares[key] = None if np.isnan(share) else share
        unknown = len(set(people)) < 2 or np.isnan(interval).any()  # one person cannot be resampled
        shares[f"{key}_interval"] = None if unknown else list(interval)
    return shares


def oracle_gain_interval(
    base: ArrayLike,
    ours: ArrayLike,
    oracle: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of the share of oracle gain, `mean(ours - base) / mean(oracle - base)`, over the same queries.

    Arguments as `bootstrap_interval`. Draws in which the oracle gains nothing have no share and are left out; (NaN,
    NaN) where none is left. Raises ReIDError when the three are not of one length, and as `bootstrap_interval`.
    """
    given = {"base": base, "ours": ours, "oracle": oracle}
    values = [per_query_values(each, name) for name, each in given.items()]
    if len({each.shape for each in values}) != 1:
        raise ReIDError(f"oracle gain: {[each.shape for each in values]} values are not of the same queries")
    # One seed, one number of queries: both resample the same ones.
    gained = bootstrap_means(values[1] - values[0], draws, seed, groups)
    possible = bootstrap_means(values[2] - values[0], draws, seed, groups)
    some = possible > 0
    return percentiles(gained[some] / possible[some]) if some.any() else (float("nan"), float("nan"))
