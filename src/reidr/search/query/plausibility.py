"""Whether a picture can be the crop of one person at all: told from its sides and its contrast, before any model.

A retriever ranks anything and a reasoner finds words for anything, a grey square included. The limits are wide: of
2,400 training crops of Market-1501 the one of least contrast has a spread of 23 grey levels, and all are twice as high
as wide.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

FLAT = 6.0  # grey levels of 255: the greatest standard deviation of a colour channel
WIDEST, NARROWEST = 1.25, 1 / 8  # width divided by height
LEAST_WIDTH, LEAST_HEIGHT = 12, 32  # pixels
SIDE = 64  # contrast is measured on a picture of at most so many pixels a side, where sensor noise has averaged out


def why_no_person(picture: Image.Image) -> str:
    """Why this picture can hardly be a crop of one person: half a sentence; empty where nothing speaks against it."""
    width, height = picture.size
    if width > WIDEST * height:
        return f"it is {width}x{height} pixels, wider than a person is high: a whole frame, not a crop of one person"
    if width < NARROWEST * height:
        return f"it is {width}x{height} pixels, too narrow to show a person"
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return f"it is {width}x{height} pixels, too small to tell one person from another"
    small = picture.convert("RGB")
    if max(picture.size) > SIDE:
        small.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    if np.asarray(small, dtype=np.float64).std(axis=(0, 1)).max() < FLAT:
        return "it is blank: there is next to no contrast in it"
    return ""
