"""Opening pictures safely: an allow-list of formats, a pixel cap, no half-read files.

Follows the Pillow security handbook: the format is decided by content and not by the file's ending, large pictures
are refused before they are decoded, and a truncated file is an error instead of a half-grey crop.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from reidr.errors import ImageError

ALLOWED_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "PPM", "TIFF")
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".tif", ".tiff"})
MAXIMUM_PIXELS = 40_000_000  # a 40-megapixel camera frame; a person crop has a few thousand
MINIMUM_SIDE = 4


def open_image(path: Path) -> Image.Image:
    """Decode one picture file to RGB, its EXIF rotation applied.

    Raises:
        ImageError: missing, empty, not an allowed format, truncated, above `MAXIMUM_PIXELS`,
            with a side below `MINIMUM_SIDE` pixels, or of 32-bit values. The message names the file.
    """
    try:
        # Pillow warns, and above twice its own limit raises, before we could look at the size: keep both quiet
        # until our own, stricter cap has spoken.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=ALLOWED_FORMATS) as picture:
                check_size(path, picture.size)
                upright = ImageOps.exif_transpose(picture)
                if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
                    flat = Image.new("RGBA", upright.size, (127, 127, 127, 255))
                    flat.alpha_composite(upright.convert("RGBA"))
                    return flat.convert("RGB")
                return eight_bits(path, upright).convert("RGB")
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ImageError(f"{path}: is a folder, not a picture") from None
    except UnidentifiedImageError:
        raise ImageError(f"{path}: not a picture in one of the formats {', '.join(ALLOWED_FORMATS)}") from None
    except Image.DecompressionBombError:
        raise ImageError(f"{path}: more pixels than the limit of {MAXIMUM_PIXELS:,}; crop or shrink it first") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"{path}: damaged or truncated picture ({error}); replace the file or leave it out") from None


def eight_bits(path: Path, picture: Image.Image) -> Image.Image:
    """16-bit grey scaled to 8 bits: Pillow's `convert` clips, which turns all but the darkest pixels white."""
    if picture.mode.startswith("I;16"):
        return picture.point(lambda value: value * (1 / 256)).convert("L")
    if picture.mode in ("I", "F"):
        raise ImageError(f"{path}: 32-bit values have no agreed black and white; save the picture with 8 bits")
    return picture


def check_size(path: Path, size: tuple[int, int]) -> None:
    """Refuse pictures that are too large or too small, from the header alone. `size` is (width, height) in pixels."""
    width, height = size
    if width * height > MAXIMUM_PIXELS:
        raise ImageError(
            f"{path}: {width}x{height} is more than the limit of {MAXIMUM_PIXELS:,} pixels; crop or shrink it first"
        )
    if min(width, height) < MINIMUM_SIDE:
        raise ImageError(f"{path}: {width}x{height} is too small to show a person (least side {MINIMUM_SIDE} pixels)")
