"""One slip of the pen in a word that is not known: a letter too many or too few, or two that changed places.

A wrong letter is no slip here: it makes too many English words of others ("baggy" is no buggy).
"""

from __future__ import annotations

from functools import cache
from string import ascii_lowercase

from reidr.search.words.entries import Color, Pattern, Slot, Thing
from reidr.search.words.lexicon import lexicon

SHORTEST, LONGEST = 5, 20  # letters; shorter words are one slip from too many others


@cache
def correctable() -> frozenset[str]:
    """Single words of garments, bags, colours and patterns that are long enough."""
    words = {phrase: entry for phrase, entry in lexicon().items() if " " not in phrase}
    things = {word for word, entry in words.items() if isinstance(entry, Thing) and entry.slot is not Slot.OTHER}
    plurals = {f"{word}s" for word in things if not word.endswith("s")}
    others = {word for word, entry in words.items() if isinstance(entry, Color | Pattern)}
    return frozenset(word for word in things | plurals | others if len(word) >= SHORTEST)


def one_slip(word: str) -> set[str]:
    """All texts that are one slip away."""
    cuts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    fewer = {left + right[1:] for left, right in cuts if right}
    swapped = {left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1}
    more = {left + letter + right for left, right in cuts for letter in ascii_lowercase}
    return (fewer | swapped | more) - {word}


def correction(word: str) -> str:
    """The one known word that is a slip away and begins with the same letter; empty where there is none, or several."""
    if not SHORTEST <= len(word) <= LONGEST or not word.isalpha():
        return ""
    near = {known for known in one_slip(word) & correctable() if known[0] == word[0]}
    return near.pop() if len(near) == 1 else ""
