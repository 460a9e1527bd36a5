"""From pictures to network input: the one place that decides how a retriever sees pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidr.data.pictures.images import PictureSource, is_large, read_picture
from reidr.data.pictures.pixels import is_plain
from reidr.data.types import Crop

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def decode(
    crops: Sequence[Crop], height: int, width: int, advance: Callable[[int], None] | None = None
) -> NDArray[np.uint8]:
    """All crops as one (N, height, width, 3) uint8 array; `advance(1)` is called per crop.

    Each is shrunk as it is read, and large files are left to the calling thread, one at a time: memory does not grow
    with their size or number. Raises ImageError for a file that cannot be used.
    """

    def load_small(crop: Crop) -> Image.Image | None:
        return None if is_large(crop.image) else load(crop, height, width)

    pixels = np.empty((len(crops), height, width, 3), dtype=np.uint8)
    with ThreadPoolExecutor(4) as threads:
        for row, (crop, picture) in enumerate(zip(crops, threads.map(load_small, crops), strict=True)):
            pixels[row] = np.asarray(load(crop, height, width) if picture is None else picture)
            if advance is not None:
                advance(1)
    return pixels


def load(crop: Crop, height: int, width: int) -> Image.Image:
    """A crop's picture as `resize` makes it. Raises ImageError for one that cannot be used."""
    return read_picture(crop.image, f"crop {crop.id}", size=(width, height))


def resize(picture: PictureSource, height: int, width: int) -> NDArray[np.uint8]:
    """(height, width, 3) uint8, bilinear; an RGB picture of that size already is passed through unchanged.

    Every embedder reads its pictures here, so it may be given any form that `read_picture` takes.
    """
    if isinstance(picture, Image.Image) and picture.size == (width, height) and is_plain(picture):
        # Shrunk already, perhaps to a size that would be too small for a picture somebody gives.
        return np.asarray(picture, dtype=np.uint8)
    return np.asarray(read_picture(picture, size=(width, height)), dtype=np.uint8)


def normalise(
    batch: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float], device: torch.device | None = None
) -> Tensor:
    """(N, H, W, 3) uint8 → (N, 3, H, W) float32 on `device`, normalised per channel; channels last in memory (faster on
    CPUs)."""
    import torch

    pixels = torch.from_numpy(np.array(batch)).to(device).permute(0, 3, 1, 2).float() / 255.0
    middle, spread = (torch.tensor(each, device=device).view(1, 3, 1, 1) for each in (mean, std))
    pixels = (pixels - middle) / spread
    return pixels.contiguous(memory_format=torch.channels_last)
