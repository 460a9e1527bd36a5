"""Cloth and the garments of the trunk: patterns run around the body, so a print is only ever on the front."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reidr.data.synthetic.person.appearance import Outfit
from reidr.data.synthetic.person.palette import COLORS, RGB, shaded
from reidr.data.synthetic.person.pose import PIXELS_PER_CM, Skeleton
from reidr.data.synthetic.picture.canvas import Canvas, Floats, Outline, Part, rounded

SECOND = 0.36  # share of a stripe pair or check that has the second colour
PRINT_ANGLE = 0.72  # half width of the print zone around the body, radians
PRINT_TOP, PRINT_BOTTOM = 9.0, 33.0  # cm below the neck


@dataclass(frozen=True)
class Cloth:
    """A fabric: ground colour, pattern, second colour, and the width of one stripe pair or check in cm."""

    color: RGB
    pattern: str = "plain"
    second: RGB = (0, 0, 0)
    period: float = 10.0
    print_shape: int = 0

    def woven(self, along: Floats, around: Floats) -> Floats:
        """Colours (n, 3) at `along` cm down and `around` cm across the garment. Print and yoke are sewn on later.

        The second colour has the smaller part of every pattern: with halves alike, the garment's colour is no fact.
        """
        colors = np.empty((len(along), 3), dtype=np.float32)
        colors[:] = self.color
        if self.pattern == "horizontal stripes":
            colors[along % self.period < SECOND * self.period] = self.second
        elif self.pattern == "vertical stripes":
            colors[(around + 0.2 * self.period) % self.period < SECOND * self.period] = self.second
        elif self.pattern == "checked":
            down, across = (each % self.period < SECOND * self.period for each in (along, around))
            weight = 0.5 * down + 0.5 * across
            colors += weight[:, None].astype(np.float32) * (np.asarray(self.second, np.float32) - colors)
        return colors

    def sleeve(self) -> Cloth:
        """What the sleeves are made of: a two-tone garment has them in its second colour, a print is not on them."""
        if self.pattern == "two-tone":
            return Cloth(self.second)
        return Cloth(self.color) if self.pattern == "print" else self


def upper_cloth(outfit: Outfit) -> Cloth:
    """The fabric of the upper garment."""
    second = COLORS.get(outfit.pattern_color, (0.0, 0.0, 0.0))
    color = shaded(COLORS[outfit.upper_color], outfit.upper_shade)
    return Cloth(color, outfit.upper_pattern, second, outfit.pattern_period, outfit.print_shape)


def jacket_cloth(outfit: Outfit) -> Cloth:
    """The fabric of the jacket."""
    return Cloth(shaded(COLORS[outfit.jacket_color], 0.5 * outfit.upper_shade))


def lower_cloth(outfit: Outfit) -> Cloth:
    """The fabric of trousers, shorts or skirt."""
    return Cloth(shaded(COLORS[outfit.lower_color], outfit.lower_shade))


class Trunk:
    """The trunk as a stack of ellipses around the spine, seen by the camera.

    `levels` are (share of height, half width, half depth), widths as shares of the height, from top to bottom.
    """

    def __init__(self, skeleton: Skeleton, levels: list[tuple[float, float, float]]) -> None:
        self.skeleton = skeleton
        height = skeleton.body.height
        shares = np.linspace(levels[0][0], levels[-1][0], 15)
        known = np.array(levels[::-1])
        widths = height * np.interp(shares, known[:, 0], known[:, 1])
        depths = height * np.interp(shares, known[:, 0], known[:, 2])
        points = [skeleton.projection.screen(skeleton.spine(float(share))) for share in shares]
        self.x = np.array([point[0] for point in points])
        self.y = np.array([point[1] for point in points])
        self.half = np.array(
            [skeleton.projection.half_width(w, d) for w, d in zip(widths.tolist(), depths.tolist(), strict=True)]
        )
        self.girth = float(np.mean((widths + depths) / 2))

    def outline(self, wider: float = 0.0) -> Outline:
        """The outline, `wider` canvas pixels larger to either side."""
        left = zip((self.x - self.half - wider).tolist(), self.y.tolist(), strict=True)
        right = zip((self.x + self.half + wider).tolist(), self.y.tolist(), strict=True)
        return [*left, *reversed(list(right))]

    def surface(self, x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
        """For canvas pixels: cm below the top, across from -1 to 1, and the angle around the body (0 is the front)."""
        centre = np.interp(y, self.y, self.x).astype(np.float32)
        half = np.interp(y, self.y, self.half).astype(np.float32)
        across = np.clip((x - centre) / half, -1, 1)
        angle = np.arcsin(across) - np.float32(self.skeleton.pose.yaw)
        angle = (angle + np.pi) % (2 * np.pi) - np.pi
        # A camera that looks down sees rings around the body as smiles.
        along = (y - self.y[0]) / PIXELS_PER_CM
        along = along - 12.0 * math.sin(self.skeleton.pose.pitch) * np.sqrt(1 - across * across)
        return along.astype(np.float32), across, angle.astype(np.float32)


def upper_levels(skeleton: Skeleton, hem: float, wider: float) -> list[tuple[float, float, float]]:
    """Levels of a garment from the neck down to `hem` (share of height), `wider` times the body."""
    body = skeleton.body
    girth = 0.6 + 0.4 * body.build
    belly = body.waist * body.build
    levels = [
        (0.852, 0.030, 0.034),
        (0.838, 0.052, 0.044),
        (0.822, 0.105 * body.shoulders, 0.056),
        (0.800, 0.119 * body.shoulders, 0.062),
        (0.735, 0.108 * body.shoulders, 0.068 * girth),
        (0.620, 0.094 * belly, 0.066 * belly),
        (0.520, 0.101 * body.hips * girth, 0.074 * body.hips * girth),
        (0.440, 0.106 * body.hips * girth, 0.078 * body.hips * girth),
    ]
    kept = [(share, w * wider, d * wider) for share, w, d in levels if share > hem + 0.005]
    last = np.array(levels[::-1])
    end = tuple(float(np.interp(hem, last[:, 0], last[:, i])) * wider for i in (1, 2))
    return [*kept, (hem, end[0], end[1])]


def draw_upper(canvas: Canvas, skeleton: Skeleton, outfit: Outfit) -> None:
    """Shirt, jacket where one is worn, and the straps of a backpack or shoulder bag."""
    jacket = outfit.jacket != "none"
    shirt = upper_cloth(outfit)
    over = jacket_cloth(outfit) if jacket else shirt
    trunk = Trunk(skeleton, upper_levels(skeleton, 0.452 if jacket else 0.478, 1.07 if jacket else 1.0))
    skin = np.asarray(skeleton.body.skin, np.float32)

    def paint(x: Floats, y: Floats) -> tuple[Floats, NDArray[np.uint8]]:
        along, across, angle = trunk.surface(x, y)
        turned = np.abs(angle)
        colors = shirt.woven(along, angle * trunk.girth)
        zone = (turned < PRINT_ANGLE) & (along > PRINT_TOP) & (along < PRINT_BOTTOM)
        if shirt.pattern == "two-tone":
            colors[along < 21.0] = shirt.second
        elif shirt.pattern == "print":
            inside = zone & in_print(shirt.print_shape, angle / PRINT_ANGLE, (along - PRINT_TOP) / 12.0 - 1.0)
            colors[inside] = shirt.second
        parts = np.where(zone, np.uint8(Part.PRINT_ZONE), np.uint8(Part.UPPER))
        neckline = (along < 6.5 - 9.0 * turned) & (turned < 1.2)
        colors[neckline] = skin * 0.92
        parts[neckline] = Part.NECK
        if jacket:
            opening = 0.20 + 0.011 * along
            closed = turned > opening
            colors[closed] = over.color
            colors[closed & (turned < opening + 0.13)] = shaded(over.color, -0.35)
            colors[closed & (along < 5.5)] = shaded(over.color, -0.25)
            colors[closed & (np.abs(turned - 0.95) < 0.25) & (np.abs(along - 46.0) < 0.9)] = shaded(over.color, -0.4)
            parts[closed] = Part.JACKET
        else:
            colors[(along < 8.0 - 9.0 * turned) & (turned < 1.2) & ~neckline] *= 0.8
        strap = on_strap(outfit, trunk, along, angle)
        if strap is not None:
            colors[strap] = shaded(COLORS[outfit.bag_color], -0.12)
            parts[strap] = Part.BAG
        colors = rounded(colors, across, canvas.light)
        # Soft folds at the waist; the last centimetres are the hem.
        folds = 1.0 + 0.022 * np.sin(along * 0.38 + 2.4 * across + skeleton.pose.phase) * np.clip(along / 40.0, 0, 1)
        hem = np.interp(y, [trunk.y[-1] - 4.0, trunk.y[-1] - 3.0], [1.0, 0.84])
        return colors * (folds * hem)[:, None].astype(np.float32), parts

    canvas.fill(trunk.outline(), paint)


def in_print(shape: int, across: Floats, down: Floats) -> NDArray[np.bool_]:
    """Which points of the print zone (-1 to 1 both ways) belong to the print: disc, ring, two bars or arrow."""
    if shape == 0:
        return across * across + down * down < 0.72
    if shape == 1:
        radius = across * across + down * down
        return (radius < 0.85) & (radius > 0.28)
    if shape == 2:
        return (np.abs(across) < 0.95) & ((np.abs(down + 0.55) < 0.26) | (np.abs(down - 0.25) < 0.26))
    return (down > -0.9) & (down < 0.85) & (np.abs(across) < 0.95 * (0.85 - down) / 1.6)


def on_strap(outfit: Outfit, trunk: Trunk, along: Floats, angle: Floats) -> NDArray[np.bool_] | None:
    """Which points of the trunk are under a strap; None where nothing is carried by one."""
    if outfit.bag == "backpack":
        return (np.abs(np.abs(angle) - 0.72) < 0.17) & (along < 38.0)
    if outfit.bag == "shoulder bag":
        height = trunk.skeleton.body.height
        start, end = -0.055 * height * outfit.bag_side, 0.10 * height * outfit.bag_side
        line = start + (end - start) * np.clip((along - 2.0) / (0.33 * height), 0, 1)
        return np.abs(trunk.girth * 1.25 * np.sin(angle) - line) < 2.1
    return None
