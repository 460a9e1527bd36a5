"""What stands between the camera and the person: poles, bins, hedges, parked cars, other people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from reidr.data.synthetic.people import sample_body, sample_outfit
from reidr.data.synthetic.person.appearance import Person
from reidr.data.synthetic.person.figure import draw_figure
from reidr.data.synthetic.person.palette import COLORS, RGB, shaded
from reidr.data.synthetic.person.pose import CANVAS_HEIGHT, CANVAS_WIDTH, VIEWS, sample_pose
from reidr.data.synthetic.picture.camera import Camera
from reidr.data.synthetic.picture.canvas import Part

# How often each thing is the one in front; the rest are parked cars.
PASSER_BY, POLE, BIN, HEDGE = 0.34, 0.16, 0.16, 0.18
LEAF: RGB = (66, 108, 56)


def put_something_in_front(
    camera: Camera, color: NDArray[np.uint8], parts: NDArray[np.uint8], random: np.random.Generator
) -> None:
    """In the camera's share of crops, paint an obstacle over `color` (H, W, 3) and `parts` (H, W), in place."""
    happens, kind, amount, side = (float(value) for value in random.random(4))
    if happens >= camera.occlusion:
        return
    height, width = parts.shape
    if kind < PASSER_BY:
        put_passer_by(camera, color, parts, random, width * (0.26 + 0.22 * amount), left_hand=side < 0.5)
        return
    painter = Obstacle(width, height)
    kind -= PASSER_BY
    top = height * (0.58 + 0.24 * amount)
    if kind < POLE:
        painter.pole((0.15 + 0.7 * amount) * width, (0.09 + 0.06 * side) * width)
    elif kind < POLE + BIN:
        painter.bin(-0.1 * width if side < 0.5 else 0.45 * width, top, random)
    elif kind < POLE + BIN + HEDGE:
        painter.hedge(top, random)
    else:
        painter.car(-0.5 * width if side < 0.5 else 0.1 * width, top, random)
    covered = np.asarray(painter.mask) > 0
    color[covered] = np.asarray(painter.picture)[covered]
    parts[covered] = Part.OCCLUDER


class Obstacle:
    """A picture of one thing, and the mask of what it covers."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.picture = Image.new("RGB", (width, height))
        self.mask = Image.new("L", (width, height))
        self.draw, self.cover = ImageDraw.Draw(self.picture), ImageDraw.Draw(self.mask)

    def pole(self, x: float, wide: float) -> None:
        """A post over the whole height."""
        for i, shade in enumerate((-0.2, 0.15, 0.0, -0.3)):
            strip = (x + i * wide / 4, 0, x + (i + 1) * wide / 4, self.height)
            self.draw.rectangle(strip, fill=fill((104, 108, 112), shade))
        self.cover.rectangle((x, 0, x + wide, self.height), fill=1)

    def bin(self, x: float, top: float, random: np.random.Generator) -> None:
        """A litter bin in front of the legs."""
        paint = any_tone(random)
        shape = (x, top, x + 0.65 * self.width, self.height + 20)
        self.draw.rounded_rectangle(shape, 10, fill=fill(paint, 0))
        self.draw.rectangle((shape[0], top + 14, shape[2], top + 22), fill=fill(paint, -0.4))
        self.cover.rounded_rectangle(shape, 10, fill=1)

    def hedge(self, top: float, random: np.random.Generator) -> None:
        """A hedge over the whole width."""
        base = (0, top + 12, self.width, self.height)
        self.draw.rectangle(base, fill=fill(LEAF, -0.33))
        self.cover.rectangle(base, fill=1)
        for x, y, r, shade in random.random((110, 4)).tolist():
            x, y, r = x * (self.width + 20) - 10, top + y * (self.height - top), 7 + 8 * r
            self.draw.ellipse((x - r, y - r, x + r, y + r), fill=fill(LEAF, 0.55 * shade - 0.35))
            self.cover.ellipse((x - r, y - r, x + r, y + r), fill=1)

    def car(self, x: float, top: float, random: np.random.Generator) -> None:
        """The bonnet of a parked car, with a windscreen edge, a lamp and a wheel arch."""
        paint = any_tone(random)
        shape = (x, top, x + 1.4 * self.width, self.height + 60)
        self.draw.rounded_rectangle(shape, 28, fill=fill(paint, 0))
        self.draw.rounded_rectangle((x + 8, top + 5, x + 1.4 * self.width - 8, top + 13), 4, fill=fill(paint, 0.3))
        lamp = (x + 0.62 * self.width, top + 34, x + 0.8 * self.width, top + 52)
        self.draw.ellipse(lamp, fill=(236, 232, 210), outline=fill(paint, -0.5), width=2)
        self.draw.rectangle((x, top + 70, x + 1.4 * self.width, top + 76), fill=fill(paint, -0.45))
        self.cover.rounded_rectangle(shape, 28, fill=1)


def any_tone(random: np.random.Generator) -> RGB:
    """The paint of a bin or car."""
    tones = ((66, 92, 74), (70, 110, 56), COLORS["red"], COLORS["gray"], COLORS["navy"])
    return shaded(tones[int(random.integers(len(tones)))], float(random.uniform(-0.25, 0.15)))


def fill(color: RGB, shade: float) -> tuple[int, int, int]:
    """`color` shaded, in whole numbers for Pillow."""
    red, green, blue = shaded(color, shade)
    return round(red), round(green), round(blue)


def put_passer_by(
    camera: Camera,
    color: NDArray[np.uint8],
    parts: NDArray[np.uint8],
    random: np.random.Generator,
    reach: float,
    *,
    left_hand: bool,
) -> None:
    """Another person, nearer to the camera, who reaches `reach` pixels into the crop from one side."""
    height, width = parts.shape
    stranger = Person("0", sample_body(random), "short", "black", (sample_outfit(random, "1"),))
    pose = sample_pose(random, VIEWS[int(random.integers(3))], camera.pitch)
    figure = draw_figure(stranger, stranger.outfits[0], pose, 0.0)
    shown = figure.parts > 0
    columns = np.flatnonzero(shown.any(axis=0))
    offset = round(reach) - int(columns[-1]) if left_hand else width - round(reach) - int(columns[0])
    drop = height - CANVAS_HEIGHT + int(random.integers(0, 40))
    y0, y1 = max(0, drop), min(height, drop + CANVAS_HEIGHT)
    x0, x1 = max(0, offset), min(width, offset + CANVAS_WIDTH)
    if y0 >= y1 or x0 >= x1:
        return
    window = (slice(y0 - drop, y1 - drop), slice(x0 - offset, x1 - offset))
    covered = shown[window]
    color[y0:y1, x0:x1][covered] = figure.color[window][covered]
    parts[y0:y1, x0:x1][covered] = Part.OCCLUDER
