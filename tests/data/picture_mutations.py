"""Damaged pictures by the thousand: flipped bits, cuts, spliced and repeated parts, headers that lie."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from PIL import Image

EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\xff\xff", b"\xff\xff\0\0", b"\0\0\x27\x10")


def seeds() -> list[bytes]:
    """One small file or more of every format, with what keeps decoders busy: palettes, alpha, frames, tags."""
    random = np.random.default_rng(0)
    rgb = Image.fromarray(random.integers(0, 256, (40, 24, 3), dtype=np.uint8))
    alpha = Image.fromarray(random.integers(0, 256, (40, 24, 4), dtype=np.uint8))
    deep = Image.fromarray(random.integers(0, 65_536, (40, 24)).astype(np.uint16))
    palette = rgb.quantize(16)
    exif = Image.Exif()
    exif[274] = 6
    exif[0x010E] = "a crop"
    more: dict[str, Any] = {"save_all": True, "append_images": [palette.convert("RGB")]}
    wanted: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (rgb, "JPEG", {"exif": exif, "icc_profile": b"p" * 200}),
        (rgb, "JPEG", {"progressive": True}),
        (rgb.convert("CMYK"), "JPEG", {}),
        (rgb, "MPO", more),
        (rgb, "PNG", {"exif": exif, "icc_profile": b"p" * 200}),
        (alpha, "PNG", {}),
        (palette, "PNG", {"transparency": bytes(range(16))}),
        (deep, "PNG", {"transparency": 9}),
        (rgb, "PNG", more),
        (rgb, "WEBP", {"exif": exif}),
        (alpha, "WEBP", {"lossless": True}),
        (rgb, "WEBP", more),
        (rgb, "BMP", {}),
        (palette, "BMP", {}),
        (rgb, "PPM", {}),
        (palette, "GIF", {"transparency": 3}),
        (palette, "GIF", {"save_all": True, "append_images": [palette.rotate(180)]}),
        (rgb, "TIFF", {"exif": exif}),
        (rgb, "TIFF", {"compression": "tiff_lzw"}),
        (rgb, "TIFF", {"compression": "jpeg"}),
        (deep, "TIFF", {"compression": "tiff_deflate"}),
        (rgb, "AVIF", {"exif": exif}),
        (alpha, "AVIF", {}),
    ]
    made = [b"P3 24 40 255\n" + b" ".join(b"%d" % value for value in rgb.tobytes()), b"P5 24 40 999\n" + bytes(1920)]
    for picture, kind, options in wanted:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        made.append(buffer.getvalue())
    try:
        import pillow_heif
    except ImportError:
        return made
    buffer = io.BytesIO()
    pillow_heif.from_pillow(rgb.resize((64, 128))).save(buffer, quality=60)
    return [*made, buffer.getvalue()]


def mutated(data: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """`data` damaged in one to three ways; `other` is another file to take parts from."""
    content = bytearray(data)
    for _ in range(random.integers(1, 4)):
        size = max(len(content), 8)
        # Headers are where lies matter, so half of all places lie in the first bytes.
        place = int(random.integers(0, min(size, 200) if random.random() < 0.5 else size))
        length = int(random.integers(1, 64))
        way = random.integers(0, 7)
        if way == 0:
            for bit in random.integers(0, 8 * min(size, len(content) or 1), length // 4 + 1):
                if content:
                    content[bit // 8 % len(content)] ^= 1 << (bit % 8)
        elif way == 1:
            del content[place:]
        elif way == 2:
            content[place : place + 4] = EXTREMES[random.integers(len(EXTREMES))]
        elif way == 3:
            begin = int(random.integers(0, len(other)))
            content[place : place + length] = other[begin : begin + int(random.integers(1, 200))]
        elif way == 4:
            content[place:place] = content[place : place + length] * int(random.integers(1, 4))
        elif way == 5:
            content[place : place + 4] = struct.pack(random.choice([">I", "<I"]), int(random.integers(0, 70_000)))
        else:
            del content[place : place + length]
    return bytes(content)
