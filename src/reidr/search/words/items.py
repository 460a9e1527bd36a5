"""A description as a row of known words and phrases, each with its place in the text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reidr.search.words.entries import MODIFIERS, Entry, Pattern, Role, Sleeves, Thing
from reidr.search.words.lexicon import entry_of, longest_phrase
from reidr.search.words.spelling import correction
from reidr.search.words.types import Word

PIECE = re.compile(r"[A-Za-z]+(?:['\u2019][A-Za-z]+)?|\d+|[,/&+]|[.;:!?()\n]")
LONGEST_LIST = 20  # items
POSSESSIVE = re.compile(r"(?<!n)['\u2019](?:s|re|ve|d|ll|m)$")


@dataclass(frozen=True)
class Item:
    """A word or phrase of a description: what it is, where it stands, and what it was read as if misspelled."""

    entry: Entry
    word: Word
    phrase: str
    corrected: str = ""


@dataclass(frozen=True)
class Token:
    """One written word or mark, in lower case and without a possessive ending."""

    text: str
    start: int
    end: int


def tokens_of(text: str) -> list[Token]:
    """The words and marks of a text. A hyphen parts two words; a full stop within a number is a stop all the same."""
    tokens = []
    for piece in PIECE.finditer(text):
        plain = POSSESSIVE.sub("", piece[0].casefold().replace("\u2019", "'"))
        tokens.append(Token(plain, piece.start(), piece.end()))
    return tokens


def items_of(text: str) -> list[Item]:
    """The text as items; of several phrases that begin at a word the longest is taken."""
    tokens = tokens_of(text)
    items, place = [], 0
    while place < len(tokens):
        item, length = item_at(text, tokens, place)
        items.append(item)
        place += length
    return items


def item_at(text: str, tokens: list[Token], place: int) -> tuple[Item, int]:
    """The item that begins at a token, and of how many tokens it is."""
    first = tokens[place]
    if first.text in ",/":
        return Item(
            Role.COMMA if first.text == "," else Role.OR, Word(first.text, first.start, first.end), first.text
        ), 1
    if first.text == ":":
        return Item(Role.SKIP, Word(first.text, first.start, first.end), first.text), 1
    if not first.text[0].isalnum() and first.text not in "&+":
        return Item(Role.STOP, Word(first.text, first.start, first.end), first.text), 1
    for length in range(min(longest_phrase(), len(tokens) - place), 0, -1):
        own = tokens[place : place + length]
        phrase = " ".join(token.text for token in own)
        entry = entry_of(phrase)
        if entry is not None:
            start, end = own[0].start, own[-1].end
            return Item(entry, Word(text[start:end], start, end), phrase), length
    word = Word(text[first.start : first.end], first.start, first.end)
    known = correction(first.text)
    if known:
        entry = entry_of(known)
        if entry is not None:
            return Item(entry, word, known, corrected=known), 1
    return Item(Role.UNKNOWN, word, first.text), 1


class Cursor:
    """A place in a row of items, and what follows it."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items, self.place = items, 0

    def ahead(self, *skipped: Role) -> Item | None:
        """The next item that is none of these roles."""
        for item in self.items[self.place + 1 :]:
            if item.entry not in skipped:
                return item
        return None

    def modifier_follows(self, *skipped: Role) -> bool:
        """Whether the next item, these roles apart, is an adjective."""
        item = self.ahead(Role.SKIP, *skipped)
        return item is not None and isinstance(item.entry, (*MODIFIERS, Pattern, Sleeves))

    def phrase_ends_in_adjective(self) -> bool:
        """Whether adjectives stand after their nouns up to the next mark ("shirt white trousers grey")."""
        last = None
        for item in self.items[self.place + 1 :]:
            if item.entry in (Role.COMMA, Role.STOP):
                break
            last = item.entry
        return isinstance(last, MODIFIERS)

    def noun_follows(self) -> bool:
        """Whether the next item is a noun of the dictionary."""
        item = self.ahead(Role.SKIP)
        return item is not None and isinstance(item.entry, Thing)

    def is_adjective(self, pattern: Pattern) -> bool:
        """Whether a word of a pattern stands before its noun ("striped", or "stripe" in "stripe shirt")."""
        return not pattern.noun or self.noun_follows()

    def list_goes_on(self) -> bool:
        """Whether a comma within a negation is followed by bare nouns and then by "or"."""
        for item in self.items[self.place + 1 : self.place + 1 + LONGEST_LIST]:
            if item.entry is Role.OR:
                return True
            if item.entry is not Role.COMMA and not isinstance(item.entry, Thing):
                return False
        return False
