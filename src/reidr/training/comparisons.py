"""Our own grammar: true attributes of two crops become a comparison in plain words, varied in wording.

No sentence is written by a person or by another model, and none says whether the two are the same person: a sentence
states what can be seen of one region in A and in B, that it agrees, differs, or cannot be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

UNSEEN = "not visible"


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _thing(value: str) -> str:
    """A bag or a hat by its kind: `"no bag"` is said by its region."""
    return _article(value)


@dataclass(frozen=True)
class Region:
    """A body region: its name in sentences, whether that name is a plural, its attributes, and how they are said."""

    name: str
    plural: bool
    attributes: tuple[str, ...]
    say: Callable[..., str]


REGIONS = (
    Region(
        "upper clothing",
        False,
        ("upper_color", "upper_pattern"),
        lambda color, pattern: _article(f"{color} {pattern} top"),
    ),
    Region("sleeves", True, ("sleeve",), lambda length: f"{length} sleeves"),
    Region(
        "lower clothing",
        False,
        ("lower_color", "lower_kind"),
        lambda color, kind: _article(f"{color} {kind}") if kind == "skirt" else f"{color} {kind}",
    ),
    Region("shoes", True, ("shoes_color",), lambda color: f"{color} shoes"),
    Region("hair", False, ("hair_length", "hair_color"), lambda length, color: f"{length} {color} hair"),
    Region("headwear", False, ("hat",), lambda hat: "no hat" if hat == "none" else _thing(hat)),
    Region("bag", False, ("bag",), lambda bag: "no bag" if bag == "none" else _thing(bag)),
)

AGREE = ("The {region} {agrees}: {a} in both.", "Same {region}: {a}.", "Both have {a}.")
DIFFER = (
    "The {region} {differs}: {a} in A, {b} in B.",
    "Different {region}: A has {a}, B has {b}.",
    "{start} {differs}: {a} against {b}.",
)
HIDDEN = ("The {region} cannot be seen in {where}.", "{start} {is_} hidden in {where}.")


def describe_region(attributes: Mapping[str, str], region: Region) -> str | None:
    """A region in words (`"a red striped top"`), or None where any of its attributes is unknown or not visible."""
    values = [attributes.get(name, UNSEEN) for name in region.attributes]
    return None if UNSEEN in values else region.say(*values)


def compare(a: Mapping[str, str], b: Mapping[str, str], random: np.random.Generator, *, regions: int = 5) -> str:
    """A comparison of up to `regions` regions, in random order; what is visible in both is preferred to what is not."""
    seen: list[str] = []
    hidden: list[str] = []
    for position in random.permutation(len(REGIONS)):
        region = REGIONS[position]
        first, second = describe_region(a, region), describe_region(b, region)
        words = {
            "region": region.name,
            "start": region.name.capitalize(),
            "agrees": "agree" if region.plural else "agrees",
            "differs": "differ" if region.plural else "differs",
            "is_": "are" if region.plural else "is",
            "a": first,
            "b": second,
        }
        if first is None or second is None:
            words["where"] = "both" if first is None and second is None else "A" if first is None else "B"
            hidden.append(_choose(HIDDEN, random).format(**words))
        else:
            seen.append(_choose(AGREE if first == second else DIFFER, random).format(**words))
    return " ".join((seen + hidden)[:regions])


def _choose(templates: tuple[str, ...], random: np.random.Generator) -> str:
    return templates[int(random.integers(len(templates)))]
