"""From items to mentions: which colour belongs to which noun, and what a negation covers.

Adjectives are kept until their noun comes. Where none comes, they belong to the noun before ("his shirt is blue"), or
to the clothes as a whole ("a man in black"). A noun that the vocabulary does not have takes its colours with it, so
that "white socks" makes no shoes white. A negation covers the noun that follows and those that "or" joins to it
("no hat, bag or scarf"); that of "without" also those that "and" joins. In "a black shirt and shorts" only the shirt is
black: of 37 such sentences about people whose colours are known, 8 meant both.
"""

from __future__ import annotations

from collections.abc import Sequence

from reidr.data.vocabulary import FAMILIES
from reidr.search.words.colors import COLORS
from reidr.search.words.entries import (
    MODIFIERS,
    Color,
    Fact,
    Length,
    Pattern,
    Place,
    Role,
    Sleeves,
    Slot,
    Thing,
)
from reidr.search.words.items import Cursor, Item
from reidr.search.words.mentions import Mention, Modifier, Statement, is_color
from reidr.search.words.things import of
from reidr.search.words.types import Value, Word

PATTERNED = (Slot.UPPER, Slot.OUTER, Slot.DRESS)
SHORTS = Thing(Slot.LOWER, of("lower garment", "shorts"), of("lower length", "short"))
BLOND = COLORS["blond"]
WITH_LENGTH = (Slot.HAIR, Slot.LOWER, Slot.DRESS)
AHEAD = 4  # items within which the noun of "a logo on his shirt" is looked for


