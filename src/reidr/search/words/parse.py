"""`parse_description`: a free English description as a query over the vocabulary."""

from __future__ import annotations

from reidr.search.words.clauses import ClauseParser
from reidr.search.words.entries import Slot
from reidr.search.words.items import items_of
from reidr.search.words.terms import TermBuilder
from reidr.search.words.things import SUIT
from reidr.search.words.types import DescriptionQuery, Word


def parse_description(text: str) -> DescriptionQuery:
    """What an English description asks for, in the values of `reidr.data.vocabulary`.

    Synonyms, shades ("dark": any one of several colours), several colours of one garment, negations and alternatives
    are understood. The same text always gives the same query; no model and no network takes part. Nothing is refused:
    words without a value are in `unmapped`, words of gender, age, origin, religion or health in `not_used`.
    """
    items = items_of(text)
    clauses = ClauseParser(text, items)
    clauses.parse()
    worn = [mention for mention in clauses.mentions if not mention.negated]
    over = any(mention.slot is Slot.OUTER or mention.kinds == SUIT for mention in worn)
    builder = TermBuilder(text, layered=over and any(mention.slot is Slot.UPPER for mention in worn))
    for statement in clauses.statements:
        builder.add_statement(statement)
    for mention in clauses.mentions:
        builder.add_mention(mention)
    return DescriptionQuery(
        text,
        tuple(builder.finished()),
        in_order(clauses.unmapped + builder.unmapped),
        in_order(clauses.unused),
        tuple((item.word, item.corrected) for item in items if item.corrected),
    )


def in_order(words: list[Word]) -> tuple[Word, ...]:
    """Words as they stand in the text, each once."""
    return tuple(sorted(dict.fromkeys(words), key=lambda word: (word.start, word.end)))
