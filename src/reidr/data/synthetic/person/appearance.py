"""The true attributes of a person on the street: body, hair, and what is worn.

Skin tone and build are drawn so that people look alive, and are never attributes: nothing may be reasoned from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reidr.data.synthetic.person.palette import COLORS, HAIR_COLORS, RGB, check_choice
from reidr.errors import DataError

PATTERNS = ("plain", "horizontal stripes", "vertical stripes", "checked", "two-tone", "print")
SLEEVES = ("long", "short")
LOWER_KINDS = ("trousers", "shorts", "skirt")
BAGS = ("none", "backpack", "handbag", "shoulder bag")
HATS = ("none", "cap", "beanie")
HAIR_LENGTHS = ("short", "long")
NOT_VISIBLE = "not visible"

ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "upper_color": tuple(COLORS),
    "upper_pattern": PATTERNS,
    "pattern_color": ("none", *COLORS),
    "sleeve": SLEEVES,
    "jacket": ("none", "open"),
    "jacket_color": ("none", *COLORS),
    "lower_color": tuple(COLORS),
    "lower_kind": LOWER_KINDS,
    "shoes_color": tuple(COLORS),
    "bag": BAGS,
    "bag_color": ("none", *COLORS),
    "hat": HATS,
    "hat_color": ("none", *COLORS),
    "hair_length": HAIR_LENGTHS,
    "hair_color": tuple(HAIR_COLORS),
}
"""Every attribute with its values; in a crop each may also be `NOT_VISIBLE`."""


@dataclass(frozen=True)
class Body:
    """How a person is built. Lengths are shares of the height, widths factors around 1.

    Attributes:
        height: cm. build: all girths. shoulders, waist, hips: girth of that level.
        legs: hip height as a share of the height. hair_volume: how far hair stands off the head (0 to 1).
        skin: sRGB.
    """

    height: float = 172.0
    build: float = 1.0
    shoulders: float = 1.0
    waist: float = 1.0
    hips: float = 1.0
    legs: float = 0.5
    hair_volume: float = 0.4
    skin: RGB = (206, 156, 124)


@dataclass(frozen=True)
class Outfit:
    """What a person wears and carries. `"none"` where there is nothing.

    Colours are names of the palette. `upper_shade` and `lower_shade` move them within the name (-1 to 1, mostly
    within 0.12); `pattern_period` is the width of one stripe pair or check in cm; `print_shape` (0 to 3) is which
    print; `fit` (0 to 1) how wide the trousers are; `bag_side` is +1 or -1. Raises DataError for an unknown value.
    """

    label: str = "1"
    upper_color: str = "blue"
    upper_pattern: str = "plain"
    pattern_color: str = "none"
    sleeve: str = "long"
    jacket_color: str = "none"
    lower_color: str = "black"
    lower_kind: str = "trousers"
    shoes_color: str = "white"
    bag: str = "none"
    bag_color: str = "none"
    hat: str = "none"
    hat_color: str = "none"
    upper_shade: float = 0.0
    lower_shade: float = 0.0
    pattern_period: float = 10.0
    print_shape: int = 0
    fit: float = 0.4
    bag_side: int = 1

    def __post_init__(self) -> None:
        for name in (*ATTRIBUTES,):
            if name not in ("jacket", "hair_length", "hair_color"):
                check_choice(f"outfit {self.label}: {name}", getattr(self, name), ATTRIBUTES[name])
        for thing, color, nothing in (
            ("upper_pattern", "pattern_color", "plain"),
            ("bag", "bag_color", "none"),
            ("hat", "hat_color", "none"),
        ):
            if (getattr(self, thing) == nothing) != (getattr(self, color) == "none"):
                raise DataError(
                    f"outfit {self.label}: {thing} is {getattr(self, thing)!r} but {color} is {getattr(self, color)!r}"
                )

    @property
    def jacket(self) -> str:
        """`"open"` where a jacket is worn over the upper garment, else `"none"`."""
        return "none" if self.jacket_color == "none" else "open"


@dataclass(frozen=True)
class Person:
    """One person: what lasts (body, hair) and the outfits worn on different occasions."""

    label: str
    body: Body
    hair_length: str
    hair_color: str
    outfits: tuple[Outfit, ...]

    def __post_init__(self) -> None:
        check_choice(f"person {self.label}: hair_length", self.hair_length, HAIR_LENGTHS)
        check_choice(f"person {self.label}: hair_color", self.hair_color, tuple(HAIR_COLORS))
        if not self.outfits:
            raise DataError(f"person {self.label}: needs at least one outfit")


def true_attributes(person: Person, outfit: Outfit) -> dict[str, str]:
    """All attributes of `person` in `outfit`, whether or not a camera could see them."""
    return {name: getattr(person if name.startswith("hair_") else outfit, name) for name in ATTRIBUTES}
