"""Arms, legs, what covers them, and shoes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reidr.data.synthetic.person.appearance import Outfit
from reidr.data.synthetic.person.clothing import Cloth, Trunk, jacket_cloth, lower_cloth, upper_cloth
from reidr.data.synthetic.person.palette import COLORS, shaded
from reidr.data.synthetic.person.pose import PIXELS_PER_CM, Limb, Skeleton, Vector
from reidr.data.synthetic.picture.canvas import Canvas, Floats, Part, along_limb, capsule, rounded

SHORT_SLEEVE = 0.72  # of the upper arm
SHORTS_END = 0.86  # of the thigh


def draw_bone(
    canvas: Canvas,
    skeleton: Skeleton,
    ends: tuple[Vector, Vector],
    radii: tuple[float, float],
    cloth: Cloth,
    part: int,
) -> None:
    """One limb segment between two points, with the radius in cm at each."""
    a, b = ends
    ax, ay, _ = skeleton.projection.screen(a)
    bx, by, _ = skeleton.projection.screen(b)
    start, end = radii[0] * PIXELS_PER_CM, radii[1] * PIXELS_PER_CM
    length = math.dist(a, b)

    def paint(x: Floats, y: Floats) -> tuple[Floats, int]:
        share, across = along_limb(x, y, (ax, ay), (bx, by), start, end)
        colors = cloth.woven(share * length, across * (start + end) / (2 * PIXELS_PER_CM))
        return rounded(colors, across, canvas.light), part

    canvas.fill(capsule((ax, ay), (bx, by), start, end), paint)


def between(a: Vector, b: Vector, share: float) -> Vector:
    """The point at `share` of the way from `a` to `b`."""
    return tuple(p + share * (q - p) for p, q in zip(a, b, strict=True))  # type: ignore[return-value]


def arm_depth(skeleton: Skeleton, arm: Limb) -> float:
    """How far the lower arm is in front of the spine, in cm towards the camera."""
    return skeleton.projection.screen(between(arm.middle, arm.end, 0.5))[2]


def draw_arm(canvas: Canvas, skeleton: Skeleton, outfit: Outfit, arm: Limb, *, casts_shadow: bool) -> None:
    """An arm with its sleeve and hand."""
    height, build = skeleton.body.height, 0.55 + 0.45 * skeleton.body.build
    jacket = outfit.jacket != "none"
    cloth = jacket_cloth(outfit) if jacket else upper_cloth(outfit).sleeve()
    sleeve = Part.JACKET_SLEEVE if jacket else Part.UPPER_SLEEVE
    forearm = Part.JACKET_FOREARM if jacket else Part.UPPER_FOREARM
    long = jacket or outfit.sleeve == "long"
    skin = Cloth(skeleton.body.skin)
    top, middle, end = (0.0295 * height * build, 0.0235 * height * build, 0.0165 * height * build)
    if casts_shadow:
        for a, b, radius in ((arm.top, arm.middle, middle), (arm.middle, arm.end, end)):
            ax, ay, _ = skeleton.projection.screen(a)
            bx, by, _ = skeleton.projection.screen(b)
            wide = (radius + 1.6) * PIXELS_PER_CM
            canvas.shadow(capsule((ax, ay + 3), (bx, by + 3), wide, wide), 0.84)
    wrist = between(arm.end, tuple(e + d for e, d in zip(arm.end, arm.direction, strict=True)), 0.028 * height)  # type: ignore[arg-type]
    draw_bone(canvas, skeleton, (arm.end, wrist), (0.0145 * height, 0.0155 * height), skin, Part.HAND)
    if long:
        wider = 1.14 if jacket else 1.04
        draw_bone(canvas, skeleton, (arm.middle, arm.end), (middle * wider, end * wider * 1.08), cloth, forearm)
        draw_bone(canvas, skeleton, (arm.top, arm.middle), (top * wider, middle * wider), cloth, sleeve)
        return
    draw_bone(canvas, skeleton, (arm.middle, arm.end), (middle * 0.88, end * 0.92), skin, Part.FOREARM_SKIN)
    draw_bone(canvas, skeleton, (arm.top, arm.middle), (top * 0.88, middle * 0.88), skin, Part.ARM_SKIN)
    draw_bone(
        canvas,
        skeleton,
        (arm.top, between(arm.top, arm.middle, SHORT_SLEEVE)),
        (top * 1.02, middle * 1.2),
        cloth,
        sleeve,
    )


def draw_legs(canvas: Canvas, skeleton: Skeleton, outfit: Outfit) -> None:
    """Both legs, the farther one first and a little darker, with trousers, shorts or skirt, and shoes."""
    far_to_near = sorted(skeleton.legs, key=lambda leg: skeleton.projection.screen(leg.middle)[2])
    for number, leg in enumerate(far_to_near):
        draw_leg(canvas, skeleton, outfit, leg)
        if number == 0:
            hip = skeleton.projection.screen(leg.top)[1]
            canvas.shadow_below(round(hip), 0.86)
    if outfit.lower_kind == "skirt":
        draw_skirt(canvas, skeleton, outfit)
    else:
        draw_pelvis(canvas, skeleton, outfit)


def draw_leg(canvas: Canvas, skeleton: Skeleton, outfit: Outfit, leg: Limb) -> None:
    """One leg from hip to shoe."""
    height, build = skeleton.body.height, 0.45 + 0.55 * skeleton.body.build
    cloth, skin = lower_cloth(outfit), Cloth(skeleton.body.skin)
    thigh, knee, ankle = 0.052 * height * build, 0.034 * height * build, 0.022 * height * build
    if outfit.lower_kind == "trousers":
        draw_shoe(canvas, skeleton, outfit, leg)
        wide = 1.02 + 0.16 * outfit.fit
        hem, end = ankle * (1.15 + 0.55 * outfit.fit), between(leg.middle, leg.end, 0.93)
        draw_bone(canvas, skeleton, (leg.middle, end), (knee * wide * 1.02, hem), cloth, Part.LOWER_CALF)
        draw_bone(canvas, skeleton, (leg.top, leg.middle), (thigh * wide, knee * wide * 1.02), cloth, Part.LOWER)
        return
    draw_bone(canvas, skeleton, (leg.middle, leg.end), (knee, ankle * 0.85), skin, Part.CALF_SKIN)
    calf = between(leg.middle, leg.end, 0.28)
    draw_bone(canvas, skeleton, (leg.middle, calf), (knee * 0.95, knee * 1.02), skin, Part.CALF_SKIN)
    draw_shoe(canvas, skeleton, outfit, leg)
    draw_bone(canvas, skeleton, (leg.top, leg.middle), (thigh * 0.95, knee), skin, Part.LEG_SKIN)
    if outfit.lower_kind == "shorts":
        end = between(leg.top, leg.middle, SHORTS_END)
        wide = 1.05 + 0.12 * outfit.fit
        draw_bone(canvas, skeleton, (leg.top, end), (thigh * wide, knee * (1.4 + 0.2 * outfit.fit)), cloth, Part.LOWER)


def draw_pelvis(canvas: Canvas, skeleton: Skeleton, outfit: Outfit) -> None:
    """The seat of trousers or shorts, which joins the legs."""
    body = skeleton.body
    girth = body.hips * (0.5 + 0.5 * body.build)
    levels = [
        (0.60, 0.090 * girth, 0.066 * girth),
        (0.52, 0.101 * girth, 0.075 * girth),
        (body.legs - 0.035, 0.092 * girth, 0.068 * girth),
    ]
    trunk = Trunk(skeleton, levels)
    color = np.asarray(lower_cloth(outfit).color, np.float32)

    def paint(x: Floats, y: Floats) -> tuple[Floats, int]:
        _, across, _ = trunk.surface(x, y)
        return rounded(np.broadcast_to(color, (len(x), 3)), across, canvas.light), Part.LOWER

    canvas.fill(trunk.outline(), paint)


def draw_skirt(canvas: Canvas, skeleton: Skeleton, outfit: Outfit) -> None:
    """A flared skirt down to just above the knees, wide enough for the step."""
    body = skeleton.body
    girth = body.hips * (0.5 + 0.5 * body.build)
    flare = 1.15 + 0.35 * outfit.fit
    hem = 0.315 - 0.03 * outfit.fit
    levels = [
        (0.60, 0.088 * girth, 0.064 * girth),
        (0.52, 0.102 * girth, 0.077 * girth),
        (hem, 0.102 * girth * flare, 0.082 * girth * flare),
    ]
    trunk = Trunk(skeleton, levels)
    knees = [skeleton.projection.screen(leg.middle)[0] for leg in skeleton.legs]
    reach = PIXELS_PER_CM * 0.036 * body.height
    down = np.clip((trunk.y - trunk.y[0]) / (trunk.y[-1] - trunk.y[0]), 0, 1) ** 1.5
    left = np.minimum(trunk.x - trunk.half, trunk.x + down * (min(knees) - reach - trunk.x))
    right = np.maximum(trunk.x + trunk.half, trunk.x + down * (max(knees) + reach - trunk.x))
    trunk.x, trunk.half = (left + right) / 2, (right - left) / 2
    color = np.asarray(lower_cloth(outfit).color, np.float32)

    def paint(x: Floats, y: Floats) -> tuple[Floats, int]:
        along, across, angle = trunk.surface(x, y)
        pleats = 1.0 + 0.09 * np.sin(angle * 9.0 + skeleton.pose.phase) * np.clip(along / 30.0, 0, 1)
        return rounded(np.broadcast_to(color, (len(x), 3)), across, canvas.light) * pleats[:, None], Part.LOWER

    canvas.fill(trunk.outline(), paint)


def draw_shoe(canvas: Canvas, skeleton: Skeleton, outfit: Outfit, leg: Limb) -> None:
    """A shoe: heel to toe along the foot, with a sole of its own tone."""
    height = skeleton.body.height
    radius = 0.021 * height
    foot = leg.direction
    down = radius - 0.045 * height
    heel = (leg.end[0], leg.end[1] + down, leg.end[2] - 0.012 * height)
    toe = tuple(h + 0.085 * height * d for h, d in zip(heel, foot, strict=True))
    hx, hy, _ = skeleton.projection.screen(heel)
    tx, ty, _ = skeleton.projection.screen((toe[0], toe[1] - 0.1 * radius, toe[2]))
    color = COLORS[outfit.shoes_color]
    sole = shaded(color, -0.5) if outfit.shoes_color in ("white", "gray") else (214.0, 210.0, 202.0)
    pixels = radius * PIXELS_PER_CM
    ankle = between(leg.end, leg.middle, 0.1)
    draw_bone(canvas, skeleton, (heel, ankle), (radius * 0.95, radius * 0.8), Cloth(color), Part.SHOES)

    def paint(x: Floats, y: Floats) -> tuple[Floats, NDArray[np.uint8]]:
        share, across = along_limb(x, y, (hx, hy), (tx, ty), pixels, pixels * 0.86)
        ground = hy + (ty - hy) * np.clip(share, 0, 1) + pixels * 0.62
        colors = rounded(np.broadcast_to(np.asarray(color, np.float32), (len(x), 3)), across * 0.7, canvas.light)
        colors[y > ground] = sole
        # The sole is cut flat, so that people stand on the ground and not on balls.
        parts = np.where(y < ground + pixels * 0.3, np.uint8(Part.SHOES), np.uint8(0))
        return colors, parts

    canvas.fill(capsule((hx, hy), (tx, ty), pixels, pixels * 0.86), paint)
