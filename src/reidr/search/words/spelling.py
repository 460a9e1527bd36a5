"""One slip of the pen in a word that is not known: a letter too many, too few, wrong, or two that changed places."""

from __future__ import annotations

from functools import cache
from string import ascii_lowercase

from reidr.search.words.entries import Color, Length, Pattern, Sleeves, Thing
from reidr.search.words.lexicon import lexicon

SHORTEST = 5  # letters; shorter words are one slip from too many others


@cache
def correctable() -> frozenset[str]:
    """Single words of garments, things, colours and patterns that are long enough."""
    kinds = (Color, Length, Pattern, Sleeves, Thing)
    words = {phrase for phrase, entry in lexicon().items() if isinstance(entry, kinds)}
    whole = {word for word in words if " " not in word}
    return frozenset(word for word in whole | {word + "s" for word in whole} if len(word) >= SHORTEST)


def one_slip(word: str) -> set[str]:
    """All texts that are one slip away."""
    cuts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    fewer = {left + right[1:] for left, right in cuts if right}
    swapped = {left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1}
    wrong = {left + letter + right[1:] for left, right in cuts if right for letter in ascii_lowercase}
    more = {left + letter + right for left, right in cuts for letter in ascii_lowercase}
    return (fewer | swapped | wrong | more) - {word}


def correction(word: str) -> str:
    """The one known word that is a slip away and begins with the same letter; empty where there is none, or several."""
    if len(word) < SHORTEST or not word.isalpha():
        return ""
    near = {known for known in one_slip(word) & correctable() if known[0] == word[0]}
    return near.pop() if len(near) == 1 else ""
