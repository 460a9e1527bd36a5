"""Text for people and files: names that may be printed anywhere, numbers with their words, the first few of many."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

FEW = 3  # names in a sentence


def whole(text: str) -> str:
    r"""The text as a file in UTF-8 can hold it: bytes of a name that are none are written as \udc80 and the like."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def shown(name: str) -> str:
    """A file name or label that can be printed anywhere: what is no text, or would move a terminal, is escaped."""
    text = whole(name)
    return text if text.isprintable() else "".join(c if is_harmless(c) else repr(c)[1:-1] for c in text)


def is_harmless(letter: str) -> bool:
    """Whether a letter only takes its place. Python calls wide and narrow spaces unprintable."""
    return letter.isprintable() or unicodedata.category(letter) == "Zs"


def shown_lines(text: str) -> str:
    """A longer text that can be printed anywhere: as `shown`, but its line ends stay."""
    return "\n".join(shown(line) for line in text.split("\n"))


def some_of(names: Iterable[str], number: int = FEW) -> str:
    """The first few names as text, with the number of the rest."""
    names = [shown(name) for name in names]
    rest = f" and {len(names) - number:,} more" if len(names) > number else ""
    return ", ".join(names[:number]) + rest


def plural(word: str, number: int) -> str:
    """ "1 query", "2 queries", "3 pairs": the word for so many."""
    if number == 1:
        return word
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def number_of(number: int, one: str, many: str = "") -> str:
    """ "1 file", "1,200 files": the number with the words that fit it; `many` where the plural is not regular."""
    return f"{number:,} {one if number == 1 else many or plural(one, number)}"


def chance_in_words(share: float) -> str:
    """A probability for reading, never as certain: "93%", "over 99%", "under 1%"."""
    if share > 0.99:
        return "over 99%"
    return "under 1%" if share < 0.01 else f"{share:.0%}"


def size_in_words(size: float) -> str:
    """Bytes: "512 B", "1.2 MB"."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
