"""Probabilities and thresholds of one site: what was shipped, corrected by what its people confirmed and rejected.

A calibration is fitted on the people of a training set. A site's cameras, light and crowds are others, and its own
decisions say how far off it is there. There are few of them at first, so what was shipped is the prior: without
decisions nothing changes, and with many the decisions speak alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from reidr.core.checks import as_array, flag_array
from reidr.errors import ReIDError
from reidr.fusion.calibration import STEEPEST, Calibration, margin_of
from reidr.fusion.shipped_curve import ShippedCurve, curve_through, rates_of

Reals = NDArray[np.float64]
SHIPPED = Calibration("temperature")
"""Of a reasoner without a stored calibration: the direct score itself."""
SLOPE_SPREAD, OFFSET_SPREAD = 0.25, 0.5
"""Standard deviations of the prior: the shipped log-odds may well be a quarter too steep or too flat, and off by 0.5
everywhere. An offset of that spread weighs as much as 16 decisions of matches at P = 0.5."""
SUREST = 0.99
"""No level of an isotonic calibration counts as surer than this or its opposite: the outermost are 0 and 1, and one
decision against these would outweigh all others."""
PRIOR_SEARCHES = 100.0
"""The shipped thresholds count as much as so many searches for absent people."""


def recalibrated(shipped: Calibration | None, margins: ArrayLike, outcomes: ArrayLike) -> Calibration:
    """The calibration of a site: P = sigmoid(a · logit(P shipped) + b).

    `a` and `b` have the greatest posterior probability given the decisions (Platt's logistic regression with the prior
    a ~ N(1, `SLOPE_SPREAD`²), b ~ N(0, `OFFSET_SPREAD`²)), and a ≥ 0, so that the order of the probabilities is kept.

    Args:
        shipped: calibration of the inference profile; None where it has none. margins: (N,) log-odds of the direct
            score of each decided match (`calibration.margin_of`). outcomes: (N,) True where it was confirmed.

    Without a decision it is `shipped` itself. Raises ReIDError for lengths that differ and margins that are not finite.
    """
    start = SHIPPED if shipped is None else shipped
    given = np.asarray(as_array(margins, "margins"), dtype=np.float64)
    same = flag_array(outcomes, "outcomes", (None,)).astype(np.float64)
    if given.ndim != 1 or given.shape != same.shape:
        raise ReIDError(f"recalibration: margins {given.shape} and outcomes {same.shape} must be one equal length")
    if not np.isfinite(given).all():
        raise ReIDError(f"recalibration: margin {int(np.argmin(np.isfinite(given)))} is not finite")
    if not len(given):
        return start
    isotonic = start.method == "isotonic"
    odds = bounded_odds(start.apply(given)) if isotonic else start.slope * given + start.offset

    def loss(parameters: Reals) -> tuple[float, Reals]:
        slope, offset = parameters
        logits = slope * odds + offset
        surplus = 0.5 * (1.0 + np.tanh(0.5 * logits)) - same
        likelihood = float((np.logaddexp(0.0, logits) - same * logits).sum())
        prior = 0.5 * (((slope - 1.0) / SLOPE_SPREAD) ** 2 + (offset / OFFSET_SPREAD) ** 2)
        gradient = np.array([
            (surplus * odds).sum() + (slope - 1.0) / SLOPE_SPREAD**2,
            surplus.sum() + offset / OFFSET_SPREAD**2,
        ])  # fmt: skip
        return likelihood + prior, gradient

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, bounds=[(0.0, STEEPEST), (None, None)], method="L-BFGS-B")
    slope, offset = float(found.x[0]), float(found.x[1])
    if isotonic:
        became = 0.5 * (1.0 + np.tanh(0.5 * (slope * bounded_odds(np.array(start.became)) + offset)))
        return replace(start, became=tuple(became.tolist()))
    return Calibration("platt", slope * start.slope, slope * start.offset + offset)


def bounded_odds(probabilities: Reals) -> Reals:
    """Log-odds of probabilities, none of them surer than `SUREST`."""
    return margin_of(np.clip(probabilities, 1.0 - SUREST, SUREST))


def site_thresholds(shipped: Mapping[str, float], nearest: ArrayLike) -> dict[str, float]:
    """Thresholds of a site for each rate of false alarms that thresholds were shipped for.

    How near the nearest wrong person of a search comes is taken to be distributed as shipped, with a Dirichlet process
    (Ferguson 1973) of `PRIOR_SEARCHES` as prior: its posterior mean is the mixture of the shipped distribution and of
    what was seen here, weighted by the number of searches. A threshold is the greatest value below which that mixture
    has at most the wanted share. The shipped distribution is `ShippedCurve`.

    Args:
        shipped: by wanted false-positive identification rate as text (`"0.01"`), of a number of which smaller is
            nearer. nearest: (N,) that number of the nearest person of a search here who was rejected, one a search.

    Without a search, and where fewer than two thresholds were shipped (there is no distribution to start from), they
    are as shipped. Thresholds rise with the rate. Raises ReIDError for a rate outside (0, 1) or a value that is none.
    """
    values = np.sort(np.asarray(as_array(nearest, "nearest"), dtype=np.float64))
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ReIDError("site thresholds: the nearest rejected matches must be one list of finite numbers")
    curve = curve_through(shipped)
    if not len(values) or curve is None:
        return dict(shipped)
    return {rate: threshold_of_mixture(curve, share, values) for share, rate in rates_of(shipped)}


def threshold_of_mixture(curve: ShippedCurve, share: float, seen: Reals) -> float:
    """The greatest value at which the mixture of `curve` with the (N,) sorted values `seen` is at most `share`."""
    allowed = share * (PRIOR_SEARCHES + len(seen))
    for below in range(len(seen) + 1):
        # With so many of the seen values passed, the shipped curve may still have this share.
        value = curve.value((allowed - below) / PRIOR_SEARCHES)
        if below and value < seen[below - 1]:
            return float(np.nextafter(seen[below - 1], -np.inf))  # that value itself is one alarm too many
        if below == len(seen) or value < seen[below]:
            return value
    raise AssertionError("the last step returns")


def alarms_in_words(rate: float) -> str:
    """A rate of false alarms for reading: "at most about 1 false alarm in 100 absent people"."""
    return f"at most about 1 false alarm in {max(1, round(1.0 / rate)):,} absent people"
