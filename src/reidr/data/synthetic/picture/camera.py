"""Cameras: each has its own light, colours, sharpness, resolution, height and place."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

PLACES = ("road", "wall", "grass", "shop", "hall", "platform")


@dataclass(frozen=True)
class Camera:
    """One camera.

    Attributes:
        label: as in the data set. place: one of `PLACES`. scene: seed of its background.
        brightness: factor on linear light. gamma: exponent of its tone curve. gains: factors of red, green and blue.
        saturation: 0 is grey, 1 unchanged. slope, slope_angle: how much brighter one side is, and which (radians).
        haze: share of grey veil. blur: radius in crop pixels. noise: standard deviation on a scale of 255.
        quality: of its JPEG pictures. heights: lowest and highest crop in pixels. pitch: radians it looks down.
        occlusion: share of crops with something in front. loose: how badly its detector places boxes (0 to 1).
    """

    label: str
    place: str
    scene: int
    brightness: float
    gamma: float
    gains: tuple[float, float, float]
    saturation: float
    slope: float
    slope_angle: float
    haze: float
    blur: float
    noise: float
    quality: int
    heights: tuple[int, int]
    pitch: float
    occlusion: float
    loose: float


def make_cameras(seed: int, count: int) -> tuple[Camera, ...]:
    """`count` cameras that truly differ: every property is spread evenly over its range, then shuffled over cameras."""
    random = np.random.default_rng([seed, 977])

    def spread(low: float, high: float) -> list[float]:
        steps = (np.arange(count) + random.uniform(0.2, 0.8, count)) / count
        return [float(v) for v in low + (high - low) * random.permutation(steps)]

    hues = [2 * math.pi * v for v in spread(0.0, 1.0)]
    casts, brightness, gamma = spread(0.004, 0.02), spread(0.84, 1.12), spread(0.92, 1.1)
    saturation, slope, haze = spread(0.85, 1.1), spread(0.05, 0.25), spread(0.0, 0.2)
    blur, noise, quality = spread(0.25, 1.0), spread(2.0, 10.0), spread(38, 88)
    lowest, pitch = spread(96, 138), spread(0.02, 0.32)
    occlusion, loose = spread(0.12, 0.34), spread(0.25, 1.0)
    places = [PLACES[int(i) % len(PLACES)] for i in random.permutation(max(count, len(PLACES)))][:count]
    return tuple(
        Camera(
            label=str(i + 1),
            place=places[i],
            scene=int(random.integers(1 << 30)),
            brightness=brightness[i],
            gamma=gamma[i],
            gains=cast(hues[i], casts[i]),
            saturation=saturation[i],
            slope=slope[i],
            slope_angle=float(random.uniform(0, 2 * math.pi)),
            haze=haze[i],
            blur=blur[i],
            noise=noise[i],
            quality=round(quality[i]),
            heights=(round(lowest[i]), min(160, round(lowest[i]) + 26)),
            pitch=pitch[i],
            occlusion=occlusion[i],
            loose=loose[i],
        )
        for i in range(count)
    )


def cast(hue: float, strength: float) -> tuple[float, float, float]:
    """Gains of red, green and blue, around 1, that tint by `strength` towards `hue` (radians on the colour circle)."""
    red, green, blue = (1.0 + strength * math.cos(hue - turn) for turn in (0.0, 2 * math.pi / 3, 4 * math.pi / 3))
    return red, green, blue


def expose(camera: Camera, picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """What the sensor makes of `picture` (RGB, final size): light, veil, tone curve, tint, blur, noise."""
    pixels = np.asarray(picture, dtype=np.float32) / np.float32(255)
    height, width = pixels.shape[:2]
    rows = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    columns = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :]
    angle = camera.slope_angle + float(random.normal(0, 0.4))
    slope = 1.0 + camera.slope * (math.cos(angle) * columns + math.sin(angle) * rows)
    slope *= cast_shadow(random, rows, columns)
    light = camera.brightness * math.exp(float(random.normal(0, 0.13)))
    drift = np.exp(random.normal(0, 0.01, 3))
    gains = np.asarray(camera.gains * drift, dtype=np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + np.float32(camera.saturation) * (pixels - grey)
    pixels = np.clip(pixels, 0, 1) ** np.float32(camera.gamma) * (slope * np.float32(light))[:, :, None] * gains
    pixels = pixels + np.float32(camera.haze) * (np.float32(0.72) - pixels)
    # A shoulder instead of hard clipping: bright shirts keep their pattern.
    pixels = np.where(pixels > 0.8, 0.8 + 0.2 * np.tanh((pixels - 0.8) / 0.25), pixels)
    exposed = Image.fromarray(to_bytes(pixels * np.float32(255)))
    if camera.blur > 0.3:
        exposed = exposed.filter(ImageFilter.GaussianBlur(camera.blur))
    grain = random.standard_normal((height, width, 1), dtype=np.float32)
    colored = random.standard_normal((height, width, 3), dtype=np.float32)
    noise = np.float32(camera.noise) * (np.float32(0.8) * grain + np.float32(0.5) * colored)
    return Image.fromarray(to_bytes(np.asarray(exposed, dtype=np.float32) + noise))


def cast_shadow(
    random: np.random.Generator, rows: NDArray[np.float32], columns: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(H, W) factors of a soft-edged shadow that lies over part of some crops."""
    present, angle, offset, depth = random.random(4)
    if present > 0.2:
        return np.ones((rows.shape[0], columns.shape[1]), dtype=np.float32)
    line = math.cos(math.pi * angle) * columns + math.sin(math.pi * angle) * rows - (0.6 * offset - 0.3)
    return (1.0 - (0.2 + 0.35 * depth) / (1.0 + np.exp(-line * 30.0))).astype(np.float32)


def to_bytes(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Rounded and clipped to 0–255."""
    return np.clip(pixels + np.float32(0.5), 0, 255).astype(np.uint8)


def jpeg_bytes(camera: Camera, picture: Image.Image) -> bytes:
    """The file this camera writes."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=camera.quality)
    return file.getvalue()
