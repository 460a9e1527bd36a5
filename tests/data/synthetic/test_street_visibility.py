"""What a crop shows is counted in pixels: hand-made counts, and whole drawings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reidr.data.synthetic import ATTRIBUTES, NOT_VISIBLE, Body, Outfit, Person, make_cameras, render_crop
from reidr.data.synthetic.picture.canvas import Part
from reidr.data.synthetic.picture.visibility import visible_attributes

OUTFIT = Outfit(upper_pattern="checked", pattern_color="white", bag="handbag", bag_color="red")
PERSON = Person("1", Body(), "short", "black", (OUTFIT,))
AREA = 10_000
# A figure of round numbers; 1 % of the crop is 100 pixels.
DRAWN = {
    Part.FACE: 150,
    Part.HAIR: 100,
    Part.UPPER: 700,
    Part.PRINT_ZONE: 300,
    Part.UPPER_SLEEVE: 200,
    Part.UPPER_FOREARM: 200,
    Part.HAND: 60,
    Part.LOWER: 900,
    Part.LOWER_CALF: 600,
    Part.SHOES: 100,
    Part.BAG: 300,
}


def judge(outfit: Outfit = OUTFIT, **covered: float) -> dict[str, str]:
    """Attributes when of each named part the given share is covered."""
    drawn = np.zeros(len(Part), np.int64)
    for part, pixels in DRAWN.items():
        drawn[part] = pixels
    if outfit.bag == "none":
        drawn[Part.BAG] = 0
    seen = drawn.copy()
    for name, share in covered.items():
        seen[Part[name]] = round(drawn[Part[name]] * (1 - share))
    return visible_attributes(PERSON, outfit, drawn, seen, AREA)


def test_an_uncovered_figure_shows_everything() -> None:
    shown = judge()
    assert NOT_VISIBLE not in shown.values()
    assert (shown["upper_pattern"], shown["bag"], shown["hat"]) == ("checked", "handbag", "none")


@pytest.mark.parametrize(
    ("covered", "hidden"),
    [
        ({"SHOES": 0.6}, set()),  # 40 pixels left: more than 0.35 % of 10,000, and more than 30 % of 100
        ({"SHOES": 0.75}, {"shoes_color"}),  # 25 pixels left: below 35
        ({"HAIR": 0.65}, {"hair_length", "hair_color"}),  # 35 pixels: below 40
        ({"BAG": 0.4}, set()),  # 180 of 300
        ({"BAG": 0.6}, {"bag", "bag_color"}),  # 120 of 300: less than half
        ({"LOWER_CALF": 1.0}, {"lower_kind"}),  # 900 of 1,500 left: the colour shows, where the legs end does not
        ({"LOWER": 1.0, "LOWER_CALF": 0.9, "SHOES": 1.0}, {"lower_color", "lower_kind", "shoes_color"}),
        ({"UPPER_FOREARM": 0.7}, {"sleeve"}),  # 60 of 200: less than 40 %
        ({"FACE": 0.8, "HAIR": 0.2}, {"hat", "hat_color"}),  # 110 of 250: too little to say that there is no hat
    ],
)
def test_what_is_covered_is_not_stated(covered: dict[str, float], hidden: set[str]) -> None:
    shown = judge(**covered)
    assert {name for name, value in shown.items() if value == NOT_VISIBLE} == hidden


def test_no_bag_is_stated_only_where_trunk_and_arms_show() -> None:
    without = replace(OUTFIT, bag="none", bag_color="none")
    assert judge(without)["bag"] == "none"
    # Arms: 460 pixels drawn; without the forearms and hands 200 are left, which is 43 %.
    assert judge(without, UPPER_FOREARM=1.0, HAND=1.0)["bag"] == NOT_VISIBLE
    assert judge(without, UPPER=0.7)["bag"] == NOT_VISIBLE


@pytest.mark.parametrize("pattern", ["plain", "print"])
def test_a_print_is_neither_stated_nor_denied_where_the_chest_is_hidden(pattern: str) -> None:
    outfit = replace(OUTFIT, upper_pattern=pattern, pattern_color="none" if pattern == "plain" else "white")
    assert judge(outfit)["upper_pattern"] == pattern
    hidden = judge(outfit, PRINT_ZONE=0.9)
    assert (hidden["upper_pattern"], hidden["pattern_color"]) == (NOT_VISIBLE, NOT_VISIBLE)
    assert hidden["upper_color"] == "blue"


def test_stated_attributes_are_true_and_absent_ones_are_hidden_in_real_crops() -> None:
    print_shirt = Outfit(
        upper_pattern="print", pattern_color="white", bag="backpack", bag_color="red", hat="cap", hat_color="red"
    )
    jacket = replace(print_shirt, jacket_color="brown")
    stated: dict[tuple[str, str], int] = {}
    for seed in range(40):
        camera = replace(make_cameras(0, 6)[seed % 6], occlusion=0.0, loose=0.0)
        for name, outfit in (("shirt", print_shirt), ("jacket", jacket)):
            for view in ("front", "back"):
                shown = render_crop(PERSON, outfit, view, camera, seed).attributes
                assert set(shown) == set(ATTRIBUTES)
                key = (name, view)
                stated[key] = stated.get(key, 0) + (shown["upper_pattern"] == "print")
                if (name, view) == ("jacket", "back"):
                    assert shown["upper_color"] == NOT_VISIBLE
                    assert shown["jacket_color"] in ("brown", NOT_VISIBLE)
    assert stated["shirt", "front"] > 30
    assert stated["shirt", "back"] == stated["jacket", "back"] == 0


def test_occlusion_hides_more() -> None:
    cameras = make_cameras(0, 6)
    hidden = []
    for share in (0.0, 1.0):
        here = [replace(camera, occlusion=share) for camera in cameras]
        crops = [render_crop(PERSON, OUTFIT, "front", here[seed % 6], seed) for seed in range(30)]
        hidden.append(sum(value == NOT_VISIBLE for crop in crops for value in crop.attributes.values()))
    assert hidden[1] > 2 * hidden[0]
