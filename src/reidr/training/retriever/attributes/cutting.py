"""Pictures cut below or above, so that a network learns what cannot be seen.

Photos are labelled by person: nobody says of a single crop that its shoes lie outside. A whole crop that is cut at a
known height shows for certain what it does not show any more. Detectors cut people in the same way.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from reidr.training.retriever.attributes.targets import FAMILIES, UNKNOWN, Marks

SPANS = {  # where a family lies on a whole upright person, as shares of the height
    **dict.fromkeys(("headwear", "hair length", "hair color", "glasses"), (0.0, 0.17)),
    "scarf": (0.12, 0.25),
    **dict.fromkeys(("upper garment", "upper style", "upper colors", "sleeves", "pattern"), (0.17, 0.5)),
    **dict.fromkeys(("open jacket", "jacket colors"), (0.17, 0.5)),
    **dict.fromkeys(("lower garment", "lower style", "lower colors", "lower length"), (0.5, 0.88)),
    **dict.fromkeys(("shoes", "shoe colors"), (0.9, 1.0)),
    **dict.fromkeys(("carried", "bag colors"), (0.15, 0.8)),
}
BELOW = 0.7  # share of the cuts that take the lower part away
KEPT_BELOW, KEPT_ABOVE = (0.35, 0.9), (0.1, 0.55)  # where a cut lies
HIDDEN, SHOWN = 0.3, 0.7  # a family with less of its span left is hidden, with more it is shown; between: unknown


def hidden_by_cut(first: float, last: float) -> Marks:
    """(families,) 1 hidden, 0 shown, -1 neither, where the heights from `first` to `last` are left."""
    spans = np.array([SPANS[family] for family in FAMILIES])
    left = (np.minimum(spans[:, 1], last) - np.maximum(spans[:, 0], first)).clip(0) / (spans[:, 1] - spans[:, 0])
    marks: Marks = np.select([left < HIDDEN, left > SHOWN], [1, 0], UNKNOWN).astype(np.int8)
    return marks


def cut_pictures(
    pixels: NDArray[np.uint8], share: float, random: np.random.Generator
) -> tuple[NDArray[np.uint8], Marks]:
    """(N, H, W, 3) with about `share` of the pictures cut and stretched to their size again, and (N, families) marks of
    what that hides: 0 throughout for a picture that was left whole."""
    pictures, marks = pixels.copy(), np.zeros((len(pixels), len(FAMILIES)), np.int8)
    height, width = pixels.shape[1:3]
    for row in np.flatnonzero(random.random(len(pixels)) < share):
        below = random.random() < BELOW
        first, last = (0.0, random.uniform(*KEPT_BELOW)) if below else (random.uniform(*KEPT_ABOVE), 1.0)
        part = torch.from_numpy(pixels[row, int(first * height) : max(int(last * height), 1)].copy())
        stretched = functional.interpolate(part.permute(2, 0, 1)[None].float(), (height, width), mode="bilinear")
        pictures[row] = stretched[0].permute(1, 2, 0).round().byte().numpy()
        marks[row] = hidden_by_cut(first, last)
    return pictures, marks
