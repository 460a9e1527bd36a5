"""Bags as boxes in space: a backpack is whole from behind, a bulge from the side, and only straps from the front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reidr.data.synthetic.person.appearance import Outfit
from reidr.data.synthetic.person.palette import COLORS, shaded
from reidr.data.synthetic.person.pose import PIXELS_PER_CM, Skeleton, Vector
from reidr.data.synthetic.picture.canvas import Canvas, Floats, Part, along_limb, capsule, rounded


def backpack_centre(skeleton: Skeleton) -> Vector:
    """The middle of a backpack, behind the shoulder blades."""
    height = skeleton.body.height
    return skeleton.spine(0.70, z=-(0.062 * (0.6 + 0.4 * skeleton.body.build) + 0.028) * height)


def draw_backpack(canvas: Canvas, skeleton: Skeleton, outfit: Outfit) -> None:
    """The body of a backpack; its straps belong to the trunk."""
    height = skeleton.body.height
    x, y, towards = skeleton.projection.screen(backpack_centre(skeleton))
    half = skeleton.projection.half_width(0.092 * height, 0.050 * height)
    draw_box(canvas, outfit, (x, y), (half, 0.125 * height * PIXELS_PER_CM), pocket=towards > 0.04 * height)


def draw_box(
    canvas: Canvas, outfit: Outfit, centre: tuple[float, float], half_size: tuple[float, float], *, pocket: bool
) -> None:
    """A soft upright box with round corners, and with an outer pocket where that side faces the camera.

    `centre` (x, y) and `half_size` (half the width, half the height) are in pixels.
    """
    (x, y), (half_width, half_height) = centre, half_size
    color = COLORS[outfit.bag_color]
    corner = 0.35 * min(half_width, half_height)
    turns = ((1, -1), (1, 1), (-1, 1), (-1, -1))
    outline = []
    for i, (sx, sy) in enumerate(turns):
        middle = (x + sx * (half_width - corner), y + sy * (half_height - corner))
        angles = [(i - 1) * np.pi / 2 + np.pi / 2 * k / 4 for k in range(5)]
        outline += [(middle[0] + corner * float(np.cos(a)), middle[1] + corner * float(np.sin(a))) for a in angles]

    def paint(px: Floats, py: Floats) -> tuple[Floats, int]:
        across, down = np.clip((px - x) / half_width, -1, 1), (py - y) / half_height
        colors = np.empty((len(px), 3), dtype=np.float32)
        colors[:] = color
        colors[np.abs(down + 0.38) < 0.045] *= 0.6
        if pocket:
            inside = (np.abs(across) < 0.72) & (down > 0.12) & (down < 0.82)
            colors[inside] *= 0.84
            colors[inside & (down < 0.22)] = shaded(color, 0.35)
        colors *= (1.05 - 0.12 * np.clip(down, -1, 1))[:, None]
        return rounded(colors, 0.9 * across, canvas.light), Part.BAG

    canvas.fill(outline, paint)


def shoulder_bag_centre(skeleton: Skeleton, outfit: Outfit) -> Vector:
    """The middle of a shoulder bag, at the hip of the side it hangs on."""
    height = skeleton.body.height
    return skeleton.spine(0.485, x=outfit.bag_side * 0.118 * height, z=0.012 * height)


def draw_shoulder_bag(canvas: Canvas, skeleton: Skeleton, outfit: Outfit) -> None:
    """The body of a shoulder bag; its strap belongs to the trunk."""
    height = skeleton.body.height
    x, y, _ = skeleton.projection.screen(shoulder_bag_centre(skeleton, outfit))
    half = skeleton.projection.half_width(0.036 * height, 0.078 * height)
    draw_box(canvas, outfit, (x, y), (half, 0.055 * height * PIXELS_PER_CM), pocket=False)


def draw_handbag(canvas: Canvas, skeleton: Skeleton, outfit: Outfit) -> None:
    """A bag carried in the hand of `outfit.bag_side`, hanging straight down from it."""
    height = skeleton.body.height
    arm = skeleton.arms[0] if outfit.bag_side < 0 else skeleton.arms[1]
    hand = tuple(e + 0.028 * height * d for e, d in zip(arm.end, arm.direction, strict=True))
    x, y, _ = skeleton.projection.screen((hand[0], hand[1], hand[2]))
    half = skeleton.projection.half_width(0.048 * height, 0.085 * height)
    top = y + 0.052 * height * PIXELS_PER_CM
    dark = shaded(COLORS[outfit.bag_color], -0.3)

    def paint_handle(px: Floats, py: Floats) -> tuple[Floats, NDArray[np.uint8]]:
        base = np.broadcast_to(np.asarray(dark, np.float32), (len(px), 3))
        return base, np.full(len(px), Part.BAG, np.uint8)

    for end in (x - 0.55 * half, x + 0.55 * half):
        canvas.fill(capsule((x, y), (end, top + 4), 1.6, 1.6), paint_handle)
    box = (x - half, x + half)
    bottom = top + 0.115 * height * PIXELS_PER_CM
    color = COLORS[outfit.bag_color]

    def paint(px: Floats, py: Floats) -> tuple[Floats, int]:
        _, across = along_limb(px, py, (x, top), (x, bottom), half, half)
        colors = np.empty((len(px), 3), dtype=np.float32)
        colors[:] = color
        down = (py - top) / (bottom - top)
        colors[down < 0.16] *= 0.72
        colors[(np.abs(across) < 0.12) & (np.abs(down - 0.22) < 0.07)] = (212, 186, 104)
        return rounded(colors, 0.85 * across, canvas.light), Part.BAG

    canvas.fill(
        [
            (box[0] + 0.12 * half, top),
            (box[1] - 0.12 * half, top),
            (box[1], bottom - 3),
            (box[1] - 4, bottom),
            (box[0] + 4, bottom),
            (box[0], bottom - 3),
        ],
        paint,
    )
