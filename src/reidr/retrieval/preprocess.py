"""From pictures to network input: the one place that decides how a retriever sees pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from reidr.data.types import Crop


def decode(
    crops: Sequence[Crop], height: int, width: int, advance: Callable[[int], None] | None = None
) -> NDArray[np.uint8]:
    """All crops as one (N, height, width, 3) uint8 array; `advance(1)` is called per crop.

    Raises ImageError for a file that cannot be used.
    """
    pixels = np.empty((len(crops), height, width, 3), dtype=np.uint8)
    with ThreadPoolExecutor(4) as threads:
        for row, picture in enumerate(threads.map(lambda crop: resize(crop.open(), height, width), crops)):
            pixels[row] = picture
            if advance is not None:
                advance(1)
    return pixels


def resize(picture: Image.Image, height: int, width: int) -> NDArray[np.uint8]:
    """(height, width, 3) uint8, bilinear; a picture of that size already is passed through unchanged."""
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(picture, dtype=np.uint8)


def normalise(
    batch: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float], device: torch.device | None = None
) -> Tensor:
    """(N, H, W, 3) uint8 → (N, 3, H, W) float32 on `device`, normalised per channel; channels last in memory (faster on
    CPUs)."""
    pixels = torch.from_numpy(np.array(batch)).to(device).permute(0, 3, 1, 2).float() / 255.0
    middle, spread = (torch.tensor(each, device=device).view(1, 3, 1, 1) for each in (mean, std))
    pixels = (pixels - middle) / spread
    return pixels.contiguous(memory_format=torch.channels_last)
