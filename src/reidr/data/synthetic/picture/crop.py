"""One crop: a person, a camera, a moment."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidr.data.synthetic.person.appearance import Outfit, Person
from reidr.data.synthetic.person.figure import draw_figure
from reidr.data.synthetic.person.palette import check_choice
from reidr.data.synthetic.person.pose import CANVAS_HEIGHT, CANVAS_WIDTH, GROUND_Y, VIEWS, sample_pose
from reidr.data.synthetic.picture.background import FEET, HEIGHT, WIDTH, panorama
from reidr.data.synthetic.picture.camera import Camera, expose, jpeg_bytes
from reidr.data.synthetic.picture.framing import Box, figure_extent, ground_shadow, place_box
from reidr.data.synthetic.picture.occlusion import put_something_in_front
from reidr.data.synthetic.picture.visibility import count_parts, visible_attributes


@dataclass(frozen=True)
class RenderedCrop:
    """A crop and everything that is known about it.

    Attributes:
        jpeg: the file as the camera wrote it. attributes: as visible in this crop (see `visibility`).
        scene: (H, W, 3) uint8, the crop two to three times finer, before the camera's light, blur, noise and JPEG.
        parts: (H, W) uint8, the `Part` that each pixel of `scene` shows.
    """

    jpeg: bytes
    attributes: Mapping[str, str]
    scene: NDArray[np.uint8]
    parts: NDArray[np.uint8]

    @property
    def image(self) -> Image.Image:
        """The decoded file, RGB: the same pixels in memory as on disk."""
        with Image.open(io.BytesIO(self.jpeg)) as picture:
            return picture.convert("RGB")


def render_crop(
    person: Person, outfit: Outfit, view: str, camera: Camera, seed: int, *, badly_cropped: bool = False
) -> RenderedCrop:
    """Draw `person` in `outfit` as `camera` sees them in `view` ("front", "side" or "back"); a pure function.

    Pose, background, box, occlusion and noise come from `seed` alone: with one garment repainted, `scene` differs
    inside that garment only. `badly_cropped` gives a box that mostly misses the person.
    Raises DataError for another view.
    """
    check_choice("view", view, VIEWS)
    posing, framing, sensing = (np.random.default_rng([seed, stream]) for stream in range(3))
    pose = sample_pose(posing, view, camera.pitch)
    light = math.cos(camera.slope_angle)
    figure = draw_figure(person, outfit, pose, light)
    box = place_box(camera, figure_extent(person, pose), framing, bad=badly_cropped)
    left, top, width, height = math.floor(box.left), math.floor(box.top), round(box.width), round(box.height)
    scene = background_window(camera, box, framing)
    ground_shadow(scene, left, top, light)
    parts = np.zeros((height, width), dtype=np.uint8)
    y0, y1 = max(0, top), min(CANVAS_HEIGHT, top + height)
    x0, x1 = max(0, left), min(CANVAS_WIDTH, left + width)
    if y1 > y0 and x1 > x0:
        there = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        parts[there] = figure.parts[y0:y1, x0:x1]
        body = parts[there] > 0
        scene[there][body] = figure.color[y0:y1, x0:x1][body]
    put_something_in_front(camera, scene, parts, framing)
    small = Image.fromarray(scene).resize(box.size, Image.Resampling.BOX)
    attributes = visible_attributes(person, outfit, count_parts(figure.parts), count_parts(parts), parts.size)
    return RenderedCrop(jpeg_bytes(camera, expose(camera, small, sensing)), attributes, scene, parts)


def background_window(camera: Camera, box: Box, random: np.random.Generator) -> NDArray[np.uint8]:
    """The piece of the camera's place behind `box`, people standing at a random point of it (a fresh copy)."""
    picture = panorama(camera.place, camera.scene)
    width, height = round(box.width), round(box.height)
    x = int(random.integers(0, max(1, WIDTH - width)))
    y = min(max(0, round(FEET + int(random.integers(-30, 31)) + box.top - GROUND_Y)), max(0, HEIGHT - height))
    return picture[y : y + height, x : x + width].copy()
