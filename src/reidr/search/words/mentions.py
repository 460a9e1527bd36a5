"""What is said of one thing, before it becomes terms."""

from __future__ import annotations

from dataclasses import dataclass, field

from reidr.search.words.entries import Color, Entry, Length, Shade, Slot, Thing
from reidr.search.words.types import Value, Word


@dataclass
class Modifier:
    """An adjective or colour: whether it is negated, and whether "or" stands between it and the one before."""

    entry: Entry
    word: Word
    negated: bool = False
    alternative: bool = False


@dataclass
class Mention:
    """A noun with its modifiers.

    Attributes:
        thing: what the noun is. word: its place. negated: "no hat".
        kinds: any one of these it is; the place where a bag is carried may narrow them.
        implied: values that go with it, unless other words speak of their families.
    """

    thing: Thing
    word: Word
    modifiers: list[Modifier] = field(default_factory=list)
    negated: bool = False
    kinds: tuple[Value, ...] = ()
    implied: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        self.kinds, self.implied = self.thing.kinds, self.thing.implied

    @property
    def slot(self) -> Slot:
        """The part of a person that it speaks of."""
        return self.thing.slot

    @property
    def has_color(self) -> bool:
        """Whether a colour or shade is said of it."""
        return any(is_color(modifier) for modifier in self.modifiers)

    @property
    def has_length(self) -> bool:
        """Whether "short" or "long" is said of it."""
        return any(isinstance(modifier.entry, Length) for modifier in self.modifiers)

    def join(self, other: Mention) -> None:
        """Take in another thing that "or" joins to this one: either may be meant."""
        both = self.kinds and other.kinds
        self.kinds = tuple(dict.fromkeys((*self.kinds, *other.kinds))) if both else ()
        self.implied = tuple(value for value in self.implied if value in other.implied)
        if other.modifiers:
            other.modifiers[0].alternative = True
        self.modifiers += other.modifiers


@dataclass(frozen=True)
class Statement:
    """Something that is said without a noun of its own: a value, or any one of several."""

    values: tuple[Value, ...]
    word: Word
    negated: bool = False


def is_color(modifier: Modifier) -> bool:
    """Whether a modifier is a colour; a shade counts as one."""
    return isinstance(modifier.entry, Color | Shade)
