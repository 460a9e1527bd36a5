"""The dictionary of descriptions: what every known word or phrase is.

To teach it a word, add it here, to `colors` or to `things`.
"""

from __future__ import annotations

from functools import cache

from reidr.search.words.colors import COLORS
from reidr.search.words.entries import Entry, Length, Open, Pattern, Role, Shade, Sleeves, Style
from reidr.search.words.things import THINGS, phrases

UNUSED = """
man, men, woman, women, male, female, boy, girl, lady, ladies, guy, gentleman, gentlemen, gender, masculine, feminine,
young, younger, old, older, elderly, adult, adolescent, teen, teenage, teenager, child, children, kid, toddler, infant,
middle aged, middle age, aged, age, twenties, thirties, forties, fifties, sixties, early twenties, late twenties,
early thirties, late thirties, senior, youth, youthful, asian, caucasian, african, european, american, african american,
indian, chinese, japanese, korean, arab, latino, latina, hispanic, oriental, british, foreigner, skin, skinned, toned,
complexion, pale skinned, tanned, ethnicity, race, muslim, hijab, niqab, burqa, burka, turban, kippah, nun, monk,
fair skinned, fair skin, light skin, dark skin, pregnant, disabled, blind, crutches, wheelchair, bearded
"""
SKIP = """
pair, pair of, pairs of, colored, coloured, color, colour, in color, in colour, of color, hued, very, quite, rather,
really, somewhat, slightly, mostly, partly, bright, brightly, also, too, just, only, both, some, any, other, well,
person, people, pedestrian, individual, subject, somebody, someone, human, figure, kind, kind of, type of, sort of,
possibly, probably, maybe, perhaps, likely, looks like, appears to be, what appears to be, what looks like, style,
type, sort, one, two, left, right, left side, right side, matching, out, which, who, whose, that, there, here, if,
then, so, than, bottom, same, such, more, most, much, like, as, not only, own, each, no longer, s, ed,
piece, material, lighter, denim, col, either,
find, show, search, search for, anyone, anybody
"""
BREAK = """
a, an, the, his, her, hers, their, its, my, your, this, these, those, he, she, they, it, him, them, we, i, you, is, are,
was, were, be, been, being, of, to, while, when, where, appears, appear, seems, seem, looks, look, looking, can, could,
may, might, will, would, do, does, did, am, shes, hes, off, away, next
"""
PLACE = """
on, at, from, by, for, over, under, underneath, beneath, above, below, across, around, behind, into, onto, up, down,
through, near, along, towards, toward, against, between, inside, about, after, before
"""
WEAR = """
wear, wears, wearing, wore, worn, waring, carry, carries, carrying, carried, caring, hold, holds, holding, held, has,
have, had, having, got, with, w, whit, wiht, plus, including, dons, sports, sporting, using, dressed, dressed in, clad,
clad in, puts, put, has on, have on, takes, taking, covered
"""
PATTERNS: tuple[tuple[Pattern, str], ...] = (
    (Pattern(("striped",)), "striped, stripped, stripy, stripey"),
    (Pattern(("striped",), noun=True, colored=True), "stripe, stripes, horizontal stripes, vertical stripes"),
    (Pattern(("checked",)), "checked, checkered, checker, chequered, plaid, tartan, gingham, flannel plaid"),
    (Pattern(("plain",)), "plain, solid, solid colored, unpatterned, single colored"),
    (Pattern(("two-tone",)), "two tone, two toned, color block, colour block, color blocked"),
    (Pattern(("logo or print",)), "printed, graphic, floral, flowered, flowery, polka dot, polka dotted, spotted"),
    (Pattern(("logo or print",)), "camouflage, camo, leopard, leopard print"),
    (Pattern(("striped", "checked", "logo or print")), "patterned, multi patterned"),
    (
        Pattern(("logo or print",), noun=True),
        "logo, print, design, lettering, letters, writing, emblem, picture on, words, floral print, graphics, text, "
        "symbol, illustration, image on, number on, flowers, dots, polka dots, decal, printing",
    ),
    (Pattern(("striped", "checked", "logo or print"), noun=True), "pattern"),
)
SHAPE: dict[Role, str] = {
    Role.NOT: "no, not, never, neither, isn't, isnt, doesn't, doesnt, don't, dont, hasn't, hasnt, aren't, wasn't, "
    "cannot, lacks, lacking",
    Role.WITHOUT: "without, w o",
    Role.BUT: "but, however, instead, except, except for, apart from",
    Role.AND: "and, &, +, ad, ans, amnd",
    Role.OR: "or, nor, and or",
    Role.IN: "in",
    Role.ANYTHING: "anything, any bag, any bags",
    Role.WEAR: WEAR,
    Role.ALL: "all, all in, dressed all in, entirely, entirely in",
    Role.BREAK: BREAK,
    Role.PLACE: PLACE,
    Role.SKIP: SKIP,
    Role.UNUSED: UNUSED,
}
LENGTHS: dict[str, str] = {
    "short": "short, shorter, knee length, above the knee, knee high, thigh length, mid thigh, elbow length",
    "long": "long, longer, ankle length, full length, floor length, waist length, shoulder length",
}


def build() -> dict[str, Entry]:
    """The dictionary, by phrase: words in lower case, without hyphens, a blank between."""
    entries: dict[str, Entry] = {}
    for role, text in SHAPE.items():
        entries.update(dict.fromkeys(phrases(text), role))
    entries.update(COLORS)
    entries.update(THINGS)
    for pattern, text in PATTERNS:
        entries.update(dict.fromkeys(phrases(text), pattern))
    for length, text in LENGTHS.items():
        entries.update(dict.fromkeys(phrases(text), Length(length)))
    entries.update(dict.fromkeys(("dark", "darker", "deep", "dark colored", "dark coloured"), Shade("dark")))
    entries.update(dict.fromkeys(("light", "pale", "light colored", "light coloured", "bright white"), Shade("light")))
    entries.update(dict.fromkeys(("sleeve", "sleeves", "sleeved", "sleeve length"), Sleeves()))
    entries.update(
        {
            "sleeveless": Sleeves("none"),
            "no sleeves": Sleeves("none"),
            "shirtsleeve": Sleeves("short"),
            "half sleeve": Sleeves("short"),
            "cap sleeve": Sleeves("short"),
        }
    )
    entries.update({"shirtsleeves": Sleeves("short"), "short sleeve": Sleeves("short"), "long sleeve": Sleeves("long")})
    entries.update(dict.fromkeys(("open", "unzipped", "unbuttoned", "opened"), Open()))
    entries.update(dict.fromkeys(("formal", "business"), Style("formal")) | {"casual": Style("casual")})
    return entries


@cache
def lexicon() -> dict[str, Entry]:
    """The dictionary; built once."""
    return build()


@cache
def longest_phrase() -> int:
    """Of how many words the longest phrase of the dictionary is."""
    return max(len(phrase.split()) for phrase in lexicon())


def entry_of(phrase: str) -> Entry | None:
    """What a phrase is; that of its singular where the plural has no entry; None where it is not known."""
    known = lexicon()
    for ending in ("", "s", "es"):
        if phrase.endswith(ending) and (entry := known.get(phrase.removesuffix(ending) if ending else phrase)):
            return entry
    return None
