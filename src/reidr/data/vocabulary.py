"""One vocabulary for what a person wears and carries, and how the words of each source map to it.

Market-1501's table (Lin et al. 2019), PETA's labels (Deng et al. 2014) and the rendered street name things differently
and do not know the same things. Each source is translated into *facts* (`reidr.data.attribute_sources`): for every
family of values, which are true, which are false, and which are unknown. **Unknown is not "no"**: a value that a source
never marks stays unknown for its pictures. Nothing of gender, age, origin, religion or health is a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reidr.errors import DataError

CANNOT_BE_SEEN = "cannot be seen"
COLORS = ("black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "beige")
PHOTO_COLORS = tuple(color for color in COLORS if color != "beige")  # no photo set has a word for beige

Facts = dict[str, dict[str, bool]]
"""Family → value → true or false; what is not there is unknown. Of a hidden family: {CANNOT_BE_SEEN: True}."""


@dataclass(frozen=True)
class Family:
    """Values that answer one question about a person.

    Attributes:
        name: what the question is about. values: the possible answers.
        several: whether several values may be true at once (a black and white top); else exactly one is.
    """

    name: str
    values: tuple[str, ...]
    several: bool = False


VOCABULARY: tuple[Family, ...] = (
    Family("headwear", ("none", "hat")),
    Family("hair length", ("short", "long", "bald")),
    Family("hair color", ("black", "brown", "gray", "white", "blond", "red")),
    Family("glasses", ("no", "yes")),
    Family("scarf", ("no", "yes")),
    Family("upper garment", ("t-shirt", "shirt", "sweater", "jacket", "suit jacket", "other top")),
    Family("upper style", ("casual", "formal")),
    Family("upper colors", COLORS, several=True),
    Family("sleeves", ("long", "short", "none")),
    Family("pattern", ("plain", "striped", "checked", "logo or print", "two-tone")),
    Family("open jacket", ("no", "yes")),
    Family("jacket colors", COLORS, several=True),
    Family("lower garment", ("trousers", "jeans", "shorts", "skirt")),
    Family("lower style", ("casual", "formal")),
    Family("lower length", ("long", "short")),
    Family("lower colors", COLORS, several=True),
    Family("shoes", ("shoes", "leather shoes", "sneakers", "boots", "sandals")),
    Family("shoe colors", COLORS, several=True),
    Family(
        "carried",
        ("nothing", "backpack", "shoulder bag", "handbag", "plastic bag", "suitcase", "folder", "umbrella", "stroller"),
        several=True,
    ),
    Family("bag colors", COLORS, several=True),
)
FAMILIES: Mapping[str, Family] = {family.name: family for family in VOCABULARY}
VALUES: tuple[tuple[str, str], ...] = tuple((family.name, value) for family in VOCABULARY for value in family.values)


def one_of(family: str, *possible: str) -> dict[str, bool]:
    """Facts of a family of which one value is true: that one where `possible` names one, else the rest is false."""
    values = FAMILIES[family].values
    wrong = [value for value in possible if value not in values]
    if wrong:
        raise DataError(f"{family}: no value {wrong[0]!r}; there are: {', '.join(values)}")
    facts = {value: False for value in values if value not in possible}
    return facts | ({possible[0]: True} if len(possible) == 1 else {})


def several_of(true: Iterable[str], listed: Iterable[str]) -> dict[str, bool]:
    """Facts of values of which any number may be true: `listed` is what the source could have marked."""
    marked = set(true)
    return {value: value in marked for value in dict.fromkeys((*listed, *marked))}


def values_true(facts: Facts, family: str) -> tuple[str, ...]:
    """The values of a family that are known to be true, in the vocabulary's order."""
    known = facts.get(family, {})
    return tuple(value for value in FAMILIES[family].values if known.get(value))
