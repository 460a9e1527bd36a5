"""Pictures small enough to travel inside a page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from PIL import Image

from reidr.data.pictures.images import read_picture
from reidr.errors import ImageError
from reidr.report.content import Picture

LARGEST_BYTES = 8_000  # of one JPEG; a 128x64 crop at quality 82 has about 3,000
URI_HEAD = "data:image/jpeg;base64,"
QUALITIES = (82, 70, 55, 40, 25)


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a data URI with its size in pixels."""

    uri: str
    width: int
    height: int


def thumbnail(picture: Picture, side: int) -> Thumbnail | None:
    """The picture as JPEG, at most `side` pixels high and wide, never enlarged; None where it cannot be read.

    The quality steps down until the file is below `LARGEST_BYTES`, so that a page's size is bounded by the number of
    its pictures. A damaged picture costs its own place on the page, not the page.
    """
    if picture is None:
        return None
    try:
        opened = read_picture(picture)
    except ImageError:
        return None
    scale = min(1.0, side / max(opened.size))
    size = (max(1, round(opened.width * scale)), max(1, round(opened.height * scale)))
    small = opened.resize(size, Image.Resampling.LANCZOS)
    for quality in QUALITIES:
        file = io.BytesIO()
        small.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= LARGEST_BYTES:
            break
    return Thumbnail(URI_HEAD + base64.b64encode(file.getvalue()).decode("ascii"), *size)
