"""Where a detector puts the box, and the shadow on the ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reidr.data.synthetic.person.appearance import Person
from reidr.data.synthetic.person.pose import GROUND_X, GROUND_Y, PIXELS_PER_CM, Pose, make_skeleton
from reidr.data.synthetic.picture.camera import Camera

SMALLEST_WIDTH, LARGEST_WIDTH = 40, 72
CUT_SHARE = 0.14  # of boxes that lose the feet, the head or a side


@dataclass(frozen=True)
class Box:
    """A detection: left, top, width, height in canvas pixels (it may leave the canvas), and the crop's size."""

    left: float
    top: float
    width: float
    height: float
    size: tuple[int, int]


def figure_extent(person: Person, pose: Pose) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the body on the canvas, from its joints: what is worn does not move the box."""
    skeleton = make_skeleton(person.body, pose)
    limbs = (*skeleton.arms, *skeleton.legs)
    points = [skeleton.projection.screen(point) for limb in limbs for point in (limb.top, limb.middle, limb.end)]
    crown = skeleton.projection.screen(skeleton.spine(1.01))
    return (
        min(x for x, _, _ in points) - 7 * PIXELS_PER_CM,
        crown[1] - 3 * PIXELS_PER_CM,
        max(x for x, _, _ in points) + 7 * PIXELS_PER_CM,
        GROUND_Y + 3 * PIXELS_PER_CM,
    )


def place_box(
    camera: Camera, extent: tuple[float, float, float, float], random: np.random.Generator, *, bad: bool
) -> Box:
    """A detector's box around `extent`: off centre, too tight or loose, sometimes cut; a `bad` one mostly misses."""
    left, top, right, bottom = extent
    draws = random.normal(0, 1, 4)
    high = (bottom - top) * (1.05 + 0.05 * camera.loose * abs(float(draws[0])))
    wide = max(0.36 * high, (right - left) * 1.04)
    centre_x = (left + right) / 2 + 0.045 * camera.loose * wide * float(draws[1])
    centre_y = (top + bottom) / 2 + 0.022 * camera.loose * high * float(draws[2])
    kind, amount = random.random(2)
    if bad:
        high *= 0.45 + 0.75 * float(amount)
        centre_y += high * (0.35 + 0.3 * float(kind)) * (1 if draws[3] > 0 else -1)
        centre_x += wide * (0.35 + 0.4 * float(amount)) * (1 if draws[0] > 0 else -1)
        wide = max(0.4 * high, wide * 0.8)
    elif kind < CUT_SHARE * 0.55:  # the feet, as far up as the knees
        lost = high * (0.08 + 0.22 * float(amount))
        high, centre_y = high - lost, centre_y - lost / 2
    elif kind < CUT_SHARE * 0.7:  # the top of the head
        lost = high * (0.05 + 0.08 * float(amount))
        high, centre_y = high - lost, centre_y + lost / 2
    elif kind < CUT_SHARE:  # one side
        lost = wide * (0.15 + 0.25 * float(amount)) * (1 if draws[3] > 0 else -1)
        wide, centre_x = wide - abs(lost), centre_x + lost / 2
    pixels = int(random.integers(camera.heights[0], camera.heights[1] + 1))
    width = int(np.clip(round(pixels * wide / high), SMALLEST_WIDTH, LARGEST_WIDTH))
    # The width is what the whole pixels allow, so that people are neither stretched nor squeezed.
    wide = high * width / pixels
    return Box(centre_x - wide / 2, centre_y - high / 2, wide, high, (width, pixels))


def ground_shadow(scene: NDArray[np.uint8], left: int, top: int, light: float) -> None:
    """Darken the ground under the feet in `scene`, whose corner is at (`left`, `top`) of the canvas, in place."""
    height, width = scene.shape[:2]
    y0, y1 = max(0, round(GROUND_Y) - 16 - top), min(height, round(GROUND_Y) + 16 - top)
    if y1 <= y0:
        return
    rows = (np.arange(y0, y1) + top - GROUND_Y)[:, None] / 13.0
    columns = (np.arange(width) + left - GROUND_X + 24 * light)[None, :] / 62.0
    depth = 0.45 * np.clip(1.0 - rows * rows - columns * columns, 0, 1)
    scene[y0:y1] = (scene[y0:y1] * (1.0 - depth)[:, :, None]).astype(np.uint8)
