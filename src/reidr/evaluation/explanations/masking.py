"""Where each body region lies in a crop, and pictures with one region erased: what counterfactual tests of cues need.

On the rendered street the id-buffer knows every pixel. On photos there are only fixed bands of the crop: approximate,
since a crop may cut the person or show them bent; results from bands say less and must be marked so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from reidr.data.synthetic.picture.canvas import Part
from reidr.data.synthetic.plan import Sighting, plan_street
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.types import Crop
from reidr.errors import DataError, ReIDError

Mask = NDArray[np.bool_]
Masks = Mapping[str, Mask]
MasksOf = Callable[[Crop], Masks]
Filling = Literal["mean", "blur"]

SLEEVE_PARTS = (Part.UPPER_SLEEVE, Part.UPPER_FOREARM, Part.JACKET_SLEEVE, Part.JACKET_FOREARM)
PARTS_OF: Mapping[str, tuple[Part, ...]] = {
    "hair": (Part.HAIR,),
    "headwear": (Part.HAT,),
    # Sleeves show the colour of the upper clothing, so erasing that erases them too.
    "upper clothing": (Part.UPPER, Part.PRINT_ZONE, Part.JACKET, *SLEEVE_PARTS),
    "sleeves": (*SLEEVE_PARTS, Part.ARM_SKIN, Part.FOREARM_SKIN),
    "lower clothing": (Part.LOWER, Part.LOWER_CALF, Part.LEG_SKIN, Part.CALF_SKIN),
    "shoes": (Part.SHOES,),
    "bag": (Part.BAG,),
}
BANDS: Mapping[str, tuple[float, float, float, float]] = {
    "hair": (0.0, 0.14, 0.2, 0.8),
    "headwear": (0.0, 0.09, 0.2, 0.8),
    "upper clothing": (0.16, 0.5, 0.1, 0.9),
    "sleeves": (0.2, 0.52, 0.0, 1.0),
    "lower clothing": (0.5, 0.88, 0.1, 0.9),
    "shoes": (0.88, 1.0, 0.0, 1.0),
    "bag": (0.2, 0.6, 0.0, 1.0),
}
"""Top, bottom, left and right of each region as shares of a crop that holds the whole person upright: approximate."""

OVERLAP = 0.5
"""At most this share of a control region may belong to what is named: neighbours touch, since masks are one pixel
wider than what they cover. The shared part is never erased (`outside`)."""

SMALLEST = 1e-6  # of a crop: less than a pixel
ALIKE = 3.0  # areas of a cited region and its control differ by this factor at most


def part_masks(parts: NDArray[np.uint8], size: tuple[int, int]) -> dict[str, Mask]:
    """Exact masks from an id-buffer (H, W) for a crop of `size` (width, height): every pixel that a part touches.

    One pixel is added around, since the camera's blur carries colour across the border. Regions that do not show are
    left out. The outline of what is erased remains visible.
    """
    masks = {}
    for region, own in PARTS_OF.items():
        there = np.isin(parts, own)
        if there.any():
            fine = Image.fromarray(there.astype(np.float32), mode="F").resize(size, Image.Resampling.BOX)
            touched = Image.fromarray(((np.asarray(fine) > 0) * 255).astype(np.uint8))
            masks[region] = np.asarray(touched.filter(ImageFilter.MaxFilter(3))) > 0
    return masks


def band_masks(crop: Crop) -> dict[str, Mask]:
    """Approximate masks of a photo: the fixed `BANDS` of its crop."""
    width, height = crop.open().size
    masks = {}
    for region, (top, bottom, left, right) in BANDS.items():
        mask = np.zeros((height, width), dtype=bool)
        mask[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = True
        masks[region] = mask
    return masks


class StreetMasks:
    """Exact masks of a rendered street's crops, by drawing each crop again: `masks = StreetMasks(settings)(crop)`."""

    def __init__(self, settings: StreetSettings) -> None:
        self.sightings: dict[str, Sighting] = {each.image: each for each in plan_street(settings).sightings}
        self.drawn = lru_cache(maxsize=256)(self.draw)

    @classmethod
    def of_folder(cls, folder: Path) -> StreetMasks:
        """Of a street in a folder. Raises DataError where the folder does not say how it was drawn."""
        file = folder / "street.json"
        try:
            return cls(StreetSettings(**json.loads(file.read_text(encoding="utf-8"))["settings"]))
        except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise DataError(f"{file}: does not say how this street was drawn ({error}); render it again") from None

    def __call__(self, crop: Crop) -> Masks:
        """Masks in the size of the crop's picture. Raises DataError for a crop that is not of this street."""
        if crop.id not in self.sightings:
            raise DataError(f"crop {crop.id} is not of this street, so its regions are not known")
        return self.drawn(crop.id, crop.open().size)

    def draw(self, name: str, size: tuple[int, int]) -> Masks:
        """Masks of one sighting, drawn anew."""
        return part_masks(self.sightings[name].render().parts, size)


