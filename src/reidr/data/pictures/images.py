"""The one entrance of pictures: the same RGB pixels in whatever form a picture comes, or one sentence why not.

Follows the Pillow security handbook: the format is decided by content and not by the file's ending, large pictures
are refused before they are decoded, and a truncated file is an error instead of a half-grey crop.
"""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError, features

from reidr.data.pictures.pixels import array_of_tensor, check_array, picture_of_array, upright_rgb
from reidr.data.pictures.regular_files import MAXIMUM_BYTES, check_bytes, open_regular
from reidr.errors import ImageError

PictureSource = str | os.PathLike[str] | Image.Image | NDArray[Any] | bytes | bytearray | memoryview | BinaryIO

ALLOWED_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "PPM", "TIFF", "GIF", "AVIF")
OPENED_FORMATS = (*ALLOWED_FORMATS, "MPO", "HEIF")  # MPO: a JPEG with further pictures behind the first
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm"}
    | {".tif", ".tiff", ".gif", ".avif", ".heic", ".heif"}
)
MAXIMUM_PIXELS = 40_000_000  # a 40-megapixel camera frame; a person crop has a few thousand
MINIMUM_SIDE = 4
# A standing person's box is two to four times as high as wide, a sliver of one behind a post perhaps ten times. Resized
# to a network's input, anything thinner shows nobody, and vision-language models refuse it themselves (Qwen at 200).
MAXIMUM_RATIO = 20
HELD_PIXELS = 16_000_000  # decoded pictures that wait for a model together; Pillow takes four bytes for each pixel
LARGE_PIXELS = 4_000_000  # above this, pictures are not decoded by several threads at once
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")

_opening = threading.Lock()  # warnings are filtered for the whole process, so one thread at a time may do so


def read_picture(
    source: PictureSource, name: str = "the picture", *, size: tuple[int, int] | None = None
) -> Image.Image:
    """One picture as upright 8-bit RGB, the same pixels in whatever form it comes.

    The EXIF orientation is applied, transparent pixels lie on grey (127), 16-bit grey keeps its upper 8 bits, colour
    profiles are not applied. Of several frames the first counts (of HEIC the primary picture, of a Pillow image the
    one it is at).

    Args:
        source: a path, a Pillow image of any mode, an array (`pixels.FORMS`), a torch tensor (channels first), or an
            encoded file as bytes or as a binary file object, which is read from its beginning.
        name: what errors call the picture; a file is called by its path.
        size: (width, height) to resize to, bilinear.

    Raises:
        ImageError: missing, not a regular file, empty, not an allowed format, truncated, above `MAXIMUM_PIXELS` or
            `MAXIMUM_BYTES`, a side below `MINIMUM_SIDE` pixels, sides beyond `MAXIMUM_RATIO`, of 32-bit values, or not
            one of the forms.
    """
    if isinstance(source, Image.Image):
        return _finish(name, _allowed(name, source), size)
    if isinstance(source, (str, os.PathLike)):
        path = Path(os.fsdecode(source))
        with open_regular(path) as file:
            return _decode(str(path), file, size)
    if isinstance(source, (bytes, bytearray, memoryview)):
        content = bytes(source)
        check_bytes(name, len(content))
        return _decode(name, io.BytesIO(content), size)
    if hasattr(source, "read"):
        return _decode(name, io.BytesIO(_read_file_object(name, source)), size)
    tensor = array_of_tensor(name, source)
    array = source if tensor is None else tensor
    if not isinstance(array, np.ndarray):
        raise ImageError(
            f"{name}: {type(source).__name__} is not a picture; give a path, a Pillow image, an array,"
            " or a file's bytes"
        )
    check_size(name, check_array(name, array))
    return _finish(name, picture_of_array(array), size)


def open_image(path: str | os.PathLike[str] | BinaryIO) -> Image.Image:
    """`read_picture` of a file or a file object, which errors call by its `str()`."""
    return read_picture(path, str(path))


def is_large(source: PictureSource) -> bool:
    """Whether a file has more than `LARGE_PIXELS` by its header; False for what is in memory. Raises ImageError."""
    if not isinstance(source, (str, os.PathLike)):
        return False
    path = Path(os.fsdecode(source))
    with open_regular(path) as file:
        opened = _opened(str(path), file)
        return opened.width * opened.height > LARGE_PIXELS


