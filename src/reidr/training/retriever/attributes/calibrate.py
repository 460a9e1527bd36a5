"""From logits to probabilities: Platt's two numbers for every value, on people that the network never saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from reidr.data.types import Crop
from reidr.data.vocabulary import CANNOT_BE_SEEN, VALUES
from reidr.retrieval.embedders.attribute_recognition import ValueCalibration
from reidr.training.retriever.attributes.targets import FAMILIES, UNKNOWN, Marks, shares_true

FEWEST = 5  # crops of each kind below which only the offset is fitted
PRIOR = 4.0  # how many crops' worth of evidence it takes to leave slope 1
Calibrations = dict[str, dict[str, ValueCalibration]]


def fit_platt(
    logits: NDArray[np.float64], truth: NDArray[np.bool_], weights: NDArray[np.float64]
) -> tuple[float, float]:
    """(slope, offset) of 1 / (1 + exp(-(slope·logit + offset))) by penalised maximum likelihood (Platt 1999).

    Args:
        logits, truth, weights: (N,). The slope is held at 1 where there are few cases of a kind, and near it otherwise.
    """
    few = min(truth.sum(), (~truth).sum()) < FEWEST
    sign = np.where(truth, 1.0, -1.0)

    def cost(both: NDArray[np.float64]) -> float:
        slope, offset = (1.0, both[1]) if few else (np.exp(both[0]), both[1])
        likelihood = (weights * np.logaddexp(0.0, -sign * (slope * logits + offset))).sum()
        return float(likelihood + PRIOR * (both[0] ** 2 + 0.05 * both[1] ** 2))

    log_slope, offset = minimize(cost, np.zeros(2), method="L-BFGS-B", bounds=[(-3, 3), (-12, 12)]).x
    return (1.0 if few else float(np.exp(log_slope))), float(offset)


def calibrate(
    logits: tuple[NDArray[np.float32], NDArray[np.float32]], values: Marks, hidden: Marks, crops: Sequence[Crop]
) -> Calibrations:
    """The calibration of every value that is known of any of the held-out `crops`, and of "cannot be seen".

    Args:
        logits: (N, values) and (N, families). values, hidden: as `targets.marks_of` gives them.

    Every person counts alike, whatever the number of its crops.
    """
    _, place, count = np.unique([str(crop.person) for crop in crops], return_inverse=True, return_counts=True)
    weights = 1.0 / count[place]
    shares, found = shares_true(values, weights), Calibrations()
    for column, (family, value) in enumerate(VALUES):
        known = values[:, column] != UNKNOWN
        if known.any():
            slope, offset = fit_platt(
                logits[0][known, column].astype(float), values[known, column] == 1, weights[known]
            )
            found.setdefault(family, {})[value] = ValueCalibration(slope, offset, float(shares[column]))
    for column, family in enumerate(FAMILIES):
        known = hidden[:, column] != UNKNOWN
        if family in found and known.any():
            truth = hidden[known, column] == 1
            slope, offset = fit_platt(logits[1][known, column].astype(float), truth, weights[known])
            share = float((weights[known] * truth).sum() / weights[known].sum())
            found[family][CANNOT_BE_SEEN] = ValueCalibration(slope, offset, share)
    return found
