"""Metrics of queries whose matches share their distance with wrong crops, as expected values over random tie order.

McSherry and Najork, "Computing information retrieval performance measures efficiently in the presence of tied scores"
(ECIR 2008). Every order of the tied crops is equally likely; nothing is sampled.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def expected_precision_sum(before: int, earlier: int, crops: int, matches: int) -> float:
    """Expected sum of the precisions at the matches of one group of tied crops.

    Args:
        before: crops nearer than the group. earlier: matches among them.
        crops: size of the group. matches: matches in it.

    At place i of the group stands a match with probability matches/crops, and then earlier + 1 + (i - 1)(matches - 1) /
    (crops - 1) matches are expected among the first before + i crops.
    """
    place = np.arange(1, crops + 1)
    others = (place - 1) * (matches - 1) / max(crops - 1, 1)
    return float(np.sum((earlier + 1 + others) / (before + place)) * matches / crops)


def expected_trapezoid_sum(before: int, earlier: int, crops: int, matches: int) -> float:
    """Expected sum of `trapezoid_precisions` at the matches of one group of tied crops; arguments as above."""
    place = np.arange(1, crops + 1)
    others = (place - 1) * (matches - 1) / max(crops - 1, 1)
    precision_before = np.ones(crops)
    behind = before + place > 1
    precision_before[behind] = (earlier + others[behind]) / (before + place[behind] - 1)
    return 0.5 * (
        expected_precision_sum(before, earlier, crops, matches) + float(np.sum(precision_before)) * matches / crops
    )


def trapezoid_precisions(order: NDArray[np.int64], ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """What a query's i-th match (`order`) at a rank adds in Market-1501's evaluation code (`compute_AP.m`, 2015).

    Half the precision at the match, i / rank, and half that at the place before it, (i - 1) / (rank - 1), which counts
    as 1 before the first place.
    """
    earlier = np.ones(len(ranks))
    np.divide(order - 1, ranks - 1, out=earlier, where=ranks > 1)
    return np.asarray(0.5 * (order / ranks + earlier))


def chance_of_match(crops: int, matches: int, places: int) -> NDArray[np.float64]:
    """(places,) probability that a match is among the first 1, 2, … places of one group of tied crops."""
    place = np.arange(min(places, crops))
    none_yet = np.cumprod(np.maximum(crops - matches - place, 0) / (crops - place))
    chance = np.ones(places)
    chance[: len(place)] = 1 - none_yet
    return chance


def expected_first_rank(before: int, crops: int, matches: int) -> float:
    """Expected rank of the first match of one group of tied crops: negative hypergeometric."""
    return before + (crops + 1) / (matches + 1)


def expected_inverse_rank_of_last(before: int, crops: int, matches: int) -> float:
    """Expected 1 / rank of the last match of one group of tied crops.

    The last match stands at place p with probability C(p - 1, matches - 1) / C(crops, matches).
    """
    place = np.arange(crops, matches - 1, -1)
    # Each place's probability from the one behind it, starting with matches/crops at the very end.
    ratio = (place[:-1] - matches) / (place[:-1] - 1)
    chance = np.concatenate([[1.0], np.cumprod(ratio)]) * matches / crops
    return float(np.sum(chance / (before + place)))
