"""A thing is marked hidden exactly where other crops of its person show it and this one does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image

from reidr.data.types import Crop
from reidr.reasoning.rationales.regions import UNSEEN
from reidr.training.pretraining.visibility import mark_hidden_attributes

PICTURE = Image.new("RGB", (4, 8))


class Seen:
    """Stands in for `CropFeatures`: (tokens, values) whose mean says whether a backpack is in view.

    In all of its values: the weight decay lets none of them say it alone.
    """

    def __init__(self, shows: list[bool]) -> None:
        random = np.random.default_rng(0)
        self.rows = [torch.tensor(random.normal(0, 0.05, (3, 200)) + float(show)).half() for show in shows]

    def kept(self, place: int) -> torch.Tensor:
        return self.rows[place]


def photos() -> tuple[list[Crop], list[bool]]:
    """60 persons, 12 crops each; every other one carries a backpack, which the last crop hides. Person 0 has three
    crops, and all of them hide it."""
    crops, shows = [], []
    for person in range(60):
        for image in range(12 if person else 3):
            attributes = {"bag": ("backpack", "none")[person % 2], "hat": "none", "sleeve": "long"}
            crops.append(Crop(f"m/{person}-{image}", PICTURE, f"m:{person}", f"m:{image}", attributes=attributes))
            shows.append(person % 2 == 0 and person != 0 and image < 11)
    return crops, shows


def hide(crops: list[Crop], shows: list[bool]) -> list[Crop]:
    seen: Any = Seen(shows)
    return mark_hidden_attributes(crops, seen)


def test_exactly_the_crops_that_hide_what_others_show_are_marked() -> None:
    crops, shows = photos()
    marked = hide(crops, shows)
    for before, after in zip(crops, marked, strict=True):
        person, image = before.id.removeprefix("m/").split("-")
        hidden = image == "11" and int(person) % 2 == 0 and person != "0"
        # Never an absence, and never where no crop of the person shows the thing: then the table may be wrong.
        assert after.attributes == ({**before.attributes, "bag": UNSEEN} if hidden else before.attributes)
        assert replace(after, attributes=before.attributes) == before


def test_drawn_crops_and_crops_of_which_nothing_is_known_are_left_alone() -> None:
    crops, shows = photos()
    # One crop of the set says itself what it hides: then all of them do.
    drawn = [
        replace(crop, attributes={**crop.attributes, "hat": UNSEEN}) if not i else crop for i, crop in enumerate(crops)
    ]
    assert [crop.attributes for crop in hide(drawn, shows)] == [crop.attributes for crop in drawn]
    unknown = [replace(crop, attributes={}) for crop in crops]
    assert [crop.attributes for crop in hide(unknown, shows)] == [{}] * len(crops)
    # Beside drawn people, photographed ones are still looked at.
    both = hide([*(replace(crop, id=f"s{crop.id}", person=f"s:{crop.person}") for crop in drawn), *crops], shows * 2)
    assert sum(crop.attributes["bag"] == UNSEEN for crop in both[: len(crops)]) == 0
    marked = [crop.id for crop in both[len(crops) :] if crop.attributes["bag"] == UNSEEN]
    # Of 29 that hide it; a few lie near the limit, on which side depends on the noise.
    assert len(marked) >= 20
    assert all(name.endswith("-11") for name in marked)


def test_nothing_is_marked_where_all_carry_the_same() -> None:
    crops, shows = photos()
    alike = [replace(crop, attributes={"bag": "backpack"}) for crop in crops]
    assert [crop.attributes for crop in hide(alike, shows)] == [crop.attributes for crop in alike]
