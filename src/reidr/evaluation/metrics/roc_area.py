"""Area under the ROC curve (AUC): the one definition, for cases that count once or several times."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from reidr.core.checks import flag_array, real_array
from reidr.errors import DataError, ReIDError


def roc_area(scores: ArrayLike, truth: ArrayLike, weights: ArrayLike | None = None) -> float:
    """P(a positive scores above a negative), ties count half (Mann and Whitney 1947).

    Args:
        scores: (N,) larger for positives; infinite values are allowed. truth: (N,) whether each case is a positive.
        weights: (N,) how often each case counts, as in a bootstrap draw; None: once.

    Raises DataError unless both kinds occur, ReIDError for lengths that differ, NaN, truths of another kind, and
    negative weights.
    """
    values = real_array(scores, "scores", (None,), infinite=True)
    positive = flag_array(truth, "truth", values.shape)
    weight = np.ones(len(values)) if weights is None else real_array(weights, "weights", values.shape)
    if (weight < 0).any():
        raise ReIDError(f"weights: value {int(np.argmax(weight < 0))} is {weight.min():g}; none may be negative")
    _, place = np.unique(values, return_inverse=True)
    positives = np.bincount(place, weights=weight * positive, minlength=1)
    negatives = np.bincount(place, weights=weight * ~positive, minlength=1)
    pairs = positives.sum() * negatives.sum()
    if not pairs:
        raise DataError("the area under the ROC curve needs pairs of one person and pairs of two")
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + 0.5 * negatives)).sum() / pairs)
