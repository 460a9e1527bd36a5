"""Blurring people out of pictures that leave the house, so that nothing brings them back.

A picture is replaced by a few averages of it. What is written depends on these alone, so no sharpening and no network
can find more of the person in it than a handful of colours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Box = tuple[float, float, float, float]
COARSE = (3, 6)  # averages that are left of a picture: columns, rows


def blurred(picture: Image.Image) -> Image.Image:
    """The same size, of `COARSE` averages with soft edges between them."""
    rgb = picture.convert("RGB")
    return rgb.resize(COARSE, Image.Resampling.BOX).resize(rgb.size, Image.Resampling.BICUBIC)


def without_others(picture: Image.Image, own: Box, others: Sequence[Box]) -> Image.Image:
    """A crop in which everybody but its own person is blurred.

    Args:
        own: where the crop was cut from its frame: left, top, right, bottom in pixels of the frame. others: the boxes
            of the other people in that frame.

    Inside another person's box those pixels are blurred that lie nearer to the middle of that box than to the middle
    of the own one, each measured in sides of its box: a neighbour at the edge goes, the person in the middle stays.
    """
    hidden = mask_of_others(picture.size, own, others)
    if not hidden.any():
        return picture.convert("RGB")
    return Image.composite(blurred(picture), picture.convert("RGB"), Image.fromarray(hidden.astype(np.uint8) * 255))


def mask_of_others(size: tuple[int, int], own: Box, others: Sequence[Box]) -> NDArray[np.bool_]:
    """(height, width) which pixels of a crop of `size` (width, height) are blurred by `without_others`."""
    width, height = size
    left, top, right, bottom = own
    x = left + (np.arange(width) + 0.5) * (right - left) / width
    y = top + (np.arange(height) + 0.5) * (bottom - top) / height
    hidden = np.zeros((height, width), dtype=bool)
    for other in others:
        inside = ((y >= other[1]) & (y <= other[3]))[:, None] & ((x >= other[0]) & (x <= other[2]))[None]
        hidden |= inside & (from_middle(x, y, other) < from_middle(x, y, own))
    return hidden


def from_middle(x: NDArray[np.float64], y: NDArray[np.float64], box: Box) -> NDArray[np.float64]:
    """(height, width) squared distance from the middle of a box, in sides of that box."""
    left, top, right, bottom = box
    across = (x - (left + right) / 2) / max(right - left, 1e-9)
    down = (y - (top + bottom) / 2) / max(bottom - top, 1e-9)
    found: NDArray[np.float64] = down[:, None] ** 2 + across[None] ** 2
    return found
