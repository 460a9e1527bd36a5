"""What a description becomes: terms over the vocabulary, and the words that are no part of any."""

from __future__ import annotations

from dataclasses import dataclass

Value = tuple[str, str]
"""A family of the vocabulary and one of its values."""


@dataclass(frozen=True)
class Word:
    """A piece of a description: `text` is description[start:end]."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Term:
    """One thing that a description says.

    Attributes:
        values: any one of them makes it true ("dark": black, or blue, or …); most often there is one.
        wanted: whether one of the values is to be there; False where none of them may be ("no hat").
        source: the words that say so.
    """

    values: tuple[Value, ...]
    wanted: bool
    source: Word

    @property
    def families(self) -> tuple[str, ...]:
        """The families of its values, each once."""
        return tuple(dict.fromkeys(family for family, _ in self.values))

    def __str__(self) -> str:
        """ "upper colors: red", "not carried: backpack or handbag"."""
        parts = [f"{name}: {' or '.join(value for f, value in self.values if f == name)}" for name in self.families]
        return ("" if self.wanted else "not ") + " or ".join(parts)


@dataclass(frozen=True)
class DescriptionQuery:
    """A description over the vocabulary. All of its terms are wanted at once.

    Attributes:
        text: the description. terms: in the order of its words.
        unmapped: words that say something the vocabulary has no value for, or that are not known.
        not_used: words of gender, age, origin, religion or health, which no search rests on.
        corrected: words of `text` that were read as others, with what they were read as (a slip of spelling).
    """

    text: str
    terms: tuple[Term, ...]
    unmapped: tuple[Word, ...] = ()
    not_used: tuple[Word, ...] = ()
    corrected: tuple[tuple[Word, str], ...] = ()
