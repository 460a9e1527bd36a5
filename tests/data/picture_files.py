"""One small picture in every format, mode and turn that is read, as the bytes of a file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 24, 40
ORIENTATION = 274


def noise(channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    shape = (HEIGHT, WIDTH, channels) if channels > 1 else (HEIGHT, WIDTH)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def palette(mode: str = "P") -> Image.Image:
    picture = Image.fromarray(noise()).quantize(8)
    return picture if mode == "P" else picture.convert(mode)


RGB = Image.fromarray(noise())
DEEP = np.random.default_rng(3).integers(0, 65_536, (HEIGHT, WIDTH)).astype(np.uint16)
FILES: dict[str, bytes] = {
    "JPEG": encoded(RGB, "JPEG", quality=95),
    "progressive JPEG": encoded(RGB, "JPEG", progressive=True),
    "grey JPEG": encoded(RGB.convert("L"), "JPEG"),
    "CMYK JPEG": encoded(RGB.convert("CMYK"), "JPEG"),
    "MPO": encoded(RGB, "MPO", save_all=True, append_images=[palette("RGB")]),
    "PNG": encoded(RGB, "PNG"),
    "RGBA PNG": encoded(Image.fromarray(noise(4)), "PNG"),
    "LA PNG": encoded(Image.fromarray(noise(2)), "PNG"),
    "P PNG": encoded(palette(), "PNG"),
    "P PNG, one index clear": encoded(palette(), "PNG", transparency=3),
    "P PNG, alphas": encoded(palette(), "PNG", transparency=bytes([0, 40, 200, 255, 90, 0, 255, 17])),
    "1-bit PNG": encoded(RGB.convert("1"), "PNG"),
    "1-bit PNG, white clear": encoded(RGB.convert("1"), "PNG", transparency=1),
    "L PNG, a grey clear": encoded(RGB.convert("L"), "PNG", transparency=int(noise(1)[0, 0])),
    "RGB PNG, a colour clear": encoded(RGB, "PNG", transparency=tuple(noise()[0, 0].tolist())),
    "16-bit PNG": encoded(Image.fromarray(DEEP), "PNG"),
    "16-bit PNG, a grey clear": encoded(Image.fromarray(DEEP), "PNG", transparency=int(DEEP[5, 5])),
    "animated PNG": encoded(RGB, "PNG", save_all=True, append_images=[palette("RGB")]),
    "WebP": encoded(RGB, "WEBP"),
    "WebP with alpha": encoded(Image.fromarray(noise(4)), "WEBP", lossless=True),
    "animated WebP": encoded(RGB, "WEBP", save_all=True, append_images=[palette("RGB")], lossless=True),
    "BMP": encoded(RGB, "BMP"),
    "P BMP": encoded(palette(), "BMP"),
    "PPM": encoded(RGB, "PPM"),
    "PGM": encoded(RGB.convert("L"), "PPM"),
    "PBM": encoded(RGB.convert("1"), "PPM"),
    "16-bit PGM": b"P5 24 40 65535\n" + DEEP.astype(">u2").tobytes(),
    "GIF": encoded(palette(), "GIF"),
    "GIF, clear": encoded(palette(), "GIF", transparency=2),
    "animated GIF": encoded(palette(), "GIF", save_all=True, append_images=[RGB.convert("L").convert("P")]),
    "TIFF": encoded(RGB, "TIFF"),
    "TIFF of two pages": encoded(RGB, "TIFF", save_all=True, append_images=[palette("RGB")]),
    "CMYK TIFF": encoded(RGB.convert("CMYK"), "TIFF", compression="tiff_lzw"),
    "YCbCr TIFF": encoded(RGB.convert("YCbCr"), "TIFF"),
    "LAB TIFF": encoded(Image.merge("LAB", RGB.split()), "TIFF"),
    "16-bit TIFF, little endian": encoded(Image.fromarray(DEEP), "TIFF"),
    "16-bit TIFF, big endian": encoded(Image.fromarray(DEEP.astype(">u2")), "TIFF"),
    "AVIF": encoded(RGB, "AVIF", quality=90),
    "AVIF with alpha": encoded(Image.fromarray(noise(4)), "AVIF", quality=90),
    **{f"JPEG turned {value}": encoded(RGB, "JPEG", exif=turned(value)) for value in range(2, 9)},
    "PNG turned": encoded(Image.fromarray(noise(4)), "PNG", exif=turned(6)),
    "P PNG turned": encoded(palette(), "PNG", exif=turned(8), transparency=3),
    "WebP turned": encoded(RGB, "WEBP", exif=turned(5)),
    "TIFF turned": encoded(RGB, "TIFF", exif=turned(6)),
    "16-bit TIFF turned": encoded(Image.fromarray(DEEP), "TIFF", exif=turned(6)),
}
