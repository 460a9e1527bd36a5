"""Masks: the street's are exact, bands lie where they should, and erasing touches nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reidr.data.synthetic.picture.canvas import Part
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.data.types import Crop
from reidr.errors import DataError, ReIDError
from reidr.evaluation.explanations.masking import (
    BANDS,
    StreetMasks,
    band_masks,
    control_region,
    erase,
    outside,
    part_masks,
)
from reidr.reasoning.types import REGIONS


def test_part_masks_cover_every_pixel_that_a_part_touches_and_one_around() -> None:
    parts = np.zeros((20, 10), dtype=np.uint8)
    parts[10:12, 4:6] = Part.SHOES
    # Halved: exactly the pixel (5, 2) of (10, 5), and its eight neighbours.
    masks = part_masks(parts, (5, 10))
    assert set(masks) == {"shoes"}
    score_predictor = np.zeros((10, 5), dtype=bool)
    score_predictor[4:7, 1:4] = True
    np.testing.assert_array_equal(masks["shoes"], score_predictor)


def test_upper_clothing_takes_its_sleeves_along() -> None:
    parts = np.zeros((8, 8), dtype=np.uint8)
    parts[:4], parts[4:] = Part.UPPER, Part.UPPER_FOREARM
    masks = part_masks(parts, (8, 8))
    assert masks["upper clothing"].all()
    assert not masks["sleeves"].all()


def test_erasing_fills_the_mask_with_the_mean_and_leaves_the_rest() -> None:
    pixels = np.zeros((4, 4, 3), dtype=np.uint8)
    pixels[0] = 200  # mean of the crop: 200 / 4 = 50
    crop = Crop("c", Image.fromarray(pixels))
    mask = np.zeros((4, 4), dtype=bool)
    mask[0, :2] = True
    after = np.asarray(erase(crop, mask).open())
    assert (after[0, :2] == 50).all()
    np.testing.assert_array_equal(after[~mask], pixels[~mask])
    assert np.asarray(crop.open())[0, 0, 0] == 200
    assert erase(crop, None) is crop
    with pytest.raises(ReIDError, match="mask"):
        erase(crop, mask[:2])


def test_blurring_changes_only_the_mask() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (32, 16, 3), dtype=np.uint8)
    crop = Crop("c", Image.fromarray(pixels))
    mask = band_masks(crop)["shoes"]
    after = np.asarray(erase(crop, mask, "blur").open())
    np.testing.assert_array_equal(after[~mask], pixels[~mask])
    assert after[mask].std() < pixels[mask].std()


def test_bands_are_named_regions_inside_the_crop() -> None:
    assert set(BANDS) <= set(REGIONS)
    masks = band_masks(Crop("c", Image.new("RGB", (64, 128))))
    assert all(mask.any() and mask.shape == (128, 64) for mask in masks.values())
    assert not (masks["upper clothing"] & masks["shoes"]).any()


def test_the_control_is_unnamed_alike_in_size_and_apart() -> None:
    def area(top: int, bottom: int) -> np.ndarray:  # type: ignore[type-arg]
        mask = np.zeros((100, 10), dtype=bool)
        mask[top:bottom] = True
        return mask

    masks = {
        "upper clothing": area(20, 50),
        "sleeves": area(20, 45),
        "lower clothing": area(50, 90),
        "shoes": area(90, 100),
        "hair": area(0, 5),
    }
    # Of 0.30: lower clothing 0.40 is nearest but may be named; sleeves lie inside it; shoes 0.10 are nearer than hair.
    ratio, region = control_region("upper clothing", {"upper clothing"}, masks, masks) or (0, "")
    assert (ratio, region) == (pytest.approx(4 / 3), "lower clothing")
    ratio, region = control_region("upper clothing", {"upper clothing", "lower clothing"}, masks, masks) or (0, "")
    assert (ratio, region) == (pytest.approx(3), "shoes")
    # Hair 0.05 is six times smaller: no fair comparison.
    assert control_region("upper clothing", {"upper clothing", "lower clothing", "shoes"}, masks, masks) is None
    assert control_region("shoes", set(masks), masks, masks) is None
    # A region that lies mostly elsewhere is taken, and of it only what lies elsewhere: 0.25 of the bag's 0.30.
    masks["bag"] = area(45, 75)
    ratio, region = control_region("upper clothing", {"upper clothing"}, masks, masks) or (0, "")
    assert (ratio, region) == (pytest.approx(30 / 25), "bag")
    part = outside("bag", {"upper clothing"}, masks)
    assert part is not None
    np.testing.assert_array_equal(part, area(50, 75))
    assert outside("headwear", set(), masks) is None


def test_street_masks_show_what_the_facts_say(tmp_path: Path) -> None:
    settings = StreetSettings(seed=5, cameras=2, test_people=3, cameras_per_person=2, crops_per_camera=1, distractors=2,
                              junk=1)  # fmt: skip
    street = render_street(tmp_path / "s", settings)
    masks_of = StreetMasks.of_folder(tmp_path / "s")
    checked = 0
    for crop in street.query[:6]:
        masks = masks_of(crop)
        assert all(mask.shape == crop.open().size[::-1] for mask in masks.values())
        for attribute, region in (
            ("shoes_color", "shoes"),
            ("upper_color", "upper clothing"),
            ("hat_color", "headwear"),
        ):
            if crop.attributes[attribute] not in ("not visible", "none"):
                assert masks[region].any()
                checked += 1
    assert checked > 5
    with pytest.raises(DataError, match="not of this street"):
        masks_of(Crop("elsewhere", Image.new("RGB", (8, 8))))
    with pytest.raises(DataError, match="does not say how"):
        StreetMasks.of_folder(tmp_path)
