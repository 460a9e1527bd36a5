"""The one way in for pictures that are given to a search: a path, a Pillow image, an array, or bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidr.data.images import open_image
from reidr.errors import ImageError

Source = str | Path | Image.Image | NDArray[np.generic] | bytes


def read_picture(source: Source, name: str) -> Image.Image:
    """The picture as RGB in memory. Raises ImageError with `name` where it cannot be used."""
    # Until the branches meet: then this is `reidr.data.images.read_picture`, which knows every mode and depth.
    if isinstance(source, str | Path):
        return open_image(Path(source))
    try:
        picture = source if isinstance(source, Image.Image) else Image.fromarray(np.asarray(source))
        return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, TypeError) as error:
        raise ImageError(f"{name}: not a picture that can be used ({error})") from None
