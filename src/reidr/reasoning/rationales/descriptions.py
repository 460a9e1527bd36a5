"""Who is said to wear what: "A has a red shirt, the other a blue one", read region by region and compared.

For reasonings that describe both persons and judge nothing. A comparison is given only where the words decide it: other
colours, lengths, patterns or kinds, or the same; something that one has and the other has not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from reidr.reasoning.types import Agreement, Region

Person = Literal["A", "B"]

# "B is taller": said of the build, and at once that it differs.
BUILT = r"(?:is|are|looks?|appears?|seems?)(?: \w+){0,2} (?:taller|heavier|slimmer|thinner|stockier|leaner|bulkier)"
REGION_WORDS: dict[Region, str] = {
    "hair": r"hair|haircuts?|hairstyles?|hairdos?|ponytails?|pigtails?|bun|braids?|fringe|bangs|bald|shaved head"
    r"|buzz cuts?|(?:\w+-)?haired",
    "headwear": r"headwear|headgear|head coverings?|hats?|caps?|beanies?|helmets?|hoods?|headbands?|bandanas?|visors?"
    r"|(?:any|no|some)thing on (?:the|his|her|their) heads?|bare-?headed",
    "upper clothing": r"upper (?:clothing|body|garments?|clothes)|shirts?|t-shirts?|tshirts?|tees?|polos?|tops?"
    r"|jackets?|coats?|hoodies?|sweatshirts?|sweaters?|pullovers?|jumpers?|blouses?|blazers?|parkas?|vests?|cardigans?"
    r"|windbreakers?|anoraks?|raincoats?|tunics?|dress(?:es)?",
    "sleeves": r"sleeves?|long-sleeved|short-sleeved|sleeveless",
    "lower clothing": r"lower (?:clothing|body|garments?|clothes)|clothing on the legs|trousers|pants|sweatpants|slacks"
    r"|chinos|jeans|shorts|skirts?|leggings|bottoms|joggers|tights",
    "shoes": r"shoes?|sneakers?|boots?|sandals?|slippers|flip-flops|loafers|trainers|footwear|heels|barefoot",
    "bag": r"(?:shoulder|messenger|cross-?body|sling|shopping|plastic|paper)[ -]bags?|bags?|backpacks?|knapsacks?"
    r"|rucksacks?|handbags?|purses?|totes?|briefcases?|suitcases?|satchels?|luggage|umbrellas?"
    r"|carr(?:y|ies|ied|ying)",
    "build": r"(?:body )?builds?|body shape|body type|physique|stature|heights?"
    rf"|{BUILT}",
}
REGION = re.compile("|".join(f"(?P<r{i}>\\b(?:{words})\\b)" for i, words in enumerate(REGION_WORDS.values())), re.I)

COLOURS = (
    r"black|white|gr[ae]y|red|blue|green|yellow|orange|pink|purple|violet|brown|blond|blonde|beige|tan|cream|cyan|navy"
    r"|khaki|teal|turquoise|maroon|burgundy|olive|denim"
)
SYNONYMS = {"gray": "grey", "blonde": "blond", "violet": "purple", "plaid": "checked", "checkered": "checked",
            "stripes": "striped", "tshirt": "t-shirt", "tee": "t-shirt", "maroon": "burgundy", "coat": "jacket",
            "parka": "jacket", "blazer": "jacket", "pullover": "sweater", "jumper": "sweater", "sweatshirt": "hoodie",
            "rucksack": "backpack", "purse": "handbag", "trainers": "sneakers", "pants": "trousers",
            "slacks": "trousers", "chinos": "trousers", "turquoise": "teal", "joggers": "trousers",
            "sweatpants": "trousers", "knapsack": "backpack", "messenger bag": "shoulder bag",
            "crossbody bag": "shoulder bag", "cross-body bag": "shoulder bag", "sling bag": "shoulder bag",
            "plastic bag": "shopping bag", "paper bag": "shopping bag", "windbreaker": "jacket", "anorak": "jacket",
            "raincoat": "jacket", "sneaker": "sneakers", "ponytail": "tied", "bun": "tied", "braid": "tied",
            "braids": "tied", "braided": "tied", "tied up": "tied", "tied back": "tied", "pulled back": "tied",
            "untied": "loose", "hanging down": "loose"}  # fmt: skip
ATTRIBUTES: dict[str, str] = {
    "colour": COLOURS,
    "shade": r"dark(?:-colou?red)?|light(?:-colou?red)?|pale|bright",
    "length": r"long|short|medium-length|shoulder-length|(?:to|past|below|over) (?:the|his|her|their) shoulders"
    r"|down (?:the|his|her|their) back",
    "texture": r"curly|straight|wavy|frizzy",
    "style": r"tied(?: up| back)?|pulled back|braided|loose|untied|hanging down",
    "pattern": r"striped|stripes|plain|solid|checked|checkered|plaid|floral|printed|patterned|dotted|camouflage",
}
KINDS = {
    "headwear": ("cap", "beanie", "helmet", "hood"),
    "upper clothing": ("t-shirt", "jacket", "hoodie", "sweater", "dress", "blouse", "vest", "cardigan", "polo"),
    "lower clothing": ("trousers", "shorts", "skirt", "leggings"),
    "shoes": ("sneakers", "boots", "sandals", "slippers", "loafers"),
    "bag": (
        "backpack",
        "handbag",
        "suitcase",
        "umbrella",
        "briefcase",
        "satchel",
        "tote",
        "shoulder bag",
        "shopping bag",
    ),
}
"""Kinds that exclude each other. What is only called a shirt, a hat or a bag may be any."""

IMAGE = r"(?:person|people|individual|man|woman|subject|figure|pedestrian|image|picture|photo|photograph|crop|frame)"
FIRST = rf"(?:{IMAGE}s? ?(?:A|1|one)\b|(?:the )?(?:first|left)(?:-hand)?(?: {IMAGE}| one)?\b|(?:the )?former\b)"
SECOND = (
    rf"(?:{IMAGE}s? ?(?:B|2|two)\b|(?:the )?(?:second|right)(?:-hand)?(?: {IMAGE}| one)?\b|(?:the )?latter\b"
    rf"|(?:the )?other(?: {IMAGE}| one)?\b)"
)
VERB = (
    r"(?:['’]s|has|have|is|was|are|wears?|wearing|carries|carry|carrying|holds?|does|doesn|lacks?|shows?|appears?|seems?"
    r"|also|and B|or B|but|while|whereas|alone|only|with|shows)\b"
)
# The letter, not the article: articles in the middle of a sentence are small.
LETTER_A = (
    rf"(?<=[a-z0-9,;(] )A\b|(?<=\()A\b|\bA\b(?= ?{VERB}|[,.;:)]| [-–—]|\s*$)|(?<=: )A\b(?= [a-z -]{{1,40}}, B [a-z])"
)
ONE = rf"\bone(?: {IMAGE}| of them)?\b(?=.{{0,200}}\bthe other\b)"
PERSON = re.compile(
    rf"(?P<A>(?i:\b{FIRST}|{ONE})|{LETTER_A}|(?i:\bperson a\b))|(?P<B>(?i:\b{SECOND}|\bperson b\b)|\bB\b)", re.S
)
# "red in A, blue in B": the person comes after the clothes.
AFTERWARDS = re.compile(r"(?:\b(?:in|on|of|for|by)\s+(?:the\s+)?|\(\s*)$", re.I)
OF_WHOM = re.compile(r"\s*(?:is|are|was|were|looks?|appears?|seems?)\b", re.I)
ENDS = re.compile(r"[,;]|\b(?:while|whereas|but|and)\b|$", re.I)
# "A does not carry a bag, B does."
HAS_ONE = re.compile(r"\W*(?:does|do|(?:has|have|wears|carries) (?:one|it))(?: so| too)?\W*", re.I)
BOUNDARY = re.compile(r"[,;]|\b(?:while|whereas|but|and)\b", re.I)
VERSUS = re.compile(r"\b(?:vs|versus)\b\.?", re.I)
ABSENT = re.compile(
    r"\b(?:no|not|none|without|lacks?|lacking|isn['’]?t|doesn['’]?t|does not|is not|has not|hasn['’]?t|nothing"
    r"|absent)\b",
    re.I,
)
CONTRAST = re.compile(r"\b(?:while|whereas|but|however|in contrast|on the other hand|unlike|instead)\b", re.I)
DRESSED = r"(?:wearing|dressed|carrying|holding)"
PART = re.compile(
    rf"(?P<region>{REGION.pattern})|(?P<copula>\b(?:is|are|was|were)\b(?! (?:also )?{DRESSED})"
    rf"|\b(?:looks?|appears?|seems?|colou?red)\b|:)"
    rf"|(?P<end>[,;]|\b(?:and|with|but|while|whereas|over|under|wears?|{DRESSED})\b)|(?P<absent>{ABSENT.pattern})|"
    + "|".join(rf"(?P<{name}>\b(?:{words})\b)" for name, words in ATTRIBUTES.items()),
    re.I,
)

DESCRIBES = re.compile(
    "|".join([REGION.pattern, ABSENT.pattern, *(rf"\b(?:{w})\b" for w in ATTRIBUTES.values())]), re.I
)


@dataclass
class CheckOutcome:
    """What is said of one region of one person: values by attribute, and whether it is there at all."""

    values: dict[str, set[str]] = field(default_factory=dict)
    absent: bool = False

    def add(self, name: str, value: str) -> None:
        """One more value."""
        self.values.setdefault(name, set()).add(value)


Looks = dict[Region, dict[Person, CheckOutcome]]


def named_region(match: re.Match[str]) -> Region:
    """The region whose words matched `REGION`, or `PART`."""
    name = next(name for name, text in match.groupdict().items() if text is not None and re.fullmatch(r"r\d", name))
    return tuple(REGION_WORDS)[int(name[1:])]


def describe(sentence: str, looks: Looks, spoken_of: list[Region]) -> tuple[list[Region], list[Region]]:
    """Put what the sentence says of each person into `looks`.

    Args:
        spoken_of: the regions that were spoken of last; what names none ("B has one") is said of them.

    Returns:
        The regions that are spoken of last now, and those that the sentence says something of a person about, in its
        order.
    """
    named: list[Region] = []
    last = [named_region(match) for match in REGION.finditer(sentence)][:1] or spoken_of
    for person, piece in pieces_of(sentence):
        told = list(read_piece(piece, last))
        for region, look in told:
            own = looks.setdefault(region, {}).setdefault(person, CheckOutcome())
            own.absent = look.absent
            for name, values in look.values.items():
                for value in values:
                    own.add(name, value)
            if region not in named:
                named.append(region)
        last = [region for region, _ in told] or last
    return last, named


def pieces_of(sentence: str) -> Iterator[tuple[Person, str]]:
    """(person, what is said of that person), for each mention of a person."""
    marks = list(PERSON.finditer(sentence))
    versus = VERSUS.search(sentence)
    if not marks and versus is not None:
        yield "A", sentence[: versus.start()]
        yield "B", sentence[versus.end() :]
    end = 0
    for number, mark in enumerate(marks):
        person: Person = "A" if mark["A"] is not None else "B"
        before = AFTERWARDS.search(sentence, end, mark.start())
        if before is not None and DESCRIBES.search(sentence, end, before.start()):
            # "The shirt of A is red."
            more = ENDS.search(sentence, mark.end()) if OF_WHOM.match(sentence, mark.end()) else None
            tail = mark.end() if more is None else more.start()
            yield person, sentence[end : before.start()] + sentence[mark.end() : tail]
            end = tail
            continue
        limit = marks[number + 1].start() if number + 1 < len(marks) else len(sentence)
        following = AFTERWARDS.search(sentence, mark.end(), limit) if limit < len(sentence) else None
        if following is not None:
            # The next person comes after what is said of him: that begins at the last boundary before it.
            bounds = [bound.start() for bound in BOUNDARY.finditer(sentence, mark.end(), following.start())]
            if bounds and DESCRIBES.search(sentence, bounds[-1], following.start()):
                limit = bounds[-1]
        yield person, sentence[mark.end() : limit]
        end = limit


def read_piece(piece: str, last: list[Region]) -> Iterator[tuple[Region, CheckOutcome]]:
    """(region, look) of what is said of one person; without a region of its own it is said of the `last` ones."""
    waiting = CheckOutcome()  # attributes before their noun
    found: dict[Region, CheckOutcome] = {}
    current: Region | None = None
    after = False  # "the shirt is …": what follows belongs to the noun before
    for part in PART.finditer(piece):
        if part["region"] is not None:
            region, word = named_region(part), part["region"].lower()
            if word.startswith("carr"):
                current = region
                continue
            current, after = region, False
            look = found.setdefault(region, CheckOutcome())
            for name, values in waiting.values.items():
                look.values.setdefault(name, set()).update(values)
            look.absent, waiting = waiting.absent, CheckOutcome()
            add_kind(look, region, word)
        elif part["copula"] is not None:
            after = current is not None
        elif part["end"] is not None:
            after = after and part["end"].lower() == "and"
        elif part["absent"] is not None:
            if after and current is not None:
                found.setdefault(current, CheckOutcome()).absent = True
            waiting.absent = True
        else:
            name = next(name for name in ATTRIBUTES if part[name] is not None)
            value = SYNONYMS.get(part[name].lower(), part[name].lower())
            value = "long" if name == "length" and " " in value else value  # "falls to the shoulders"
            hair = name == "style" and current == "hair"  # "her hair tied back, black shoes"
            own = (after or hair) and current is not None
            (found.setdefault(current, CheckOutcome()) if own and current is not None else waiting).add(name, value)
    if waiting.values and current is not None:  # "hair that falls to the shoulders", "a shirt in blue"
        for name, values in waiting.values.items():
            found.setdefault(current, CheckOutcome()).values.setdefault(name, set()).update(values)
    if not found and (waiting.values or waiting.absent or HAS_ONE.fullmatch(piece)):
        found = dict.fromkeys(last, waiting)
    yield from found.items()


def add_kind(look: CheckOutcome, region: Region, word: str) -> None:
    """Note the kind that a noun says, and what hyphenated nouns say besides ("short-haired")."""
    singular = SYNONYMS.get(word, SYNONYMS.get(word.rstrip("s"), word))
    kinds = KINDS.get(region, ())
    kind = next(
        (kind for kind in (singular, singular.removesuffix("s"), singular.removesuffix("es")) if kind in kinds), None
    )
    if kind is not None:
        look.add("kind", kind)
    for name in ("length", "colour"):
        beginning = re.match(rf"(?:{ATTRIBUTES[name]})(?=-)", word, re.I)
        if beginning is not None:
            look.add(name, beginning[0].lower())
    if word in ("bald", "shaved head"):
        look.add("length", "none")
    if word in ("barefoot", "bareheaded", "bare-headed"):
        look.absent = True
    if SYNONYMS.get(word) == "tied":
        look.add("style", "tied")
    if word == "jeans":  # trousers, but not any
        look.values.setdefault("kind", set()).update(("jeans", "trousers"))


def compare(looks: dict[Person, CheckOutcome], *, contrasted: bool) -> Agreement | None:
    """What the two descriptions of a region say; None where they decide nothing.

    `contrasted`: they stand in one sentence, set against each other ("while", "whereas").
    """
    if len(looks) < 2:
        return None
    first, second = looks["A"], looks["B"]
    if first.absent or second.absent:
        return "agree" if first.absent and second.absent else "differ"
    agreed = partly = False
    for name in ("colour", "length", "texture", "style", "pattern", "kind"):
        one, other = first.values.get(name), second.values.get(name)
        if not one or not other:
            continue
        if one.isdisjoint(other):
            return "differ"
        agreed, partly = agreed or one == other, partly or one != other
    dark, light = (
        [bool(re.search(words, " ".join(look.values.get("shade", ())))) for look in (first, second)]
        for words in ("dark", "light|pale")
    )
    partly = partly or (dark[0] and light[1]) or (dark[1] and light[0])
    if agreed and not partly:
        return "agree"
    return "differ" if contrasted and first.values and second.values else None
