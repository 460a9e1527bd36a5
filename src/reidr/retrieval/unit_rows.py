"""Features as everything that compares them needs them: finite rows of length 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.errors import ReIDError


def unit_rows(features: NDArray[np.floating[Any]], number: int, name: str) -> NDArray[np.floating[Any]]:
    """Features as (number, D) float32 or float64.

    Raises ReIDError naming the first row that is not finite or whose length is not 1 (to 0.1 %).
    """
    array = np.asarray(features)
    if array.ndim != 2 or len(array) != number or array.dtype.kind != "f":
        raise ReIDError(f"{name} features must be floats of shape ({number}, D), not {array.dtype} {array.shape}")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32)
    squared = np.einsum("ij,ij->i", array, array)
    wrong = ~(np.abs(squared - 1.0) <= 2e-3)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        problem = f"has length {np.sqrt(squared[row]):.4g}" if np.isfinite(squared[row]) else "holds NaN or infinity"
        raise ReIDError(f"{name} feature {row} {problem}; features must be finite and L2-normalised")
    return array
