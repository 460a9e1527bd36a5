"""Augmentation of training crops, on whole batches as tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from reidr.training.recipes.retriever import Augmentation


class Augment:
    """Changes a uint8 batch at random as its `Augmentation` says; mirrors half of the crops in any case.

    Called with (N, H, W, 3) uint8, gives (N, 3, H, W) float32 on `device`, normalised by `mean` and `std`,
    channels last in memory. Random numbers come from the CPU: the same on every device.
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        settings: Augmentation,
        device: torch.device | None = None,
    ) -> None:
        self.mean = torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self.std = torch.tensor(std, device=device).view(1, 3, 1, 1)
        self.settings, self.device = settings, device

    def __call__(self, batch: NDArray[np.uint8], random: np.random.Generator) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(batch)).to(self.device).permute(0, 3, 1, 2).float() / 255.0
        pixels = self._move(pixels, random)
        # Random numbers of augmentations that were removed: recipes keep giving the weights that they gave before.
        random.random(len(pixels))
        pixels = self._light(pixels, random)
        random.random(len(pixels))
        pixels = (pixels - self.mean) / self.std
        self._erase(pixels, random)
        return pixels.contiguous(memory_format=torch.channels_last)

    def _move(self, pixels: Tensor, random: np.random.Generator) -> Tensor:
        """Mirrored, shifted and zoomed; what comes in from outside repeats the border."""
        number, _, height, width = pixels.shape
        settings = self.settings
        across = random.uniform(1 - settings.zoom, 1 + settings.zoom / 2, number)
        down = random.uniform(1 - settings.zoom, 1 + settings.zoom / 2, number)
        mirrored = np.where(random.random(number) < 0.5, -1.0, 1.0)
        # Affine maps in units of half the picture.
        maps = np.zeros((number, 2, 3))
        maps[:, 0, 0], maps[:, 1, 1] = mirrored * across, down
        maps[:, 0, 2] = 2 * random.integers(-settings.shift, settings.shift + 1, number) / width
        maps[:, 1, 2] = 2 * random.integers(-settings.shift, settings.shift + 1, number) / height
        grid = functional.affine_grid(self._put(maps), list(pixels.shape), align_corners=False)
        return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)

    def _light(self, pixels: Tensor, random: np.random.Generator) -> Tensor:
        """Random contrast, brightness and colour of the light."""
        number, settings = len(pixels), self.settings
        contrast = 1 + random.uniform(-settings.jitter, settings.jitter, (number, 1, 1, 1))
        brightness = random.uniform(-settings.jitter, settings.jitter, (number, 1))
        light = brightness + random.uniform(-settings.cast, settings.cast, (number, 3))
        middle = pixels.mean(dim=(1, 2, 3), keepdim=True)
        pixels = (pixels - middle) * self._put(contrast) + middle
        return (pixels * self._put(1 + light).view(number, 3, 1, 1)).clamp(0, 1)

    def _put(self, values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(values).float().to(self.device)

    def _erase(self, pixels: Tensor, random: np.random.Generator) -> None:
        number, _, height, width = pixels.shape
        for row in np.flatnonzero(random.random(number) < self.settings.erasing):
            area = random.uniform(0.02, 0.35) * height * width
            ratio = np.exp(random.uniform(np.log(0.3), np.log(3.3)))
            tall, wide = min(height, round((area * ratio) ** 0.5)), min(width, round((area / ratio) ** 0.5))
            y, x = random.integers(0, height - tall + 1), random.integers(0, width - wide + 1)
            pixels[row, :, y : y + tall, x : x + wide] = 0.0
