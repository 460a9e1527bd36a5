"""How good a picture of one person a crop is: a number in [0, 1], the product of what can be wrong with it.

Size: a crop below the height that the retriever sees tells less. Sharpness: variance of the Laplacian (Pech-Pacheco et
al. 2000) at one size for all, so that motion and small pictures count as blur. The detector's confidence. A border that
cuts the person off, other boxes that cover it (those nearer to the camera more), a shape that is no whole standing
person. Each is a rule of thumb; none of them looks at who it is.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidr.service.ingest.sources.frame import Pixels

Box = tuple[float, float, float, float]
WIDTH, HEIGHT = 64, 128  # of the picture on which sharpness is measured
USUAL_VARIANCE = 300.0  # of the Laplacian, at which a picture counts as half sharp
USUAL_SHAPE, SHAPE_SPREAD = 2.6, 0.55  # height by width of somebody who stands or walks; in natural logarithms
BORDER = 2.0  # pixels
CUT = {"left": 0.6, "top": 0.75, "right": 0.6, "bottom": 0.7}
BEHIND = 0.5  # how much a box counts that lies farther from the camera


def quality_of(frame: Pixels, box: Box, score: float, others: NDArray[np.float32], full_height: int = HEIGHT) -> float:
    """The quality of a crop.

    Args:
        frame: the whole frame. box: left, top, right, bottom. score: the detector's. others: (N, 4) the other boxes of
            the frame. full_height: height in pixels at which a crop is large enough (the retriever's input).
    """
    parts = (
        min(1.0, (box[3] - box[1]) / full_height),
        0.25 + 0.75 * sharpness(crop_of(frame, box)),
        score,
        uncut(box, frame.shape[1], frame.shape[0]),
        1.0 - 0.9 * covered(box, others),
        shape_of_a_person(box),
    )
    return float(np.clip(math.prod(parts), 0.0, 1.0))


def crop_of(frame: Pixels, box: Box) -> Pixels:
    """The part of the frame within the box, rounded outwards; a view."""
    left, top, right, bottom = whole_box(box, frame.shape[1], frame.shape[0])
    return frame[top:bottom, left:right]


def whole_box(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """The box in whole pixels, rounded outwards, within the frame."""
    left, top = max(0, math.floor(box[0])), max(0, math.floor(box[1]))
    right, bottom = min(width, math.ceil(box[2])), min(height, math.ceil(box[3]))
    return min(left, width - 1), min(top, height - 1), max(right, left + 1), max(bottom, top + 1)


def sharpness(crop: Pixels) -> float:
    """In [0, 1): 0 for one colour, one half at `USUAL_VARIANCE`."""
    grey = Image.fromarray(crop).convert("L").resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    values = np.asarray(grey, dtype=np.float32)
    middle = values[1:-1, 1:-1]
    laplacian = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:] - 4 * middle
    variance = float(laplacian.var())
    return variance / (variance + USUAL_VARIANCE)


def uncut(box: Box, width: int, height: int) -> float:
    """1 within the frame; less for each border that the box touches."""
    touched = {
        "left": box[0] <= BORDER,
        "top": box[1] <= BORDER,
        "right": box[2] >= width - BORDER,
        "bottom": box[3] >= height - BORDER,
    }
    return math.prod(CUT[side] for side, touches in touched.items() if touches)


def covered(box: Box, others: NDArray[np.float32]) -> float:
    """The share of the box that the other box which covers most of it covers; a box farther away counts `BEHIND`."""
    if not len(others):
        return 0.0
    wide = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    high = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    share = np.clip(wide, 0, None) * np.clip(high, 0, None) / max((box[2] - box[0]) * (box[3] - box[1]), 1e-6)
    # Who stands lower in the picture stands nearer to a camera that looks down on people.
    return float((share * np.where(others[:, 3] >= box[3], 1.0, BEHIND)).max())


def shape_of_a_person(box: Box) -> float:
    """1 for the usual shape of a whole standing person, less the more it differs (a Gaussian of its logarithm)."""
    ratio = (box[3] - box[1]) / max(box[2] - box[0], 1e-6)
    return math.exp(-(math.log(max(ratio, 1e-6) / USUAL_SHAPE) ** 2) / (2 * SHAPE_SPREAD**2))
