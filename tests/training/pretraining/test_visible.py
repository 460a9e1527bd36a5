"""What may be said of a training crop: what is known, what its picture hides, what is not sure, what is recognised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reidr.data.types import Crop
from reidr.data.vocabulary import FAMILIES
from reidr.reasoning.rationales.regions import UNSEEN
from reidr.training.pretraining.visible import hedged, likeliest, say, sayable, visible_crops

PICTURE = Image.new("RGB", (4, 8))
NOTHING: dict[str, dict[str, float]] = {}
ALL = frozenset((name, value) for name, family in FAMILIES.items() for value in family.values)


def test_only_what_is_known_of_somebody_is_ever_said_of_photos() -> None:
    known = [
        {"upper colors": "red and blue", "lower garment": "trousers / jeans"},
        {"upper colors": "black", "headwear": UNSEEN, "lower garment": "skirt"},
    ]
    assert sayable(known) == {
        ("upper colors", "red"), ("upper colors", "blue"), ("upper colors", "black"), ("lower garment", "skirt"),
    }  # fmt: skip
    assert sayable([]) == frozenset()


@pytest.mark.parametrize(
    ("name", "value", "recognised", "said"),
    [
        ("upper colors", "red", {"red": 0.75}, "red"),
        ("upper colors", "red", {"red": 0.74}, "probably red"),
        ("upper colors", "red", {"red": 0.01}, "probably red"),  # what is known is said, however it looks
        ("upper colors", "red and blue", {"red": 0.9, "blue": 0.8}, "red and blue"),
        ("upper colors", "red and blue", {"red": 0.9, "blue": 0.5}, "probably red and blue"),
        ("upper colors", "red", {}, "red"),  # a family of which nothing is recognised
        ("upper colors", "red", {"blue": 0.1}, "red"),  # a value that is never recognised
        ("lower garment", "trousers / jeans", {"trousers": 0.2, "jeans": 0.2}, "trousers / jeans"),
        ("headwear", UNSEEN, {"hat": 0.1}, UNSEEN),
        ("weather", "rain", {"rain": 0.1}, "rain"),
    ],
)
def test_what_is_said_with_probably(name: str, value: str, recognised: dict[str, float], said: str) -> None:
    assert hedged(name, value, recognised) == said


@pytest.mark.parametrize(
    ("name", "chances", "value"),
    [
        # One value is true: the likeliest, from one half on.
        ("headwear", {"hat": 0.7, "none": 0.3}, "hat"),
        ("headwear", {"hat": 0.5, "none": 0.5}, "hat"),
        ("sleeves", {"short": 0.49, "long": 0.3, "none": 0.1}, None),
        ("sleeves", {"short": 0.6, "long": 0.55, "none": 0.5}, None),  # together 1.65: none has half of that
        ("sleeves", {"short": 0.9, "long": 0.3}, "short"),  # 0.9 of 1.2
        ("sleeves", {"short": 0.5}, "short"),
        ("sleeves", {}, None),
        # Several may be: all that are likely, two at most, in the order of the vocabulary.
        ("upper colors", {"white": 0.9, "black": 0.6, "red": 0.4}, "black and white"),
        ("upper colors", {"white": 0.9, "black": 0.6, "red": 0.7}, "white and red"),
        ("upper colors", {"white": 0.49}, None),
        ("upper colors", {}, None),
        ("carried", {"backpack": 0.6, "umbrella": 0.9}, "backpack and umbrella"),
        # Nothing is carried beside a bag: the likelier of the two.
        ("carried", {"nothing": 0.6, "backpack": 0.55}, "nothing"),
        ("carried", {"nothing": 0.55, "backpack": 0.6}, "backpack"),
        ("carried", {"nothing": 0.5, "backpack": 0.6, "handbag": 0.55}, "backpack and handbag"),
    ],
)
def test_the_likeliest_value_or_values_by_hand(name: str, chances: dict[str, float], value: str | None) -> None:
    assert likeliest(name, chances) == value
    # Whatever the order in which the chances are named, but for ties.
    if len(set(chances.values())) == len(chances):
        assert likeliest(name, dict(reversed(chances.items()))) == value


@pytest.mark.parametrize(
    ("known", "recognised", "hidden", "found"),
    [
        # Known and in view; known and not sure; known and hidden.
        ({"headwear": "hat"}, {"headwear": {"hat": 0.9, "none": 0.1}}, {"headwear": 0.5}, {"headwear": "hat"}),
        ({"headwear": "hat"}, {"headwear": {"hat": 0.6, "none": 0.1}}, {}, {"headwear": "probably hat"}),
        ({"headwear": "hat"}, {"headwear": {"hat": 0.9, "none": 0.1}}, {"headwear": 0.51}, {"headwear": UNSEEN}),
        # What nobody knows is hidden or recognised, or nothing is said of it.
        ({}, {"headwear": {"hat": 0.9, "none": 0.1}}, {"headwear": 0.6}, {"headwear": UNSEEN}),
        ({}, {"headwear": {"hat": 0.8, "none": 0.1}}, {}, {"headwear": "hat"}),
        ({}, {"headwear": {"hat": 0.6, "none": 0.4}}, {}, {"headwear": "probably hat"}),
        ({}, {"headwear": {"hat": 0.4, "none": 0.4}}, {}, {}),
        # One of several: whichever of them is recognised, and no other.
        (
            {"lower garment": "trousers / jeans"},
            {"lower garment": {"trousers": 0.2, "jeans": 0.8, "skirt": 0.95}},
            {},
            {"lower garment": "jeans"},
        ),
        (
            {"lower garment": "trousers / jeans"},
            {"lower garment": {"trousers": 0.4, "jeans": 0.3, "skirt": 0.95}},
            {},
            {"lower garment": "trousers / jeans"},
        ),
        # Two colours, the second not sure.
        ({}, {"upper colors": {"red": 0.9, "white": 0.6}}, {}, {"upper colors": "probably white and red"}),
        # Families that are not asked about are not said.
        ({"glasses": "yes", "lower length": "long"}, NOTHING, {"glasses": 0.9}, {}),
        ({"sleeves": "long"}, NOTHING, {}, {"sleeves": "long"}),
    ],
)
def test_what_may_be_said_of_a_photo_by_hand(
    known: dict[str, str],
    recognised: dict[str, dict[str, float]],
    hidden: dict[str, float],
    found: dict[str, str],
) -> None:
    assert say(known, recognised, hidden, ALL) == found


def test_a_value_that_no_photo_is_known_to_have_is_not_recognised_in_one() -> None:
    seen = {"upper colors": {"beige": 0.9, "red": 0.6}}
    assert say({}, seen, {}, ALL) == {"upper colors": "probably red and beige"}
    assert say({}, seen, {}, ALL - {("upper colors", "beige")}) == {"upper colors": "probably red"}
    assert say({"upper colors": "beige"}, seen, {}, frozenset()) == {"upper colors": "beige"}  # known is known


class Attributes:
    families = {"upper colors": ("red", "blue"), "headwear": ("none", "hat")}  # noqa: RUF012


class Visual:
    attributes = Attributes()
    sizes = (2, 3, 4, 1, 1, 6)  # cell, whole body, stripe, colours, place, probabilities


class Features:
    """Stands in for `CropFeatures`: three tokens a crop, in halves as features are kept."""

    def __init__(self, rows: list[list[float]]) -> None:
        random = np.random.default_rng(0)
        self.tokens = []
        for row in rows:
            tokens = torch.tensor(random.normal(size=(3, sum(Visual.sizes))), dtype=torch.float32)
            tokens[:, -6:] = torch.tensor(row)
            self.tokens.append(tokens.half())
        self.model: Any = type("M", (), {"model": type("N", (), {"visual": Visual()})()})()

    def kept(self, place: int) -> torch.Tensor:
        return self.tokens[place]


def crop(name: str, person: str, **attributes: str) -> Crop:
    return Crop(
        name, PICTURE, person, "1", attributes={key.replace("_", " "): each for key, each in attributes.items()}
    )


def test_drawn_crops_say_what_they_know_and_photos_what_is_seen_as_well() -> None:
    crops = [
        crop("p0", "market:0", upper_colors="red", headwear="none"),
        crop("p1", "market:1", upper_colors="red"),
        crop("p2", "market:2"),
        crop("s0", "street7:0", upper_colors="blue", headwear=UNSEEN, glasses="no"),
        crop("s1", "street7:1"),
    ]
    # red, blue; none, hat; upper colors hidden, headwear hidden
    features: Any = Features([
        [0.9, 0.1, 0.9, 0.1, 0.1, 0.9],
        [0.6, 0.9, 0.2, 0.9, 0.1, 0.1],
        [0.9, 0.9, 0.8, 0.1, 0.1, 0.1],
        [0.9, 0.1, 0.9, 0.1, 0.9, 0.9],
        [0.9, 0.1, 0.9, 0.1, 0.1, 0.1],
    ])  # fmt: skip
    found = visible_crops(crops, features)
    assert found.crops is crops
    assert list(found.known) == [
        {"upper colors": "red", "headwear": UNSEEN},
        {"upper colors": "probably red"},  # no photo is known to show a hat: it is not said of one
        {"upper colors": "red", "headwear": "none"},  # nor blue
        # Of a drawn crop all is known, what it hides too; the network decides only how sure it may be.
        {"upper colors": "probably blue", "headwear": UNSEEN, "glasses": "no"},
        {},
    ]
    assert found.upper is not None
    assert found.lower is not None
    for place in range(len(crops)):
        stripe = features.kept(place).float()[:, 5:9]
        for part, token in ((found.upper, stripe[0]), (found.lower, stripe[-1])):
            assert part.shape == (5, 4)
            np.testing.assert_allclose(part[place], (token / token.norm()).numpy(), atol=1e-6)
