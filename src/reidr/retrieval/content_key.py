"""The key under which a crop's embedding is kept: equal keys, equal pixels."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from reidr.data.pictures.images import read_picture
from reidr.data.pictures.pixels import pixel_digest
from reidr.data.pictures.regular_files import file_digest
from reidr.data.types import Crop
from reidr.errors import ImageError

# Counted up when `read_picture` makes other pixels of the same file, so that no embedding of the old ones is taken
# again.
ENTRANCE = b"reidr picture 2\0"


def content_key(crop: Crop) -> str:
    """Hash of what decides a crop's pixels; its name does not count. "" where the picture cannot be used.

    A file, and a file's bytes in memory, are hashed as they are, without decoding: the same bytes have the same key.
    Anything else is hashed as the RGB pixels that the network is given, so palettes, transparency and turns count.
    """
    # Wider than `Crop.image` says: whoever makes crops in code may put any form there that `read_picture` takes.
    source: object = crop.image
    try:
        if isinstance(source, (str, os.PathLike)):
            return file_digest(Path(os.fsdecode(source)), ENTRANCE)
        if isinstance(source, (bytes, bytearray, memoryview)):
            return hashlib.sha256(ENTRANCE + bytes(source)).hexdigest()
        return pixel_digest(read_picture(crop.image, f"crop {crop.id}"))
    except ImageError:
        return ""
