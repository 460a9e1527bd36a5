"""The drawing canvas: colours beside an id-buffer that knows which part of the figure every pixel shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from reidr.data.synthetic.person.palette import RGB

Floats = NDArray[np.float32]
Outline = Sequence[tuple[float, float]]
Paint = Callable[[Floats, Floats], tuple[Floats, "NDArray[np.uint8] | int"]]
"""Canvas coordinates (n,), (n,) of pixel centres -> colours (n, 3), and part ids, where 0 leaves the pixel alone."""


class Part(IntEnum):
    """What a pixel shows. Sleeves are split at the elbow and legs at the knee, because visibility is judged there."""

    NOTHING = 0
    FACE = 1
    HAIR = 2
    HAT = 3
    NECK = 4
    UPPER = 5
    PRINT_ZONE = 6  # the middle of the chest, where a print would be: upper garment of any pattern
    UPPER_SLEEVE = 7
    UPPER_FOREARM = 8
    JACKET = 9
    JACKET_SLEEVE = 10
    JACKET_FOREARM = 11
    ARM_SKIN = 12
    FOREARM_SKIN = 13
    HAND = 14
    LOWER = 15
    LOWER_CALF = 16
    LEG_SKIN = 17
    CALF_SKIN = 18
    SHOES = 19
    BAG = 20
    OCCLUDER = 21


class Canvas:
    """Colours (H, W, 3) uint8 and part ids (H, W) uint8. `light` in [-1, 1] says from which side it is lit."""

    def __init__(self, width: int, height: int, light: float) -> None:
        self.color = np.zeros((height, width, 3), dtype=np.uint8)
        self.parts = np.zeros((height, width), dtype=np.uint8)
        self.light = light

    def fill(self, outline: Outline, paint: Paint) -> None:
        """Paint the pixels inside `outline` (canvas coordinates) that lie on the canvas."""
        rows, columns = self._inside(outline)
        if not len(rows):
            return
        colors, parts = paint(columns.astype(np.float32) + 0.5, rows.astype(np.float32) + 0.5)
        if not isinstance(parts, int):
            kept = parts > 0
            rows, columns, colors, parts = rows[kept], columns[kept], colors[kept], parts[kept]
        self.color[rows, columns] = np.minimum(np.maximum(colors, 0), 255)
        self.parts[rows, columns] = parts

    def shadow(self, outline: Outline, factor: float) -> None:
        """Darken what is already drawn inside `outline`; the parts stay what they are."""
        rows, columns = self._inside(outline)
        if len(rows):
            self.color[rows, columns] = self.color[rows, columns] * np.float32(factor)

    def shadow_below(self, row: int, factor: float) -> None:
        """Darken everything drawn below a row."""
        below = self.color[row:]
        np.multiply(below, np.float32(factor), out=below, casting="unsafe")

    def _inside(self, outline: Outline) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        height, width = self.parts.shape
        across, down = zip(*outline, strict=True)
        left, top = max(0, math.floor(min(across))), max(0, math.floor(min(down)))
        right, bottom = min(width, math.ceil(max(across)) + 1), min(height, math.ceil(max(down)) + 1)
        if right <= left or bottom <= top:
            return np.empty(0, np.intp), np.empty(0, np.intp)
        mask = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in outline], fill=1)
        rows, columns = np.nonzero(np.asarray(mask))
        return rows + top, columns + left


def capsule(a: tuple[float, float], b: tuple[float, float], start: float, end: float) -> list[tuple[float, float]]:
    """Outline of a tapered limb with round ends, radii `start` at `a` and `end` at `b`."""
    angle = math.atan2(b[1] - a[1], b[0] - a[0])
    steps = [math.pi / 2 + math.pi * i / 6 for i in range(7)]
    return [(a[0] + start * math.cos(angle + s), a[1] + start * math.sin(angle + s)) for s in steps] + [
        (b[0] - end * math.cos(angle + s), b[1] - end * math.sin(angle + s)) for s in steps
    ]


def ellipse(x: float, y: float, half_width: float, half_height: float) -> list[tuple[float, float]]:
    """Outline of an upright ellipse."""
    return [
        (x + half_width * math.cos(t), y + half_height * math.sin(t)) for t in (2 * math.pi * i / 24 for i in range(24))
    ]


def along_limb(
    x: Floats, y: Floats, a: tuple[float, float], b: tuple[float, float], start: float, end: float
) -> tuple[Floats, Floats]:
    """Coordinates on a limb: share of the way from `a` to `b` (outside 0–1 on the caps), and across it from -1 to 1."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = max(math.hypot(dx, dy), 1e-3)
    share = ((x - a[0]) * dx + (y - a[1]) * dy) / length**2
    radius = start + (end - start) * np.clip(share, 0, 1)
    across = ((x - a[0]) * -dy + (y - a[1]) * dx) / (length * radius)
    # Left-handed limbs (pointing up or left) would otherwise be lit from the wrong side.
    return share.astype(np.float32), np.clip(-across if dy > 0 else across, -1, 1).astype(np.float32)


def rounded(colors: Floats | RGB, across: Floats, light: float) -> Floats:
    """Shade a surface like a cylinder: `across` from -1 to 1, darker to the rims and away from the light."""
    shade = 1.04 - 0.34 * across * across * across * across - 0.12 * across * across + 0.13 * light * across
    base = np.asarray(colors, dtype=np.float32)
    # A little is added, not multiplied: black cloth still shows its form.
    return base * shade[:, None] + (10.0 * (shade - 0.8))[:, None]
