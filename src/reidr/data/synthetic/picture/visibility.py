"""Which attributes a crop really shows, counted in pixels of the id-buffer.

A value is stated only where its part covers at least a stated share of the crop, and where enough of what the figure
shows of that part is left after occlusion and cutting. That something is absent ("no bag") is stated only where the
place in which it would be is seen.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reidr.data.synthetic.person.appearance import NOT_VISIBLE, Outfit, Person, true_attributes
from reidr.data.synthetic.picture.canvas import Part

Counts = NDArray[np.int64]

HEAD = (Part.FACE, Part.HAIR, Part.HAT)
SHIRT = (Part.UPPER, Part.PRINT_ZONE, Part.UPPER_SLEEVE, Part.UPPER_FOREARM)
SHIRT_FRONT = (Part.PRINT_ZONE,)
TRUNK = (Part.UPPER, Part.PRINT_ZONE, Part.JACKET)
JACKET = (Part.JACKET, Part.JACKET_SLEEVE, Part.JACKET_FOREARM)
FOREARMS = (Part.UPPER_FOREARM, Part.JACKET_FOREARM, Part.FOREARM_SKIN)
ARMS = (*FOREARMS, Part.UPPER_SLEEVE, Part.JACKET_SLEEVE, Part.ARM_SKIN, Part.HAND)
LOWER = (Part.LOWER, Part.LOWER_CALF)
CALVES = (Part.LOWER_CALF, Part.CALF_SKIN)

AREA = {
    "upper": 0.012,
    "print": 0.010,
    "jacket": 0.015,
    "forearm": 0.004,
    "lower": 0.012,
    "calf": 0.006,
    "shoes": 0.0035,
    "bag": 0.004,
    "hat": 0.004,
    "hair": 0.004,
}
"""Smallest share of the crop's pixels at which a part counts as seen. A backpack's straps from the front cover about
0.010 of a crop and a shoulder bag's strap 0.008: both count, unless more than half of them is covered."""

LEFT = 0.3  # least share of a part's own pixels that occlusion and cutting must leave
LEFT_FOR_ABSENCE = 0.6  # the same, of the place where an absent thing would be


def visible_attributes(person: Person, outfit: Outfit, drawn: Counts, seen: Counts, area: int) -> dict[str, str]:
    """The attributes of `person` in `outfit`, `NOT_VISIBLE` where this crop does not show them.

    `drawn` and `seen` count pixels per `Part`: of the whole figure alone, and in the crop after occlusion and cutting;
    `area` is the number of pixels of the crop.
    """

    def shown(parts: tuple[Part, ...], least: str, left: float = LEFT) -> bool:
        now, before = int(sum(seen[part] for part in parts)), int(sum(drawn[part] for part in parts))
        return now >= AREA[least] * area and now >= left * before

    def place(parts: tuple[Part, ...]) -> bool:
        return bool(sum(seen[part] for part in parts) >= LEFT_FOR_ABSENCE * max(1, sum(drawn[part] for part in parts)))

    shirt = shown(SHIRT, "upper")
    # From behind, a plain shirt and one with a print on its chest look alike: neither is stated.
    pattern = shirt and (outfit.upper_pattern not in ("plain", "print") or shown(SHIRT_FRONT, "print"))
    jacket = shown(JACKET, "jacket") if outfit.jacket != "none" else place(TRUNK)
    legs = shown(LOWER, "lower") and shown(CALVES, "calf")
    bag = shown((Part.BAG,), "bag", 0.5) if outfit.bag != "none" else place(TRUNK) and place(ARMS)
    hat = shown((Part.HAT,), "hat") if outfit.hat != "none" else place(HEAD)
    hair = shown((Part.HAIR,), "hair")
    visible: Mapping[str, bool] = {
        "upper_color": shirt,
        "upper_pattern": pattern,
        "pattern_color": pattern,
        "sleeve": shown(FOREARMS, "forearm", 0.4),
        "jacket": jacket,
        "jacket_color": jacket,
        "lower_color": shown(LOWER, "lower"),
        "lower_kind": legs,
        "shoes_color": shown((Part.SHOES,), "shoes"),
        "bag": bag,
        "bag_color": bag,
        "hat": hat,
        "hat_color": hat,
        "hair_length": hair,
        "hair_color": hair,
    }
    return {name: value if visible[name] else NOT_VISIBLE for name, value in true_attributes(person, outfit).items()}


def count_parts(parts: NDArray[np.uint8]) -> Counts:
    """Pixels per `Part`."""
    return np.bincount(parts.ravel(), minlength=len(Part))
