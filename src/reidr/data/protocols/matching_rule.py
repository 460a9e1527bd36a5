"""Which pictures of the query's own person a search ignores: the one rule, for trials and for the bare metrics."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Clothes = Literal["changed", "same"]
"""Rules of clothes-changing data sets: only other outfits count, or only the same one."""


def ignored_of_own_person(
    same_camera: Flags, same_outfit: Flags | None = None, clothes: Clothes | None = None
) -> Flags:
    """True where a crop of the query's person counts neither as right nor as wrong; all arrays of one shape.

    Ignored are crops of the query's own camera (Zheng et al., 2015) and, with `clothes`, those in the outfit that is
    not asked for (`same_outfit` is needed then; PRCC, LTCC, VC-Clothes).
    """
    if clothes is None or same_outfit is None:
        return same_camera
    return same_camera | (same_outfit if clothes == "changed" else ~same_outfit)
