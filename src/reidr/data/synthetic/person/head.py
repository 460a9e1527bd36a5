"""Head, face, hair and hats, painted by direction on a sphere: from behind no face shows, without a special case."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reidr.data.synthetic.person.appearance import Outfit, Person
from reidr.data.synthetic.person.clothing import Cloth
from reidr.data.synthetic.person.legs import draw_bone
from reidr.data.synthetic.person.palette import COLORS, HAIR_COLORS, RGB, shaded
from reidr.data.synthetic.person.pose import PIXELS_PER_CM, Projection, Skeleton, Vector
from reidr.data.synthetic.picture.canvas import Canvas, Floats, Part, capsule, ellipse, rounded

EMPTY = np.uint8(0)
# Hairline: how high on the head (-1 chin, 1 crown) hair begins, by direction from the nape (-1) to the face (1).
HAIRLINE = ([-1.0, -0.35, 0.0, 0.3, 0.5, 1.0], [-0.60, -0.52, -0.12, 0.10, 0.42, 0.50])
HAIRLINE_LONG = ([-1.0, 0.0, 0.28, 0.5, 1.0], [-1.0, -1.0, -0.55, 0.40, 0.52])


@dataclass(frozen=True)
class Head:
    """Where the head is on the canvas, and how it is turned. `across` and `up` are half axes in pixels."""

    skeleton: Skeleton
    x: float
    y: float
    across: float
    up: float
    yaw: float

    def directions(self, x: Floats, y: Floats, size: float) -> tuple[Floats, Floats, Floats, Floats]:
        """Side, up and forward direction (each -1 to 1) on a head `size` times as large, and screen x from -1 to 1."""
        sx = np.clip((x - self.x) / (self.across * size), -1, 1)
        sy = np.clip((self.y - y) / (self.up * size), -1, 1)
        towards = np.sqrt(np.clip(1 - sx * sx - sy * sy, 0, 1))
        sine, cosine = math.sin(self.yaw), math.cos(self.yaw)
        return sx * cosine - towards * sine, sy, sx * sine + towards * cosine, sx

    def at(self, side: float, up: float, forward: float) -> tuple[float, float, float]:
        """Canvas position and depth of a direction (in head sizes) from the centre of the head."""
        sine, cosine = math.sin(self.yaw), math.cos(self.yaw)
        return (
            self.x + self.across * (side * cosine + forward * sine),
            self.y - self.up * up,
            -side * sine + forward * cosine,
        )


def place_head(skeleton: Skeleton) -> Head:
    """The head on its neck."""
    height = skeleton.body.height
    yaw = skeleton.pose.yaw + skeleton.pose.turn
    x, y, _ = skeleton.projection.screen(skeleton.spine(0.936, z=0.008 * height))
    across = Projection(yaw, 0.0).half_width(0.0485 * height, 0.057 * height)
    return Head(skeleton, x, y, across, 0.0725 * height * PIXELS_PER_CM, yaw)


def draw_neck(canvas: Canvas, skeleton: Skeleton) -> None:
    """The neck, in the shadow of the chin."""
    height = skeleton.body.height
    bottom, top = skeleton.spine(0.825), skeleton.spine(0.90)
    skin = Cloth(shaded(skeleton.body.skin, -0.14))
    draw_bone(canvas, skeleton, (bottom, top), (0.032 * height, 0.028 * height), skin, Part.NECK)


def draw_head(canvas: Canvas, head: Head, person: Person, outfit: Outfit) -> None:
    """Skull, face, hair and hat."""
    hair: RGB = HAIR_COLORS[person.hair_color]
    skin = np.asarray(person.body.skin, np.float32)
    dark = np.asarray(shaded(person.body.skin, -0.75), np.float32)
    volume = 1.04 + 0.10 * person.body.hair_volume

    def paint_face(x: Floats, y: Floats) -> tuple[Floats, int]:
        side, up, forward, across = head.directions(x, y, 1.0)
        colors = np.empty((len(x), 3), dtype=np.float32)
        colors[:] = skin
        front = forward > 0.2
        eyes = ((np.abs(side) - 0.36) / 0.13) ** 2 + ((up - 0.02) / 0.09) ** 2 < 1
        brows = (np.abs(np.abs(side) - 0.38) < 0.2) & (np.abs(up - 0.2) < 0.045)
        mouth = (np.abs(side) < 0.22) & (np.abs(up + 0.55) < 0.05)
        nose = (side > 0.02) & (side < 0.12) & (up > -0.32) & (up < 0.0)
        colors[nose & front] = skin * 0.84
        colors[(eyes | (brows & (forward > 0.3))) & front] = dark
        colors[mouth & front] = skin * np.array([0.78, 0.55, 0.55], np.float32)
        ear = (np.abs(side) > 0.8) & ((forward + 0.05) ** 2 / 0.03 + (up + 0.05) ** 2 / 0.05 < 1)
        colors[ear] = skin * 0.82
        return rounded(colors, across, canvas.light), Part.FACE

    def paint_nose(x: Floats, y: Floats) -> tuple[Floats, int]:
        return np.broadcast_to(skin * 0.94, (len(x), 3)), Part.FACE

    jaw = [
        (head.x + head.across * math.cos(t) * (1.0 - 0.16 * max(0.0, math.sin(t))), head.y + head.up * math.sin(t))
        for t in (2 * math.pi * i / 28 for i in range(28))
    ]
    tip = head.at(0.0, -0.16, 1.08)
    if tip[2] > -0.1:
        bridge = head.at(0.0, 0.1, 0.9)
        canvas.fill(capsule(bridge[:2], tip[:2], 1.2, 0.10 * head.up), paint_nose)
    canvas.fill(jaw, paint_face)
    line = HAIRLINE_LONG if person.hair_length == "long" else HAIRLINE

    def paint_hair(x: Floats, y: Floats) -> tuple[Floats, NDArray[np.uint8]]:
        side, up, forward, across = head.directions(x, y, volume)
        hairy = up > np.interp(forward, *line)
        strands = 1.0 + 0.06 * np.sin(9.0 * np.arctan2(side, forward + 0.01) + 3.0 * up)
        base = np.broadcast_to(np.asarray(hair, np.float32), (len(x), 3)) * strands[:, None].astype(np.float32)
        return rounded(base, 0.9 * across, canvas.light), np.where(hairy, np.uint8(Part.HAIR), EMPTY)

    canvas.fill(ellipse(head.x, head.y, head.across * volume, head.up * volume), paint_hair)
    if outfit.hat == "cap":
        draw_cap(canvas, head, COLORS[outfit.hat_color], volume + 0.03)
    elif outfit.hat == "beanie":
        draw_beanie(canvas, head, COLORS[outfit.hat_color], volume + 0.05)


def draw_cap(canvas: Canvas, head: Head, color: RGB, size: float) -> None:
    """A cap: crown, and a brim over the face."""
    sides = [head.at(s, 0.40, f) for s, f in ((-0.8, 0.55), (-0.72, 1.4), (0.0, 1.72), (0.72, 1.4), (0.8, 0.55))]
    peak, rim = [(x, y + drop) for (x, y, _), drop in zip(sides, (0, 5, 6, 5, 0), strict=True)], head.at(0.0, 0.5, 0.7)

    def paint_brim(x: Floats, y: Floats) -> tuple[Floats, int]:
        base = np.broadcast_to(np.asarray(shaded(color, -0.22), np.float32), (len(x), 3))
        return rounded(base, np.zeros(len(x), np.float32), canvas.light), Part.HAT

    def paint_crown(x: Floats, y: Floats) -> tuple[Floats, NDArray[np.uint8]]:
        side, up, forward, across = head.directions(x, y, size)
        base = np.empty((len(x), 3), dtype=np.float32)
        base[:] = color
        base[np.abs(side) < 0.06] *= 0.85
        worn = up > np.interp(forward, [-1.0, 0.0, 1.0], [0.16, 0.28, 0.40])
        return rounded(base, across, canvas.light), np.where(worn, np.uint8(Part.HAT), EMPTY)

    facing = sides[2][2] > -0.2
    brims = (peak, capsule(rim[:2], peak[2], 0.10 * head.up, 0.05 * head.up))
    if facing:
        canvas.shadow([(x, y + 0.14 * head.up) for x, y in peak], 0.75)
    canvas.fill(ellipse(head.x, head.y, head.across * size, head.up * size), paint_crown)
    if facing:
        for brim in brims:
            canvas.fill(brim, paint_brim)


def draw_beanie(canvas: Canvas, head: Head, color: RGB, size: float) -> None:
    """A knitted hat with a folded rim, over the ears."""

    def paint(x: Floats, y: Floats) -> tuple[Floats, NDArray[np.uint8]]:
        side, up, forward, across = head.directions(x, y + 0.05 * head.up, size)
        base = np.empty((len(x), 3), dtype=np.float32)
        base[:] = color
        base *= (1.0 + 0.07 * np.sin(26.0 * np.arctan2(side, forward + 1e-3)))[:, None]
        rim = np.interp(forward, [-1.0, 0.0, 1.0], [-0.08, 0.04, 0.22])
        base[up < rim + 0.26] *= 0.8
        return rounded(base, across, canvas.light), np.where(up > rim, np.uint8(Part.HAT), EMPTY)

    canvas.fill(ellipse(head.x, head.y - 0.05 * head.up, head.across * size, head.up * (size + 0.10)), paint)


def draw_long_hair(canvas: Canvas, head: Head, person: Person) -> None:
    """Hair that falls over nape and back."""
    skeleton, height = head.skeleton, person.body.height
    width = 0.050 + 0.012 * person.body.hair_volume
    color = shaded(HAIR_COLORS[person.hair_color], -0.06)
    top_x, top_y, _ = skeleton.projection.screen(skeleton.spine(0.95, z=-0.020 * height))
    end_x, end_y, _ = skeleton.projection.screen(skeleton.spine(0.775, z=-0.060 * height))
    top = skeleton.projection.half_width(width * height, 0.036 * height)
    end = skeleton.projection.half_width(1.12 * width * height, 0.026 * height)

    def paint(x: Floats, y: Floats) -> tuple[Floats, int]:
        share = np.clip((y - top_y) / (end_y - top_y), 0, 1)
        across = np.clip((x - top_x - share * (end_x - top_x)) / (top + share * (end - top)), -1, 1)
        strands = 1.0 + 0.08 * np.sin(11.0 * across + 1.5 * share)
        base = np.broadcast_to(np.asarray(color, np.float32), (len(x), 3)) * strands[:, None].astype(np.float32)
        return rounded(base, 0.9 * across, canvas.light), Part.HAIR

    middle_x, middle_y = (0.45 * top_x + 0.55 * end_x), (0.45 * top_y + 0.55 * end_y)
    bulge = 1.1 * max(top, end)
    canvas.fill(
        [
            (top_x - top, top_y),
            (top_x + top, top_y),
            (middle_x + bulge, middle_y),
            (end_x + end, end_y - 4),
            (end_x + 0.5 * end, end_y + 3),
            (end_x - 0.5 * end, end_y + 3),
            (end_x - end, end_y - 4),
            (middle_x - bulge, middle_y),
        ],
        paint,
    )


def draw_locks(canvas: Canvas, head: Head, person: Person) -> None:
    """The locks of long hair in front of the shoulders: both from the front, the near one from the side."""
    skeleton, height = head.skeleton, person.body.height
    cloth = Cloth(shaded(HAIR_COLORS[person.hair_color], -0.02))
    for side in (-1, 1):
        root = head.at(0.92 * side, 0.15, 0.12)
        if root[2] < -0.25:
            continue
        tip: Vector = skeleton.spine(0.80, x=side * 0.056 * height, z=0.030 * height)
        tip_x, tip_y, _ = skeleton.projection.screen(tip)
        radius = 0.0135 * height * PIXELS_PER_CM

        def paint(x: Floats, y: Floats) -> tuple[Floats, int]:
            colors = cloth.woven(y, x)
            return rounded(colors, np.sin(0.55 * x).astype(np.float32) * 0.7, canvas.light), Part.HAIR

        canvas.fill(capsule(root[:2], (tip_x, tip_y), radius, 0.8 * radius), paint)
