"""From mentions to terms: the values of the vocabulary that a noun and its adjectives stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from reidr.data.vocabulary import FAMILIES
from reidr.search.words.colors import HAIR_NAMES, HAIR_SHADES, SHADES, shaded
from reidr.search.words.entries import (
    COLOR_FAMILIES,
    OPTIONAL,
    Color,
    Length,
    Open,
    Pattern,
    Shade,
    Slot,
    Style,
)
from reidr.search.words.mentions import Mention, Modifier, Statement, is_color
from reidr.search.words.things import LONG, SHORT, SUIT, TROUSERS, of
from reidr.search.words.types import Term, Value, Word


@dataclass
class TermBuilder:
    """Collects terms, values that go with them, and words that turn out to have no value.

    `layered`: a jacket and another upper garment are described, so that a colour of the jacket may be one of the
    vocabulary's "jacket colors", and the kind of the garment below it is not the kind of upper garment that shows.
    """

    text: str
    layered: bool = False
    terms: list[Term] = field(default_factory=list)
    implied: list[Term] = field(default_factory=list)
    unmapped: list[Word] = field(default_factory=list)

    def add_statement(self, statement: Statement) -> None:
        """A statement as a term."""
        self.terms.append(Term(statement.values, not statement.negated, statement.word))

    def add_mention(self, mention: Mention) -> None:
        """All that is said of one thing."""
        colors = self.color_values(mention)
        rest = [modifier for modifier in mention.modifiers if not is_color(modifier)]
        if mention.negated:
            self.add_negated(mention, colors, rest)
            return
        lengths = [m for m in rest if isinstance(m.entry, Length)]
        kinds, implied = mention.kinds, mention.implied
        if mention.slot is Slot.LOWER and lengths:
            implied = ()  # "knee length pants" are neither long nor trousers for certain
            if kinds == TROUSERS and any(isinstance(m.entry, Length) and m.entry.name == "short" for m in lengths):
                kinds = ()
        if self.layered and mention.slot is Slot.UPPER:
            kinds, implied = (), ()
        if kinds:
            self.terms.append(Term(kinds, True, mention.word))
        self.implied += [Term((value,), True, mention.word) for value in implied]
        for values, wanted, word in colors:
            self.terms.append(Term(values, wanted, word))
        for modifier in rest:
            found = values_of(modifier, mention.slot)
            self.terms += [Term(values, not modifier.negated, modifier.word) for values in found]
            if not found:
                self.unmapped.append(modifier.word)

    def add_negated(
        self, mention: Mention, colors: Sequence[tuple[tuple[Value, ...], bool, Word]], rest: Sequence[Modifier]
    ) -> None:
        """ "no hat": not the thing; "no red shirt": a shirt of another colour; "no hair": bald."""
        if mention.slot in OPTIONAL:
            kinds = mention.kinds
            if mention.slot is Slot.OUTER:
                kinds = (*kinds, *of("open jacket", "yes"))
            self.terms.append(Term(kinds, False, mention.word))
            self.unmapped += [word for _, _, word in colors] + [modifier.word for modifier in rest]
            return
        said = [Term(values, False, word) for values, _, word in colors]
        said += [Term(values, False, m.word) for m in rest for values in values_of(m, mention.slot)]
        if not said and mention.slot is Slot.HAIR:
            said = [Term(of("hair length", "bald"), True, mention.word)]
        elif not said and mention.kinds:
            said = [Term(mention.kinds, False, mention.word)]
        self.terms += said
        if not said:
            self.unmapped.append(mention.word)

    def color_values(self, mention: Mention) -> list[tuple[tuple[Value, ...], bool, Word]]:
        """For every colour of a thing: the values any one of which it may be, whether they are wanted, the words."""
        families = COLOR_FAMILIES.get(mention.slot, ())
        found = []
        for names, negated, word in color_groups(mention, self.text):
            own = [tuple((family, name) for name in in_family(names, family)) for family in families]
            if self.layered and (mention.slot is Slot.OUTER or mention.kinds == SUIT):
                layers = ("jacket colors", "upper colors")
                own[0] = tuple((family, name) for family in layers for name in in_family(names, family))
            if mention.slot is Slot.EITHER:
                own = [tuple(value for values in own for value in values)]
            known = [values for values in own if values]
            if not known:
                self.unmapped.append(word)
            found += [(values, not negated, word) for values in known]
        return found

    def finished(self) -> list[Term]:
        """The terms in the order of the text, each once; what goes with a noun only where nothing else was said."""
        said = {family for term in self.terms for family in term.families}
        terms = self.terms + [term for term in self.implied if not said.intersection(term.families)]
        once: dict[tuple[tuple[Value, ...], bool], Term] = {}
        for term in sorted(terms, key=lambda term: (term.source.start, term.source.end)):
            once.setdefault((term.values, term.wanted), term)
        return list(once.values())


def color_groups(mention: Mention, text: str) -> Iterable[tuple[tuple[str, ...], bool, Word]]:
    """The colours of a thing: names any one of which is meant, whether negated, and the words.

    A shade goes with the colour just after it; colours that "or" joins are one group.
    """
    groups: list[tuple[list[str], bool, Word]] = []
    shade: Modifier | None = None
    modifiers = [modifier for modifier in mention.modifiers if is_color(modifier)]
    for place, modifier in enumerate(modifiers):
        following = modifiers[place + 1] if place + 1 < len(modifiers) else None
        if isinstance(modifier.entry, Shade):
            joined = following is not None and isinstance(following.entry, Color)
            if joined and following is not None and not text[modifier.word.end : following.word.start].strip(" -"):
                shade = modifier
                continue
            sets = HAIR_SHADES if mention.slot is Slot.HAIR else SHADES
            names, first = list(sets[modifier.entry.name]), modifier
        else:
            assert isinstance(modifier.entry, Color)
            color, first = modifier.entry, shade or modifier
            if shade is not None and isinstance(shade.entry, Shade):
                color = shaded(shade.entry.name, color)
            names, shade = list(color.names), None
        word = Word(text[first.word.start : modifier.word.end], first.word.start, modifier.word.end)
        if first.alternative and groups:
            before, negated, opened = groups[-1]
            word = Word(text[opened.start : word.end], opened.start, word.end)
            groups[-1] = (list(dict.fromkeys((*before, *names))), negated, word)
        else:
            groups.append((names, modifier.negated, word))
    return [(tuple(names), negated, word) for names, negated, word in groups]


def in_family(names: Iterable[str], family: str) -> tuple[str, ...]:
    """Those of some colours that a family has, under its names."""
    values = FAMILIES[family].values
    if family == "hair color":
        names = [HAIR_NAMES.get(name, name) for name in names]
    return tuple(dict.fromkeys(name for name in names if name in values))


def values_of(modifier: Modifier, slot: Slot) -> list[tuple[Value, ...]]:
    """What an adjective that is no colour says of a thing; empty where the vocabulary has no value for it."""
    entry = modifier.entry
    if isinstance(entry, Length):
        if slot is Slot.HAIR:
            return [of("hair length", entry.name)]
        return [LONG if entry.name == "long" else SHORT] if slot in (Slot.LOWER, Slot.DRESS) else []
    if isinstance(entry, Pattern) and slot in (Slot.UPPER, Slot.OUTER, Slot.DRESS):
        return [of("pattern", *entry.values)]
    if isinstance(entry, Open) and slot is Slot.OUTER:
        return [of("open jacket", "yes")]
    if isinstance(entry, Style):
        upper, lower = of("upper style", entry.name), of("lower style", entry.name)
        styles = {Slot.UPPER: [upper], Slot.OUTER: [upper], Slot.LOWER: [lower]}
        return styles.get(slot, [upper, lower] if slot in (Slot.CLOTHES, Slot.DRESS) else [])
    return []
