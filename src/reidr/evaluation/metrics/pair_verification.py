"""Pair verification: is P(same) a better judge than the retriever's distance, on the pairs that it proposes?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.core.checks import check_shape, flag_array, plain_array, real_array
from reidr.errors import ReIDError
from reidr.evaluation.metrics.oracle_gain import share_of_oracle_gain
from reidr.evaluation.metrics.roc_area import roc_area
from reidr.evaluation.metrics.statistics import bootstrap_interval, draw_rows
from reidr.fusion.weighted import fused_distances
from reidr.retrieval.average_precision import hits_in_order, precision_sums
from reidr.retrieval.ranked_list import RankedList

Interval = tuple[float, float]


@dataclass(frozen=True)
class PairVerification:
    """On the first k candidates of each query: areas under the ROC curve over pairs, and ranking by the fused distance.

    Attributes:
        pairs: how many, `positive` of them of one person. weight: of the fusion.
        distance, alone, fused: areas of the retriever's distance, of the reasoner, of both.
        gain: 95 % interval of fused - distance, bootstrap over persons (or queries, where those are not given).
        rank1, mean_average_precision: (retriever, fused) as shares of 1, over queries with a match in the gallery.
        rank1_gain, map_gain: 95 % paired bootstrap intervals of the differences.
        share_of_oracle_gain: in Rank-1, on the first k (see `oracle_gain.py`).
    """

    pairs: int
    positive: int
    weight: float
    distance: float
    alone: float
    fused: float
    gain: Interval
    rank1: tuple[float, float]
    rank1_gain: Interval
    mean_average_precision: tuple[float, float]
    map_gain: Interval
    share_of_oracle_gain: float


def measure_pair_verification(
    ranked: RankedList,
    probabilities: NDArray[np.float64],
    truth: NDArray[np.bool_],
    matches: NDArray[np.int64],
    weight: float,
    people: NDArray[np.str_] | None = None,
) -> PairVerification:
    """Compare distance, reasoner and their fusion (`fuse`) at a `weight` that was chosen on other people.

    Args:
        probabilities: (Q, k) P(same). truth: (Q, k) whether the candidate is the query's person.
        matches: (Q,) matches in the whole gallery; queries without any take no part.
        people: (Q,) persons of the queries, over whom intervals are drawn; None: over queries.

    Ties are ordered pessimistically, matches last.
    Raises ReIDError for shapes that do not fit and values out of range, DataError where all pairs are of one kind.
    """
    fused = fused_distances(ranked, probabilities, weight)
    probabilities = real_array(probabilities, "probabilities", fused.shape, nan=True)
    truth = flag_array(truth, "truth", fused.shape)
    matches = np.asarray(real_array(matches, "matches", (len(ranked),)), dtype=np.int64)
    if people is not None:
        people = plain_array(people, "people")
        check_shape(people, "people", (len(ranked),))
    kept = np.flatnonzero(matches > 0)
    columns = probabilities.shape[1]
    distances = ranked.distances[:, :columns]
    known = np.isfinite(distances) & ~np.isnan(probabilities)
    own = kept if people is None else people[kept]
    every, *draws = _draws(kept, own)
    # A draw of few queries may hold one kind of pair only; it has no area and says nothing about the gain.
    mixed = [rows for rows in draws if np.unique(truth[rows][known[rows]]).size == 2]
    areas = [_areas(rows, distances, probabilities, fused, truth, known) for rows in (every, *mixed)]
    ranks = [rank_first(each[kept], truth[kept], matches[kept]) for each in (distances, fused)]
    (first_before, precision_before), (first_after, precision_after) = ranks
    gains = np.array([area[2] - area[0] for area in areas[1:]])
    low, high = np.quantile(gains, (0.025, 0.975)) if len(gains) else (np.nan, np.nan)
    oracle = float(truth[kept].any(axis=1).mean())
    return PairVerification(
        int(known[kept].sum()),
        int((truth & known)[kept].sum()),
        weight,
        *areas[0],
        (float(low), float(high)),
        (float(first_before.mean()), float(first_after.mean())),
        bootstrap_interval(first_after - first_before, groups=own),
        (float(precision_before.mean()), float(precision_after.mean())),
        bootstrap_interval(precision_after - precision_before, groups=own),
        share_of_oracle_gain(float(first_before.mean()), float(first_after.mean()), oracle),
    )


def pair_areas(
    scores: Mapping[str, NDArray[np.float64]],
    truth: NDArray[np.bool_],
    rows: NDArray[np.int64],
    base: str,
    seed: int = 0,
    people: NDArray[np.str_] | None = None,
) -> dict[str, dict[str, float | list[float]]]:
    """Areas under the ROC curve over the pairs that every score knows, and how much more each has than `base`.

    Args:
        scores: by name (Q, k), larger for one person, NaN where unknown. truth: (Q, k). rows: queries that take part.
        people: (rows,) their persons, over whom intervals are drawn; None: over queries.

    Returns:
        By name `area`, and for all but `base` the 95 % bootstrap interval of `gain`; empty where all pairs are of one
        kind.

    Raises ReIDError for shapes that do not fit, and a `base` that is no score.
    """
    truth = flag_array(truth, "truth", (None, None))
    if not isinstance(scores, Mapping) or base not in scores:
        raise ReIDError(f"pair areas: scores must be a mapping by name that has the base {base!r}")
    scores = {name: real_array(each, name, truth.shape, nan=True, infinite=True) for name, each in scores.items()}
    known = np.logical_and.reduce([np.isfinite(values) for values in scores.values()])
    own = rows if people is None else people
    every, *draws = [each for each in _draws(rows, own, seed) if np.unique(truth[each][known[each]]).size == 2] or [
        rows[:0]
    ]
    if not len(every):
        return {}

    def areas(some: NDArray[np.int64]) -> dict[str, float]:
        use = known[some]
        return {name: roc_area(values[some][use], truth[some][use]) for name, values in scores.items()}

    found: dict[str, dict[str, float | list[float]]] = {name: {"area": area} for name, area in areas(every).items()}
    drawn = [areas(some) for some in draws]
    for name in scores:
        if name != base and drawn:
            gains = np.quantile([each[name] - each[base] for each in drawn], (0.025, 0.975))
            found[name]["gain"] = gains.tolist()
    return found


def _draws(rows: NDArray[np.int64], groups: NDArray[Any], seed: int = 0, number: int = 300) -> list[NDArray[np.int64]]:
    """All rows, then `number` bootstrap samples of them, drawn by whole groups."""
    random = np.random.default_rng(seed)
    return [rows, *(rows[draw_rows(groups, random)] for _ in range(number if len(rows) else 0))]


def _areas(
    rows: NDArray[np.int64],
    distances: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    fused: NDArray[np.float64],
    truth: NDArray[np.bool_],
    known: NDArray[np.bool_],
) -> tuple[float, float, float]:
    use = known[rows]
    same = truth[rows][use]
    each = (-distances, probabilities, -fused)
    first, second, third = (roc_area(scores[rows][use], same) for scores in each)
    return first, second, third


def rank_first(
    distances: NDArray[np.float64], truth: NDArray[np.bool_], matches: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per query: first candidate right, and average precision over the first k (later matches count as missed)."""
    hits = hits_in_order(distances, truth)
    return hits[:, 0].astype(float), precision_sums(hits) / matches
