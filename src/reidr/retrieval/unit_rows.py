"""Features as everything that compares them needs them: finite rows of length 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.core.checks import as_array
from reidr.errors import ReIDError

Reals = NDArray[np.floating[Any]]


def unit_rows(features: ArrayLike, number: int | None, name: str, ids: Sequence[str] = ()) -> Reals:
    """Features as (number, D) float32 or float64; None: however many there are.

    Args:
        features: a list, a NumPy array or a torch tensor. ids: names of the rows, for the sentence.

    Raises ReIDError for another shape, and naming the first row that is not finite or whose length is not 1 (to 0.1 %).
    """
    array = as_array(features, f"{name} features")
    if array.ndim != 2 or number not in (None, len(array)):
        wanted = "any" if number is None else number
        raise ReIDError(f"{name} features must be floats of shape ({wanted}, D), not {array.dtype} {array.shape}")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        squared = np.einsum("ij,ij->i", array, array)
    wrong = ~(np.abs(squared - 1.0) <= 2e-3)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        problem = f"has length {np.sqrt(squared[row]):.4g}" if np.isfinite(squared[row]) else "holds NaN or infinity"
        named = f" (of {ids[row]})" if row < len(ids) else ""
        raise ReIDError(f"{name} feature {row} {problem}{named}; features must be finite and L2-normalised")
    return array


def paired_rows(
    query: ArrayLike, gallery: ArrayLike, query_ids: Sequence[str], gallery_ids: Sequence[str]
) -> tuple[Reals, Reals]:
    """Both as `unit_rows` of one width, one for each id. Raises ReIDError where they do not belong together."""
    first = unit_rows(query, len(query_ids), "query", query_ids)
    second = unit_rows(gallery, len(gallery_ids), "gallery", gallery_ids)
    if first.shape[1] != second.shape[1]:
        raise ReIDError(f"query features have {first.shape[1]} numbers a row, gallery features {second.shape[1]}")
    return first, second