def check_size(name: str | Path, size: tuple[int, int]) -> None:
    """Refuse pictures that are too large, too small or too thin, from the header alone. `size` is (width, height)."""
    width, height = size
    if width * height > MAXIMUM_PIXELS:
        raise ImageError(
            f"{name}: {width}x{height} is more than the limit of {MAXIMUM_PIXELS:,} pixels; crop or shrink it first"
        )
    if min(width, height) < MINIMUM_SIDE:
        raise ImageError(f"{name}: {width}x{height} is too small to show a person (least side {MINIMUM_SIDE} pixels)")
    if max(width, height) > MAXIMUM_RATIO * min(width, height):
        raise ImageError(
            f"{name}: {width}x{height} is too thin to show a person"
            f" (one side more than {MAXIMUM_RATIO} times the other)"
        )


def bounded(pictures: Iterable[Image.Image], most: int = 128) -> Iterator[list[Image.Image]]:
    """Lists of at most `most` of the pictures, in order, each closed as soon as it holds `HELD_PIXELS`."""
    held: list[Image.Image] = []
    pixels = 0
    for picture in pictures:
        held.append(picture)
        pixels += picture.width * picture.height
        if len(held) == most or pixels >= HELD_PIXELS:
            yield held
            held, pixels = [], 0
        del picture  # or it would be held while the next one is decoded
    if held:
        yield held


def _decode(name: str, file: BinaryIO, size: tuple[int, int] | None) -> Image.Image:
    return _finish(name, _opened(name, file), size)


def _opened(name: str, file: BinaryIO) -> Image.Image:
    """The picture's header, its pixels not yet decoded. Raises ImageError."""
    try:
        return _open(name, file)
    except UnidentifiedImageError:
        kinds = ", ".join((*ALLOWED_FORMATS, "HEIC"))
        raise ImageError(f"{name}: not a picture in one of the formats {kinds}") from None
    except Image.DecompressionBombError:
        raise ImageError(f"{name}: more pixels than the limit of {MAXIMUM_PIXELS:,}; crop or shrink it first") from None
    except ImageError:
        raise
    except Exception as error:  # see _finish
        raise _damaged(name, error) from None


def _open(name: str, file: BinaryIO) -> Image.Image:
    head = file.read(64)
    file.seek(0)
    if not head:
        raise ImageError(f"{name}: an empty file, not a picture; copy it again or leave it out")
    if head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS and b"avif" not in head and b"avis" not in head:
        try:
            from pillow_heif import HeifImageFile
        except ImportError:
            raise ImageError(f"{name}: HEIC pictures need another package: pip install 'reidr[heic]'") from None
        heif: Image.Image = HeifImageFile(file)
        return heif
    if head[4:8] == b"ftyp" and not features.check("avif"):
        raise ImageError(
            f"{name}: this build of Pillow cannot read AVIF; install Pillow from PyPI, or convert the file"
        )
    # Pillow warns, and above twice its own limit raises, before we could look at the size: keep it quiet until our own,
    # stricter cap has spoken.
    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(file, formats=ALLOWED_FORMATS)


def _finish(name: str, picture: Image.Image, size: tuple[int, int] | None) -> Image.Image:
    check_size(name, picture.size)
    try:
        rgb = upright_rgb(name, picture)
    except ImageError:
        raise
    except MemoryError:
        width, height = picture.size
        raise ImageError(f"{name}: {width}x{height} does not fit into memory; crop or shrink it first") from None
    except Exception as error:
        # Pillow is a dozen parsers of untrusted bytes. They raise OSError, SyntaxError, ValueError, KeyError,
        # struct.error, AttributeError and more, and all of it means the same: this picture cannot be used.
        raise _damaged(name, error) from None
    check_size(name, rgb.size)  # a decoder may have found another size than the header's
    return rgb if size is None or rgb.size == size else rgb.resize(size, Image.Resampling.BILINEAR)


def _damaged(name: str, error: Exception) -> ImageError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return ImageError(f"{name}: damaged or truncated picture ({reason}); replace the file or leave it out")


def _allowed(name: str, picture: Image.Image) -> Image.Image:
    """`picture`, unless it is a file of a format that is not allowed: decoding it would be our doing."""
    if isinstance(picture, ImageFile.ImageFile) and picture.format not in OPENED_FORMATS:
        kinds = ", ".join((*ALLOWED_FORMATS, "HEIC"))
        raise ImageError(f"{name}: opened from a {picture.format} file, which is not one of the formats {kinds}")
    return picture


def _read_file_object(name: str, file: Any) -> bytes:
    try:
        if getattr(file, "seekable", lambda: False)():
            file.seek(0)
        content = file.read(MAXIMUM_BYTES + 1)
    except Exception as error:  # whatever somebody's `read` raises, it cannot be read; closed and wrong text among it
        raise ImageError(f"{name}: cannot be read ({error})") from None
    if not isinstance(content, bytes):
        raise ImageError(f"{name}: a file opened as text is not a picture; open it with mode 'rb'")
    check_bytes(name, len(content))
    return content