class ClauseParser(Cursor):
    """Walks once over the items of a description; `mentions`, `statements`, `unmapped` and `unused` are the result."""

    def __init__(self, text: str, items: Sequence[Item]) -> None:
        super().__init__(items)
        self.text = text
        self.mentions: list[Mention] = []
        self.statements: list[Statement] = []
        self.unmapped: list[Word] = []
        self.unused: list[Word] = []
        self.pending: list[Modifier] = []
        self.last: Mention | None = None
        self.worn: Mention | None = None  # the last one that the vocabulary has
        self.bag: Mention | None = None
        self.negation: Role | None = None
        self.covered = 0  # nouns that the negation has covered
        self.alternative = False  # "or" was the last word
        self.opener: Role | None = None

    def parse(self) -> None:
        """Take every item in turn."""
        for place, item in enumerate(self.items):
            self.place, entry = place, item.entry
            if isinstance(entry, Role):
                self.take_role(entry, item.word)
                continue
            if isinstance(entry, MODIFIERS) or (isinstance(entry, Pattern) and self.is_adjective(entry)):
                self.take_modifier(item)
            elif isinstance(entry, Pattern):
                self.take_pattern(entry, item.word)
            elif isinstance(entry, Sleeves):
                self.take_sleeves(entry, item.word)
            elif isinstance(entry, Thing):
                self.take_thing(entry, item.word)
            elif isinstance(entry, Fact):
                self.flush()
                self.state(Statement(entry.values, item.word, self.negation is not None))
            elif isinstance(entry, Place):
                self.take_place(entry, item.word)
            self.alternative = False
        self.flush()

    def words(self, modifiers: Sequence[Modifier], last: Word | None = None) -> Word:
        """The text from the first of some modifiers to the last, or to a word after them."""
        start, end = modifiers[0].word.start, (last or modifiers[-1].word).end
        return Word(self.text[start:end], start, end)

    def take_role(self, role: Role, word: Word) -> None:
        """A word that gives the sentence its shape."""
        if role is Role.SKIP:
            return
        if role in (Role.AND, Role.OR, Role.COMMA):
            self.take_joint(role)
            return
        if role is Role.BREAK and self.alternative:
            return  # "a red or a blue top"
        self.alternative = False
        if role in (Role.UNKNOWN, Role.UNUSED):
            self.covered += self.negation is not None  # "not tall, red shirt"
            (self.take_unknown if role is Role.UNKNOWN else self.take_unused)(word)
        elif role in (Role.NOT, Role.WITHOUT):
            if not self.modifier_follows():
                self.flush()
            self.negation, self.covered = role, 0
        elif role is Role.ANYTHING:
            if self.negation:
                self.statements.append(Statement(of("carried", "nothing"), word))
        else:
            self.flush()
            if role is Role.STOP:
                self.last = self.worn = self.bag = self.opener = None
            elif role is Role.ALL or (role in (Role.WEAR, Role.IN) and self.opener is not Role.ALL):
                self.opener = role
            if role in (Role.STOP, Role.BUT) or (role in (Role.WEAR, Role.PLACE) and self.covered):
                self.negation = None

    def take_joint(self, role: Role) -> None:
        """A comma, "and" or "or": does the run of adjectives go on, does the negation?"""
        articles = (Role.BREAK,) if role is Role.OR else ()
        if self.pending and not self.modifier_follows(Role.AND, Role.OR, Role.COMMA, *articles):
            self.flush()
        if role is Role.OR:
            self.alternative = True
            return
        if not self.covered:
            return
        if role is Role.COMMA:
            goes_on = self.list_goes_on()
        else:
            following = self.ahead(Role.BREAK)
            goes_on = self.negation is Role.WITHOUT and following is not None and isinstance(following.entry, Thing)
        if not goes_on:
            self.negation = None

    def take_unknown(self, word: Word) -> None:
        """An unknown word: a noun that takes the adjectives before it out, unless a known word follows."""
        if self.pending and not self.modifier_follows() and not self.noun_follows():
            self.unmapped.append(self.words(self.pending, word))
            self.pending = []
        else:
            self.unmapped.append(word)

    def take_unused(self, word: Word) -> None:
        """A word of gender, age or origin; a colour just before it ("dark skinned") belongs to it."""
        if self.pending and is_color(self.pending[-1]):
            word = self.words(self.pending, word)
        else:
            self.unmapped += [modifier.word for modifier in self.pending]
        self.pending = []
        self.unused.append(word)

    def take_modifier(self, item: Item) -> None:
        """An adjective: kept until its noun comes. Two colours side by side ("blue gray") are one or the other."""
        before = self.items[self.place - 1].entry if self.place else None
        beside = isinstance(item.entry, Color) and isinstance(before, Color)
        alternative = beside or (self.alternative and bool(self.pending))
        self.pending.append(Modifier(item.entry, item.word, self.negation is not None, alternative))

    def take_pattern(self, pattern: Pattern, word: Word) -> None:
        """A noun such as "stripes" or "logo", of the upper garment just before it or just after it."""
        worn = self.worn is not None and self.worn.slot in PATTERNED
        if not worn:
            coming = [item.entry for item in self.items[self.place + 1 : self.place + 1 + AHEAD]]
            things = [entry for entry in coming if isinstance(entry, Thing)]
            worn = bool(things) and things[0].slot in PATTERNED
        if not worn:
            self.take_unknown(word)
            return
        negated = self.negation is not None
        self.state(Statement(tuple(("pattern", value) for value in pattern.values), word, negated))
        colors = [modifier for modifier in self.pending if isinstance(modifier.entry, Color)]
        if pattern.colored and not negated:
            for modifier in colors:
                values = color_values(modifier, "upper colors")
                if values:
                    self.statements.append(Statement(values, modifier.word))
                else:
                    self.unmapped.append(modifier.word)
        elif colors:
            self.unmapped.append(self.words(colors))
        self.pending = []

    def take_sleeves(self, entry: Sleeves, word: Word) -> None:
        """ "sleeves" with a length is a statement, and colours before it wait on; else a part with its own colours."""
        negated = self.negation is not None
        if entry.value:
            self.state(Statement(of("sleeves", entry.value), word, negated))
            return
        lengths = [modifier for modifier in self.pending if isinstance(modifier.entry, Length)]
        if not lengths:
            self.take_unknown(word)
            return
        length = lengths[-1]
        beside = length is self.pending[-1]
        assert isinstance(length.entry, Length)
        self.state(Statement(of("sleeves", length.entry.name), self.words([length], word), negated))
        rest = [modifier for modifier in self.pending if modifier is not length]
        if not beside and rest and not self.noun_follows():
            self.unmapped += [modifier.word for modifier in rest]
            rest = []
        self.pending = rest

    def take_thing(self, thing: Thing, word: Word) -> None:
        """A noun with the adjectives before it."""
        following = self.items[self.place + 1].entry if self.place + 1 < len(self.items) else None
        if isinstance(following, Thing) and following.slot is thing.slot is not Slot.ACCESSORY:
            return  # "sweater vest", "dress coat": the last noun says what it is
        if self.after_bare_noun() and self.phrase_ends_in_adjective():
            self.flush()  # "shirt white trousers grey"
        part = isinstance(following, Thing) and following.slot is Slot.OTHER  # "backpack straps": theirs is the colour
        mention = Mention(thing, word, [] if part else self.pending, negated=self.negation is not None)
        if thing.slot is Slot.OTHER:
            self.unmapped.append(self.words(self.pending, word) if self.pending else word)
        if not part:
            self.pending = []
        self.covered += self.negation is not None
        self.opener = None
        if thing.slot is Slot.OTHER:
            self.last = mention
            return
        if self.alternative and self.last and not mention.negated and self.joins(mention):
            self.last.join(mention)
            return
        if thing.slot is Slot.BAG:
            self.bag = mention
        self.mentions.append(mention)
        self.last = self.worn = mention

    def after_bare_noun(self) -> bool:
        """Whether the adjectives that wait follow a noun without any at once."""
        if not self.pending or self.last is None or self.last.modifiers:
            return False
        before = self.items[self.place - len(self.pending) - 1] if self.place > len(self.pending) else None
        return before is not None and before.word == self.last.word

    def joins(self, mention: Mention) -> bool:
        """Whether "or" makes a thing an alternative to the one before."""
        assert self.last is not None
        bare = not self.last.modifiers and not mention.modifiers and self.last.kinds and mention.kinds
        return self.last.slot is mention.slot or bool(bare)

    def take_place(self, entry: Place, word: Word) -> None:
        """Where a bag is carried tells what bag it is."""
        self.flush()
        if self.bag is None or (self.last is not self.bag and entry.kinds[0][1] == "handbag"):
            self.unmapped.append(word)
            return
        kinds = tuple(kind for kind in self.bag.kinds if kind in entry.kinds)
        if kinds:
            self.bag.kinds = kinds

    def state(self, statement: Statement) -> None:
        """Add a statement; a negation covers it."""
        self.statements.append(statement)
        self.covered += self.negation is not None

    def flush(self) -> None:
        """Adjectives without a noun after them."""
        pending, self.pending = self.pending, []
        if not pending:
            return
        self.covered += any(modifier.negated for modifier in pending)
        colors = [modifier for modifier in pending if is_color(modifier)]
        target = self.last
        if colors and is_short(pending[-1]) and (target is None or target.slot not in WITH_LENGTH):
            shorts = Mention(SHORTS, pending[-1].word, pending[:-1], negated=self.negation is not None)
            self.mentions.append(shorts)  # "a white shirt and black short"
            self.last = shorts
        elif target is not None and target.slot is not Slot.OTHER and self.may_take(target, pending):
            target.modifiers += pending
        elif target is None and colors and self.opener in (Role.IN, Role.WEAR, Role.ALL):
            slot = Slot.CLOTHES if self.opener is Role.ALL else Slot.EITHER
            self.mentions.append(Mention(Thing(slot), self.words(pending), pending))
        else:
            self.take_loose(pending)

    def take_loose(self, pending: Sequence[Modifier]) -> None:
        """Adjectives of nothing: a pattern can only be the upper garment's, "a blonde" only the hair's."""
        for modifier in pending:
            if isinstance(modifier.entry, Pattern):
                values = of("pattern", *modifier.entry.values)
                self.statements.append(Statement(values, modifier.word, modifier.negated))
            elif modifier.entry == BLOND:
                values = of("hair color", "blond")
                self.statements.append(Statement(values, modifier.word, modifier.negated))
            else:
                self.unmapped.append(modifier.word)

    @staticmethod
    def may_take(target: Mention, pending: Sequence[Modifier]) -> bool:
        """Whether adjectives after a noun can be its own: it has none of that kind yet, or they say what it is not."""
        if all(modifier.negated for modifier in pending):
            return True
        if any(is_color(modifier) for modifier in pending):
            return not target.has_color
        return not (target.has_length and any(isinstance(modifier.entry, Length) for modifier in pending))


def is_short(modifier: Modifier) -> bool:
    """Whether a modifier is the word "short"."""
    return isinstance(modifier.entry, Length) and modifier.entry.name == "short"


def color_values(modifier: Modifier, family: str) -> tuple[Value, ...]:
    """The values of a family that a colour may mean; none for "blonde stripes"."""
    names = modifier.entry.names if isinstance(modifier.entry, Color) else ()
    return tuple((family, name) for name in names if name in FAMILIES[family].values)
