"""The best and most different crops of a track: first the best, then whatever is good and unlike those chosen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WORTH = 0.4  # of the best crop's quality; what is worse is not taken for its difference
LEAST_DISTANCE = 0.01  # cosine; what is nearer to a chosen one shows the same again


def choose_crops(vectors: NDArray[np.float32], quality: NDArray[np.float64], number: int) -> list[int]:
    """Places of at most `number` crops, in the order in which they are chosen.

    Farthest-point sampling (Gonzalez 1985) in which a distance counts as much as the crop is good: each next one has
    the largest quality · cosine distance to the nearest chosen one.

    Args:
        vectors: (N, D) unit rows, N at least 1. quality: (N,) in [0, 1].
    """
    chosen = [int(np.argmax(quality))]
    worth = quality >= WORTH * quality[chosen[0]]
    nearest = 1.0 - vectors @ vectors[chosen[0]]
    while len(chosen) < number:
        gain = np.where(worth & (nearest > LEAST_DISTANCE), quality * nearest, -1.0)
        gain[chosen] = -1.0
        best = int(np.argmax(gain))
        if gain[best] <= 0:
            break
        chosen.append(best)
        nearest = np.minimum(nearest, 1.0 - vectors @ vectors[best])
    return chosen
