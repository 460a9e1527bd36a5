"""Augmentation of training crops, on whole batches as tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from reidr.training.recipes.embedder_and_base import Augmentation


class Augment:
    """Varies a uint8 batch as its `Augmentation` says; mirrors half of the crops in any case.

    Called with (N, H, W, 3) uint8, gives (N, 3, H, W) float32 on `device`, normalised by `mean` and `std`,
    channels last in memory. What is drawn by lot is drawn on the CPU: the same on every device.
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
        pixels = self._coarsened(self._placed(pixels, random), random)
        pixels = (self._lit(pixels, random) - self.mean) / self.std
        self._erase(pixels, random)
        return pixels.contiguous(memory_format=torch.channels_last)

    def _placed(self, pixels: Tensor, random: np.random.Generator) -> Tensor:
        """Mirrored, shifted, zoomed and turned; what comes in from outside repeats the border."""
        number, _, height, width = pixels.shape
        own = self.settings
        across = random.uniform(1 - own.zoom, 1 + own.zoom / 2, number)
        down = random.uniform(1 - own.zoom, 1 + own.zoom / 2, number)
        turn = random.normal(0, own.turn, number) if own.turn else np.zeros(number)
        mirrored = np.where(random.random(number) < 0.5, -1.0, 1.0)
        # In units of half the picture; a turn keeps its shape only where both axes are measured in pixels.
        maps = np.zeros((number, 2, 3))
        maps[:, 0, 0], maps[:, 0, 1] = mirrored * across * np.cos(turn), -np.sin(turn) * height / width
        maps[:, 1, 0], maps[:, 1, 1] = mirrored * np.sin(turn) * width / height, down * np.cos(turn)
        maps[:, 0, 2] = 2 * random.integers(-own.shift, own.shift + 1, number) / width
        maps[:, 1, 2] = 2 * random.integers(-own.shift, own.shift + 1, number) / height
        grid = functional.affine_grid(self._put(maps), list(pixels.shape), align_corners=False)
        return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)

    def _coarsened(self, pixels: Tensor, random: np.random.Generator) -> Tensor:
        """Some crops as a camera farther away would see them."""
        rows = np.flatnonzero(random.random(len(pixels)) < self.settings.coarse)
        if len(rows):
            size = list(pixels.shape[2:])
            small = functional.interpolate(pixels[rows], scale_factor=float(random.uniform(0.35, 0.8)), mode="area")
            pixels[rows] = functional.interpolate(small, size=size, mode="bilinear", align_corners=False)
        return pixels

    def _lit(self, pixels: Tensor, random: np.random.Generator) -> Tensor:
        """Other contrast, brightness, colour of the light, exposure; some without colour."""
        number, own = len(pixels), self.settings
        contrast = 1 + random.uniform(-own.jitter, own.jitter, (number, 1, 1, 1))
        light = random.uniform(-own.jitter, own.jitter, (number, 1)) + random.uniform(-own.cast, own.cast, (number, 3))
        middle = pixels.mean(dim=(1, 2, 3), keepdim=True)
        pixels = (pixels - middle) * self._put(contrast) + middle
        pixels = (pixels * self._put(1 + light).view(number, 3, 1, 1)).clamp(0, 1)
        if own.exposure:
            gamma = np.exp(random.uniform(-own.exposure, own.exposure, (number, 1, 1, 1)))
            pixels = pixels.pow(self._put(gamma))
        grey = torch.from_numpy(random.random(number) < own.grey).to(self.device).view(number, 1, 1, 1)
        return torch.where(grey, pixels.mean(dim=1, keepdim=True).expand_as(pixels), pixels)

    def _put(self, drawn: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(drawn).float().to(self.device)

    def _erase(self, pixels: Tensor, random: np.random.Generator) -> None:
        number, _, height, width = pixels.shape
        for row in np.flatnonzero(random.random(number) < self.settings.erasing):
            area = random.uniform(0.02, 0.35) * height * width
            ratio = np.exp(random.uniform(np.log(0.3), np.log(3.3)))
            tall, wide = min(height, round((area * ratio) ** 0.5)), min(width, round((area / ratio) ** 0.5))
            y, x = random.integers(0, height - tall + 1), random.integers(0, width - wide + 1)
            pixels[row, :, y : y + tall, x : x + wide] = 0.0


def exchange_halves(
    pixels: NDArray[np.uint8], images: int, share: float, random: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Exchange the lower halves of pairs of identities: new people, of whom no data set has a photo.

    CutMix (Yun et al. 2019) along the waist. All crops of an identity in the batch get the lower half of one and the
    same other identity, so the new people are seen several times, by several cameras, as real ones are.

    Args:
        pixels: (P x `images`, H, W, 3), the crops of an identity one after the other. share: of the identities.

    Returns:
        The new batch, and (P x `images`,) for each crop the row whose lower half it has now.
    """
    rows = np.arange(len(pixels)).reshape(-1, images)
    lower, mixed = rows.copy(), pixels.copy()
    order = random.permutation(len(rows))
    for one, other in zip(order[0::2].tolist(), order[1::2].tolist(), strict=False):
        if random.random() >= share:
            continue
        lower[one], lower[other] = rows[other], rows[one]
        for mine, its in zip(rows[one], rows[other], strict=True):
            waist = round(pixels.shape[1] * random.uniform(0.45, 0.55))
            mixed[mine, waist:], mixed[its, waist:] = pixels[its, waist:], pixels[mine, waist:]
    return mixed, lower.reshape(-1)
