"""How near the nearest wrong person of a search comes, as far as shipped thresholds tell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from reidr.core.checks import real_number
from reidr.errors import ReIDError

Reals = NDArray[np.float64]


class ShippedCurve:
    """The distribution of how near the nearest wrong person comes, through the shipped thresholds: a normal curve
    piece by piece, and straight on (in normal quantiles) beyond them."""

    def __init__(self, places: Reals, quantiles: Reals) -> None:
        """`places`: rising thresholds, two at least. `quantiles`: the standard normal quantile of each one's rate."""
        self.places, self.quantiles = places, quantiles

    def value(self, share: float) -> float:
        """The value below which this share of searches comes; -inf for 0 or less, +inf for 1 or more."""
        if not 0.0 < share < 1.0:
            return float("-inf") if share <= 0.0 else float("inf")
        quantile = float(norm.ppf(share))
        x, y = self.quantiles, self.places
        place = int(np.clip(np.searchsorted(x, quantile), 1, len(x) - 1))
        step = (quantile - x[place - 1]) / (x[place] - x[place - 1])
        return float(y[place - 1] + step * (y[place] - y[place - 1]))


def rates_of(thresholds: Mapping[str, float]) -> list[tuple[float, str]]:
    """The rates of false alarms as (number, text), rising. Raises ReIDError for one outside (0, 1)."""
    rates = sorted((real_number(float(rate), "rate"), rate) for rate in thresholds)
    if rates and not 0.0 < rates[0][0] <= rates[-1][0] < 1.0:
        raise ReIDError(f"thresholds: rates of false alarms must lie between 0 and 1, not {rates[0][0]:g}")
    return rates


def curve_through(thresholds: Mapping[str, float]) -> ShippedCurve | None:
    """The curve through thresholds by wanted rate of false alarms as text (`"0.01"`).

    None where they tell of no distribution: fewer than two distinct ones, one that falls while the rate rises, or one
    that is not finite. Raises ReIDError for a rate outside (0, 1).
    """
    rates = rates_of(thresholds)
    places = np.array([thresholds[rate] for _, rate in rates], dtype=np.float64)
    if not np.isfinite(places).all() or len(np.unique(places)) < 2 or (np.diff(places) < 0).any():
        return None
    kept = np.append(True, np.diff(places) > 0)  # of equal thresholds the one of the least rate
    return ShippedCurve(places[kept], norm.ppf(np.array([rate for rate, _ in rates])[kept]))
