"""The kinds of words that a description is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from reidr.search.words.types import Value


class Slot(Enum):
    """What part of a person a noun speaks of; it decides what the colours before it are the colours of."""

    UPPER = "upper garment"
    OUTER = "jacket or the like"
    LOWER = "lower garment"
    DRESS = "dress"
    CLOTHES = "clothes"
    EITHER = "upper or lower garment"
    SHOES = "shoes"
    BAG = "bag"
    HAIR = "hair"
    ACCESSORY = "accessory"  # a thing without colours in the vocabulary
    OTHER = "other"  # a thing that is not in the vocabulary: it takes the colours before it out of the query


COLOR_FAMILIES: dict[Slot, tuple[str, ...]] = {
    Slot.UPPER: ("upper colors",),
    Slot.OUTER: ("upper colors",),
    Slot.LOWER: ("lower colors",),
    Slot.DRESS: ("upper colors", "lower colors"),
    Slot.CLOTHES: ("upper colors", "lower colors"),
    Slot.EITHER: ("upper colors", "lower colors"),
    Slot.SHOES: ("shoe colors",),
    Slot.BAG: ("bag colors",),
    Slot.HAIR: ("hair color",),
}
OPTIONAL = (Slot.OUTER, Slot.BAG, Slot.ACCESSORY)
"""What a person may be without: "no black backpack" is no backpack, whereas "no black shirt" is another colour."""


@dataclass(frozen=True)
class Color:
    """A colour; of several `names` any one may be meant (tan: beige or brown)."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Shade:
    """ "dark" or "light", which is a set of colours where no colour follows."""

    name: str


@dataclass(frozen=True)
class Length:
    """ "short" or "long": of hair, of sleeves or of a lower garment, as the noun says."""

    name: str


@dataclass(frozen=True)
class Sleeves:
    """The noun or participle that turns a length before it into one of sleeves; `value` where it says one itself."""

    value: str = ""


@dataclass(frozen=True)
class Pattern:
    """A pattern of the upper garment. As a noun (`stripes`), its colours are also the garment's, or not (`logo`)."""

    values: tuple[str, ...]
    noun: bool = False
    colored: bool = False


@dataclass(frozen=True)
class Open:
    """ "open", "unzipped": of a jacket."""


@dataclass(frozen=True)
class Style:
    """ "formal" or "casual": of the garment that follows, of both where "clothes" follows."""

    name: str


@dataclass(frozen=True)
class Thing:
    """A noun: what it is, by any one of `kinds`, and what goes with it (`implied`) unless other words speak of that."""

    slot: Slot
    kinds: tuple[Value, ...] = ()
    implied: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Fact:
    """A word that is a statement by itself (`bald`)."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Place:
    """Where on the body a bag is carried, which tells its kind where the noun does not."""

    kinds: tuple[Value, ...]


class Role(Enum):
    """Words that give a sentence its shape, or are left out of a query."""

    NOT = "negation"
    WITHOUT = "negation of a whole list"
    BUT = "ends a negation"
    AND = "and"
    OR = "or"
    IN = "in"
    WEAR = "wear, carry, have, with"
    ALL = "all"
    BREAK = "article, pronoun or verb: ends a run of adjectives"
    PLACE = "preposition: ends a run of adjectives, and a negation that has covered something"
    ANYTHING = "anything"
    SKIP = "says nothing"
    UNUSED = "gender, age, origin, religion, health"
    COMMA = ","
    STOP = "."
    UNKNOWN = "not known"


Entry = Color | Shade | Length | Sleeves | Pattern | Open | Style | Thing | Fact | Place | Role
MODIFIERS = (Color, Shade, Length, Open, Style)
"""What may stand before a noun and is kept until it comes; patterns that are no nouns too."""
