"""Attributes of crops by lot, in the one vocabulary, as templates may be given them."""

from __future__ import annotations

import numpy as np

from reidr.data.attributes import AND, UNSEEN
from reidr.data.vocabulary import FAMILIES
from reidr.reasoning.prompting.questions import QUESTIONS
from reidr.reasoning.rationales.regions import PROBABLY, REGIONS, certain

ALTERNATIVES = {"lower garment": ("trousers / jeans",), "pattern": ("plain / two-tone",)}
"""Where a source leaves it open which of several values is true."""


def value_by_lot(name: str, random: np.random.Generator) -> str:
    """One value of a family, or two where several may be true, in the order of the vocabulary."""
    values = FAMILIES[name].values + (("none",) if name == "jacket colors" else ())
    one = str(random.choice(values))
    if FAMILIES[name].several and one not in ("none", "nothing") and random.random() < 0.3:
        two = str(random.choice([value for value in FAMILIES[name].values if value not in (one, "nothing")]))
        return AND.join(sorted((one, two), key=FAMILIES[name].values.index))
    return one


def consistent(known: dict[str, str]) -> dict[str, str]:
    """Without a colour of what is not there, or of what nobody knows to be there."""
    absent = {"bag colors": ("carried", "nothing"), "hair color": ("hair length", "bald")}
    gone = [name for name, (of, none) in absent.items() if certain(known.get(of, none)) in (none, UNSEEN)]
    return {name: value for name, value in known.items() if name not in gone}


def drawn(
    random: np.random.Generator, *, hidden: float = 0.2, unknown: float = 0.15, unsure: float = 0.2, open_: float = 0.0
) -> dict[str, str]:
    """Attributes by lot: each hidden, unknown, or only probably so, with these chances; left open where it may be."""
    found = {}
    for name in QUESTIONS:
        value = value_by_lot(name, random)
        if name in ALTERNATIVES and random.random() < open_:
            value = str(random.choice(ALTERNATIVES[name]))
        elif random.random() < unsure:
            value = PROBABLY + value
        fate = random.random()
        if fate < hidden:
            found[name] = UNSEEN
        elif fate > hidden + unknown:
            found[name] = value
    return consistent(found)


def visible(known: dict[str, str]) -> dict[str, str]:
    """What can be seen, sure or not, without its "probably"."""
    return {name: certain(value) for name, value in known.items() if value != UNSEEN}


def words_for(region: str, known: dict[str, str]) -> bool:
    """Whether there is something to say of a region of which `known` can be seen: written here a second time."""
    has = known.get
    return {
        "upper clothing": "upper colors" in known or has("upper garment", "other top") != "other top",
        "sleeves": "sleeves" in known,
        "lower clothing": "lower colors" in known or "lower garment" in known,
        "shoes": "shoe colors" in known or has("shoes", "shoes") != "shoes",
        "hair": "hair length" in known or "hair color" in known,
        "headwear": "headwear" in known,
        "bag": "carried" in known,
    }[region]


def compared(a: dict[str, str], b: dict[str, str]) -> dict[str, tuple[str, str] | None]:
    """By region what a comparison must say: ("agree", ""), ("differ", ""), ("unseen", where), or None for nothing.

    Two regions agree where all that can be seen of both is equal, as far as words have a word for it.
    """
    found: dict[str, tuple[str, str] | None] = {}
    for region in REGIONS:
        first, second = (
            {name: value for name, value in visible(known).items() if name in region.attributes} for known in (a, b)
        )
        common = first.keys() & second.keys()
        if all(words_for(region.name, {name: own[name] for name in common}) for own in (first, second)):
            differing = [name for name in common if first[name] != second[name]]
            found[region.name] = ("differ" if differing else "agree", "")
            continue
        hidden = [
            any(known.get(name) == UNSEEN for name in region.attributes) and not words_for(region.name, own)
            for known, own in ((a, first), (b, second))
        ]
        where = "both" if all(hidden) else "A" if hidden[0] else "B" if hidden[1] else ""
        found[region.name] = ("unseen", where) if where else None
    return found