def erase(crop: Crop, mask: Mask | None, filling: Filling = "mean") -> Crop:
    """The crop with the pixels of `mask` replaced, in memory; unchanged for None.

    "mean" fills with the mean colour of the crop, which removes colour and texture; "blur" with the picture blurred by
    a sixteenth of its height, which keeps the rough colour. Raises ReIDError for a mask of another size.
    """
    if mask is None:
        return crop
    picture = crop.open()
    pixels = np.asarray(picture).copy()
    if mask.shape != pixels.shape[:2]:
        raise ReIDError(f"crop {crop.id}: a mask of {mask.shape} does not fit a picture of {pixels.shape[:2]}")
    if filling == "mean":
        pixels[mask] = np.round(pixels.reshape(-1, 3).mean(axis=0)).astype(np.uint8)
    else:
        blurred = picture.filter(ImageFilter.GaussianBlur(picture.height / 16))
        pixels[mask] = np.asarray(blurred)[mask]
    return replace(crop, image=Image.fromarray(pixels))


def area_of(region: str, first: Masks, second: Masks) -> float:
    """Mean share of the two crops that a region covers."""
    return float(np.mean([masks[region].mean() if region in masks else 0.0 for masks in (first, second)]))


def outside(region: str, named: Collection[str], masks: Masks) -> Mask | None:
    """The part of a region's mask that belongs to none of the `named` ones; None where the region does not show."""
    if region not in masks:
        return None
    taken = [masks[name] for name in named if name in masks and name != region]
    return masks[region] & ~np.logical_or.reduce(taken) if taken else masks[region]


def control_region(cited: str, named: Collection[str], first: Masks, second: Masks) -> tuple[float, str] | None:
    """The region to erase for comparison: not named by the reasoning, and of the most similar size to `cited`.

    Comes with the ratio of the two areas, the larger by the smaller, which is at most `ALIKE`: erasing more moves more.
    Regions that share more than `OVERLAP` of themselves with the named ones in either crop are not taken. None where
    nothing is left.
    """
    wanted = max(area_of(cited, first, second), SMALLEST)
    free: list[tuple[float, str]] = []
    for region in dict.fromkeys((*first, *second)):
        if region in named or region == cited:
            continue
        own = [(outside(region, {*named, cited}, masks), masks[region]) for masks in (first, second) if region in masks]
        left = [float(part.sum() / max(1, mask.sum())) for part, mask in own if part is not None]
        if min(left) >= 1.0 - OVERLAP:
            area = sum(float(part.mean()) for part, _ in own if part is not None) / 2
            # Equal sizes: the first by name, so that the choice never hangs on the order of masks.
            free.append((max(area, wanted) / max(SMALLEST, min(area, wanted)), region))
    best = min(free, default=None)
    return best if best is not None and best[0] <= ALIKE else None
