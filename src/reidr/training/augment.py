"""Augmentation of training crops, on whole batches as tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


class Augment:
    """Mirror, shift, brightness/contrast/colour jitter and random erasing (Zhong et al. 2020) of a uint8 batch.

    Called with (N, H, W, 3) uint8, gives (N, 3, H, W) float32 normalised by `mean` and `std`, channels last in memory.
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        shift: int = 6,
        jitter: float = 0.2,
        cast: float = 0.08,
        erasing: float = 0.5,
    ) -> None:
        self.mean = torch.tensor(mean).view(1, 3, 1, 1)
        self.std = torch.tensor(std).view(1, 3, 1, 1)
        self.shift, self.jitter, self.cast, self.erasing = shift, jitter, cast, erasing

    def __call__(self, batch: NDArray[np.uint8], random: np.random.Generator) -> Tensor:
        number, height, width, _ = batch.shape
        pixels = torch.from_numpy(np.ascontiguousarray(batch)).permute(0, 3, 1, 2).float() / 255.0
        mirrored = torch.from_numpy(random.random(number) < 0.5)
        pixels = torch.where(mirrored.view(-1, 1, 1, 1), pixels.flip(3), pixels)
        gain = (
            1
            + random.uniform(-self.jitter, self.jitter, (number, 1))
            + random.uniform(-self.cast, self.cast, (number, 3))
        )
        contrast = 1 + random.uniform(-self.jitter, self.jitter, (number, 1, 1, 1))
        middle = pixels.mean(dim=(1, 2, 3), keepdim=True)
        pixels = (pixels - middle) * torch.from_numpy(contrast).float() + middle
        pixels = (pixels * torch.from_numpy(gain).float().view(number, 3, 1, 1)).clamp(0, 1)
        pixels = (pixels - self.mean) / self.std
        padded = functional.pad(pixels, [self.shift] * 4)
        corners: list[list[int]] = random.integers(0, 2 * self.shift + 1, (number, 2)).tolist()
        moved = torch.stack([padded[i, :, y : y + height, x : x + width] for i, (y, x) in enumerate(corners)])
        self._erase(moved, random)
        return moved.contiguous(memory_format=torch.channels_last)

    def _erase(self, pixels: Tensor, random: np.random.Generator) -> None:
        number, _, height, width = pixels.shape
        for row in np.flatnonzero(random.random(number) < self.erasing):
            area = random.uniform(0.02, 0.35) * height * width
            ratio = np.exp(random.uniform(np.log(0.3), np.log(3.3)))
            tall, wide = min(height, round((area * ratio) ** 0.5)), min(width, round((area / ratio) ** 0.5))
            y, x = random.integers(0, height - tall + 1), random.integers(0, width - wide + 1)
            pixels[row, :, y : y + tall, x : x + wide] = 0.0
