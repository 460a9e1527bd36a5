"""The place a camera looks at: one wide picture per camera, of which every crop shows a piece."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from reidr.data.synthetic.person.palette import COLORS, RGB, shaded

WIDTH, HEIGHT = 900, 560
HORIZON = 330  # where ground begins, in pixels from the top
FEET = 470  # where people stand
PALE, MIDDLE = 0.7, 122.0
Color = tuple[int, int, int]


@lru_cache(maxsize=32)
def panorama(place: str, scene: int) -> NDArray[np.uint8]:
    """(HEIGHT, WIDTH, 3) picture of `place`, the same for the same `scene`; do not write into it."""
    random = np.random.default_rng([scene, 41])
    picture = Image.new("RGB", (WIDTH, HEIGHT))
    # The place itself fills half of the view, two others a quarter each.
    others = [str(name) for name in random.permutation([name for name in PAINTERS if name != place])[:2]]
    for name, left, right in ((others[0], 0, 225), (place, 225, 675), (others[1], 675, WIDTH)):
        piece = Image.new("RGB", (WIDTH, HEIGHT))
        draw = ImageDraw.Draw(piece)
        PAINTERS[name](draw, random)
        clutter(draw, random, name)
        picture.paste(piece.crop((left, 0, right, HEIGHT)), (left, 0))
    picture = picture.filter(ImageFilter.GaussianBlur(1.6))
    coarse = Image.fromarray(random.integers(0, 255, (HEIGHT // 28, WIDTH // 28), dtype=np.uint8))
    stains = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), dtype=np.float32) - 127.5
    grain = random.normal(0, 4.0, (HEIGHT, WIDTH))
    pixels = np.asarray(picture, dtype=np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    # Places are paler than clothes and equally bright, so that what people wear decides a picture's colours.
    muted = grey + (1 - PALE) * (pixels - grey)
    pixels = (muted + PALE * (MIDDLE - grey.mean())) * (1 + 0.0009 * stains)[:, :, None] + grain[:, :, None]
    result = np.clip(pixels, 0, 255).astype(np.uint8)
    result.flags.writeable = False
    return result


def tone(color: RGB, random: np.random.Generator, spread: float = 0.15) -> Color:
    """`color` a little lighter or darker."""
    red, green, blue = shaded(color, float(random.uniform(-spread, spread)))
    return round(red), round(green), round(blue)


def ground(draw: ImageDraw.ImageDraw, color: Color) -> None:
    """Ground, lighter towards the horizon."""
    for y in range(HORIZON, HEIGHT, 4):
        near = (y - HORIZON) / (HEIGHT - HORIZON)
        red, green, blue = shaded(color, 0.14 - 0.22 * near)
        draw.rectangle((0, y, WIDTH, y + 4), fill=(round(red), round(green), round(blue)))


def road(draw: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    """Asphalt with markings before a row of houses."""
    x = 0
    while x < WIDTH:
        width = int(random.integers(110, 220))
        facade = tone(((176, 150, 128), (150, 158, 166), (188, 176, 150), (140, 104, 92))[random.integers(4)], random)
        draw.rectangle((x, 0, x + width, HORIZON), fill=facade)
        for wx in range(x + 18, x + width - 30, 50):
            for wy in range(14, HORIZON - 70, 78):
                draw.rectangle((wx, wy, wx + 28, wy + 46), fill=tone((70, 84, 98), random), outline=(220, 216, 208))
        x += width
    ground(draw, tone((104, 104, 106), random))
    draw.rectangle((0, HORIZON, WIDTH, HORIZON + 16), fill=(164, 162, 156))
    for x in range(int(random.integers(60)), WIDTH, 150):
        draw.polygon([(x, 500), (x + 80, 500), (x + 70, 514), (x - 12, 514)], fill=(222, 222, 216))


def wall(draw: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    """A brick wall above a pavement."""
    brick = ((150, 84, 66), (172, 160, 142), (120, 100, 96))[random.integers(3)]
    draw.rectangle((0, 0, WIDTH, HORIZON), fill=(180, 172, 162))
    for row, y in enumerate(range(0, HORIZON, 15)):
        for x in range(-20 * (row % 2), WIDTH, 40):
            draw.rectangle((x + 1, y + 1, x + 37, y + 12), fill=tone(brick, random, 0.2))
    ground(draw, tone((158, 152, 144), random))
    for x in range(-400, WIDTH + 400, 90):
        draw.line((x, HEIGHT, WIDTH / 2 + (x - WIDTH / 2) * 0.6, HORIZON), fill=(128, 122, 116), width=2)
    for y in (350, 385, 435, 505):
        draw.line((0, y, WIDTH, y), fill=(128, 122, 116), width=2)


def grass(draw: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    """A park: lawn, bushes, trees, a path."""
    draw.rectangle((0, 0, WIDTH, HORIZON), fill=tone((176, 200, 216), random, 0.1))
    for _ in range(150):
        x, y, r = int(random.integers(WIDTH)), int(random.integers(0, HORIZON + 10)), int(random.integers(18, 60))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tone((70, 108, 56), random, 0.3))
    for _ in range(7):
        x, w = int(random.integers(WIDTH)), int(random.integers(10, 26))
        draw.rectangle((x, 0, x + w, HORIZON + 12), fill=tone((86, 68, 52), random))
    ground(draw, tone((98, 136, 70), random))
    if random.random() < 0.7:
        draw.polygon([(0, 440), (WIDTH, 415), (WIDTH, 520), (0, 545)], fill=tone((186, 170, 140), random))


def shop(draw: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    """Shop windows with goods, signs above, tiles below."""
    draw.rectangle((0, 0, WIDTH, HORIZON), fill=tone((78, 70, 66), random))
    names = list(COLORS)
    x = 8
    while x < WIDTH:
        width = int(random.integers(120, 190))
        draw.rectangle((x, 8, x + width, 50), fill=tone(COLORS[names[random.integers(len(names))]], random))
        draw.rectangle((x, 62, x + width, HORIZON - 22), fill=tone((196, 204, 204), random))
        for _ in range(12):
            gx, gy = x + int(random.integers(4, width - 30)), int(random.integers(80, HORIZON - 70))
            gw, gh = int(random.integers(14, 40)), int(random.integers(18, 62))
            good = tone(COLORS[names[random.integers(len(names))]], random)
            draw.rounded_rectangle((gx, gy, min(gx + gw, x + width - 4), gy + gh), 5, fill=good)
        for shift in (20, 34):
            draw.line((x + shift, HORIZON - 24, x + shift + 80, 64), fill=(224, 230, 230), width=4)
        x += width + 12
    ground(draw, tone((150, 146, 142), random))


def hall(draw: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    """Indoors: tiled floor, bright wall, posters."""
    draw.rectangle((0, 0, WIDTH, HORIZON), fill=tone((206, 202, 188), random))
    for x in range(0, WIDTH, 45):
        draw.line((x, 0, x, HORIZON), fill=(182, 178, 166), width=1)
    for y in range(0, HORIZON, 45):
        draw.line((0, y, WIDTH, y), fill=(182, 178, 166), width=1)
    names = list(COLORS)
    for x in range(int(random.integers(10, 80)), WIDTH - 120, 230):
        draw.rectangle((x, 90, x + 110, 240), fill=tone(COLORS[names[random.integers(len(names))]], random))
        draw.ellipse((x + 25, 110, x + 85, 170), fill=tone(COLORS[names[random.integers(len(names))]], random))
    ground(draw, tone((184, 178, 168), random))
    far, near = tone((116, 108, 104), random), HEIGHT - HORIZON
    for row in range(7):
        top, bottom = HORIZON + near * (row / 7) ** 1.5, HORIZON + near * ((row + 1) / 7) ** 1.5
        for column in range(-14, 15):
            if (row + column) % 2 == 0:
                corners = []
                for y, c in ((top, column), (top, column + 1), (bottom, column + 1), (bottom, column)):
                    corners.append((WIDTH / 2 + c * (34 + 62 * (y - HORIZON) / near), y))
                draw.polygon(corners, fill=far)


def platform(draw: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    """A station: steel panels, a dark opening, a yellow line on concrete."""
    draw.rectangle((0, 0, WIDTH, HORIZON), fill=tone((88, 100, 112), random))
    for x in range(0, WIDTH, 74):
        draw.rectangle((x, 70, x + 70, HORIZON - 20), fill=tone((112, 126, 138), random))
    draw.rectangle((0, 96, WIDTH, 150), fill=tone((34, 58, 104), random))
    for x in range(30, WIDTH, 200):
        draw.rectangle((x, 106, x + 90, 138), fill=(224, 224, 220))
    ground(draw, tone((136, 138, 138), random))
    draw.rectangle((0, 366, WIDTH, 384), fill=tone((214, 176, 52), random))


def clutter(draw: ImageDraw.ImageDraw, random: np.random.Generator, place: str) -> None:
    """Bins, posts, parked bicycles, benches and plants behind the people."""
    indoors = place in ("hall", "platform")
    for x in random.integers(0, WIDTH, 9):
        x, base = int(x), HORIZON + int(random.integers(4, 60))
        kind = int(random.integers(4))
        if kind == 0:
            draw.rounded_rectangle((x, base - 74, x + 44, base), 6, fill=tone((62, 84, 70), random, 0.3))
        elif kind == 1:
            draw.rectangle((x, 0, x + 9, base), fill=tone((92, 94, 96), random, 0.3))
        elif kind == 2 and not indoors:
            for wheel in (x, x + 74):
                draw.ellipse((wheel - 30, base - 60, wheel + 30, base), outline=(40, 40, 42), width=4)
            frame = tone(COLORS[list(COLORS)[random.integers(len(COLORS))]], random)
            draw.line((x, base - 30, x + 24, base - 72, x + 62, base - 72, x + 74, base - 30), fill=frame, width=5)
            draw.line((x + 24, base - 72, x + 36, base - 30, x + 62, base - 72), fill=frame, width=5)
        else:
            draw.rectangle((x + 8, base - 28, x + 48, base), fill=tone((150, 96, 66), random, 0.3))
            for _ in range(9):
                px, py = x + int(random.integers(0, 56)), base - int(random.integers(30, 80))
                draw.ellipse((px - 15, py - 15, px + 15, py + 15), fill=tone((60, 116, 58), random, 0.3))


PAINTERS = {"road": road, "wall": wall, "grass": grass, "shop": shop, "hall": hall, "platform": platform}
