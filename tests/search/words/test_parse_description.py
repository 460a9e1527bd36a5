"""Descriptions become terms: each expectation is written by hand, from what the sentence says."""

from pathlib import Path
from random import Random
from time import monotonic

import pytest

from reidr.data.captions import load_captions
from reidr.data.vocabulary import FAMILIES
from reidr.search.words.colors import HAIR_SHADES, MEANINGS, SHADED, SHADES
from reidr.search.words.entries import Fact, Pattern, Place, Thing
from reidr.search.words.lexicon import lexicon
from reidr.search.words.parse import parse_description
from reidr.search.words.spelling import correction


def terms(text):
    """The terms of a description as short texts: "not headwear: hat"."""
    return {str(term) for term in parse_description(text).terms}


def words(found):
    return [word.text for word in found]


ANY_TOP = "upper garment: t-shirt or shirt or other top"
ANY_BAG = "carried: backpack or shoulder bag or handbag or plastic bag"
TROUSERS = {"lower garment: trousers or jeans", "lower length: long"}
JEANS = {"lower garment: jeans", "lower length: long"}
SHORTS = {"lower garment: shorts", "lower length: short"}
DARK = "lower colors: black or blue or brown or gray or green or purple"


def test_the_example_of_the_issue():
    text = "a man with red t-shirt, black backpack and no hat, dark jeans"
    query = parse_description(text)
    top = {"upper colors: red", "upper garment: t-shirt", "sleeves: short"}
    assert terms(text) == top | {"bag colors: black", "carried: backpack", "not headwear: hat", DARK} | JEANS
    assert words(query.not_used) == ["man"]
    assert query.unmapped == ()


def test_every_term_knows_the_words_it_came_from():
    text = "Light-blue jeans, no hat"
    query = parse_description(text)
    assert [(str(term), term.source.text) for term in query.terms] == [
        ("lower colors: blue", "Light-blue"),
        ("lower garment: jeans", "jeans"),
        ("lower length: long", "jeans"),
        ("not headwear: hat", "hat"),
    ]
    assert all(text[term.source.start : term.source.end] == term.source.text for term in query.terms)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("grey trainers", {"shoe colors: gray", "shoes: sneakers"}),
        ("gray tennis shoes", {"shoe colors: gray", "shoes: sneakers"}),
        ("a rucksack", {"carried: backpack"}),
        ("a back pack", {"carried: backpack"}),
        ("a tee", {"upper garment: t-shirt", "sleeves: short"}),
        ("a hoodie", {"upper garment: sweater or jacket"}),
        ("a hooded sweatshirt", {"upper garment: sweater or jacket"}),
        ("a coat", {"upper garment: jacket"}),
        ("a tank top", {"upper garment: t-shirt or other top", "sleeves: none"}),
        ("slacks", TROUSERS),
        ("blue jean shorts", SHORTS | {"lower colors: blue"}),
        ("capri pants", {"lower length: short"}),
        ("a miniskirt", {"lower garment: skirt", "lower length: short"}),
        ("sunglasses and a baseball cap", {"glasses: yes", "headwear: hat"}),
        ("a muffler", {"scarf: yes"}),
        ("a pony tail", {"hair length: long"}),
        ("a bald head", {"hair length: bald"}),
        ("flip-flops", {"shoes: sandals"}),
        ("pulling luggage", {"carried: suitcase"}),
        ("pushing a stroller", {"carried: stroller"}),
        ("under an umbrella", {"carried: umbrella"}),
        ("a purse", {"carried: handbag or shoulder bag"}),
        ("business suit", {"upper garment: suit jacket"}),
        ("casual clothes", {"upper style: casual", "lower style: casual"}),
    ],
)
def test_synonyms(text, expected):
    assert terms(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red and white top", {"upper colors: red", "upper colors: white", ANY_TOP}),
        ("a white, black and red backpack", {f"bag colors: {c}" for c in ("white", "black", "red")}
         | {"carried: backpack"}),
        ("blue or black jeans", JEANS | {"lower colors: blue or black"}),
        ("grey/black jeans", JEANS | {"lower colors: gray or black"}),
        ("blue grey shorts", SHORTS | {"lower colors: blue or gray"}),
        ("navy shorts", SHORTS | {"lower colors: blue or black"}),
        ("tan shorts", SHORTS | {"lower colors: beige or brown"}),
        ("dark gray shorts", SHORTS | {"lower colors: gray or black"}),
        ("dark green shorts", SHORTS | {"lower colors: green"}),
        ("dark coloured pants", TROUSERS | {DARK}),
        ("his top is blue and his pants are black", TROUSERS | {ANY_TOP, "upper colors: blue", "lower colors: black"}),
        ("shoes that are white or grey", {"shoe colors: white or gray"}),
        ("black shirt and shorts", SHORTS | {ANY_TOP, "upper colors: black"}),
        ("a white dress", {"lower garment: skirt", "upper colors: white", "lower colors: white"}),
        ("a woman in black", {"upper colors: black or lower colors: black"}),
        ("black clothes", {"upper colors: black", "lower colors: black"}),
        ("hair is black and short", {"hair length: short", "hair color: black"}),
        ("a white top and black short", SHORTS | {ANY_TOP, "upper colors: white", "lower colors: black"}),
        ("a tall blonde with boots", {"hair color: blond", "shoes: boots"}),
        ("all in black", {"upper colors: black", "lower colors: black"}),
        ("either a red or a blue top", {ANY_TOP, "upper colors: red or blue"}),
        ("shoes: white. trousers: black", TROUSERS | {"shoe colors: white", "lower colors: black"}),
        ("shirt white trousers grey", TROUSERS | {ANY_TOP, "upper colors: white", "lower colors: gray"}),
        ("shirt blue jeans", JEANS | {ANY_TOP, "lower colors: blue"}),
        ("grey suit with a white shirt", {"upper garment: suit jacket", "jacket colors: gray or upper colors: gray",
                                          "lower colors: gray", "upper colors: white"}),
        ("long dark hair", {"hair length: long", "hair color: black or brown"}),
        ("short-haired with yellow hair", {"hair length: short", "hair color: blond"}),
        ("red hair and a red hat", {"hair color: red", "headwear: hat"}),
        ("white shoes and a brown bag", {"shoe colors: white", "bag colors: brown", ANY_BAG}),
    ],
)  # fmt: skip
def test_colors_go_to_their_garment(text, expected):
    assert terms(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no hat", {"not headwear: hat"}),
        ("without a bag", {f"not {ANY_BAG}"}),
        ("not wearing a hat, with a scarf", {"not headwear: hat", "scarf: yes"}),
        ("isn't wearing glasses", {"not glasses: yes"}),
        ("no hat, bag or scarf", {"not headwear: hat", f"not {ANY_BAG}", "not scarf: yes"}),
        ("no hat, backpack", {"not headwear: hat", "carried: backpack"}),
        ("no hat and a backpack", {"not headwear: hat", "carried: backpack"}),
        ("without a hat and a scarf", {"not headwear: hat", "not scarf: yes"}),
        ("neither a hat nor glasses but a scarf", {"not headwear: hat", "not glasses: yes", "scarf: yes"}),
        ("no hat. Backpack.", {"not headwear: hat", "carried: backpack"}),
        ("not carrying anything", {"carried: nothing"}),
        ("no black backpack", {"not carried: backpack"}),
        ("not a red shirt", {"not upper colors: red"}),
        ("trousers that are not blue", TROUSERS | {"not lower colors: blue"}),
        ("a blue shirt, not red", {ANY_TOP, "upper colors: blue", "not upper colors: red"}),
        ("no jeans", {"not lower garment: jeans"}),
        ("no jacket", {"not upper garment: jacket or open jacket: yes"}),
        ("no hair", {"hair length: bald"}),
        ("no logo on his shirt", {"not pattern: logo or print", ANY_TOP}),
        ("not facing the camera, a red skirt", {"lower garment: skirt", "lower colors: red"}),
        ("not tall and wearing boots", {"shoes: boots"}),
        ("no visible bag", {f"not {ANY_BAG}"}),
        ("no hat or a bag", {"not headwear: hat", f"not {ANY_BAG}"}),
        ("wearing all black except white shoes", {"upper colors: black", "lower colors: black", "shoe colors: white"}),
        ("not striped, a plain shirt", {"not pattern: striped", "pattern: plain", ANY_TOP}),
    ],
)
def test_negations(text, expected):
    assert terms(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a striped shirt", {"pattern: striped", ANY_TOP}),
        ("a white shirt with blue stripes", {"pattern: striped", ANY_TOP, "upper colors: white", "upper colors: blue"}),
        ("a white shirt with a red logo", {"pattern: logo or print", ANY_TOP, "upper colors: white"}),
        ("a plaid shirt", {"pattern: checked", ANY_TOP}),
        ("a long-sleeved shirt", {"sleeves: long", ANY_TOP}),
        ("a long sleeve t-shirt", {"sleeves: long", "upper garment: t-shirt"}),
        ("short black sleeves", {"sleeves: short"}),
        ("a shirt with no sleeves", {"sleeves: none", ANY_TOP}),
        ("a knee-length skirt", {"lower garment: skirt", "lower length: short"}),
        ("knee length pants", {"lower length: short"}),
        ("an unzipped jacket", {"open jacket: yes", "upper garment: jacket"}),
        ("a green jacket over a white shirt", {"upper garment: jacket", "jacket colors: green or upper colors: green",
                                               "upper colors: white"}),
        ("a bag over her left shoulder", {"carried: shoulder bag"}),
        ("a bag on his back", {"carried: backpack"}),
        ("a bag in her hand", {"carried: shoulder bag or handbag or plastic bag"}),
        ("a backpack on one shoulder", {"carried: backpack"}),
        ("a backpack or a suitcase", {"carried: backpack or suitcase"}),
        ("jeans or shorts", {"lower garment: jeans or shorts"}),
    ],
)  # fmt: skip
def test_patterns_sleeves_lengths_and_places(text, expected):
    assert terms(text) == expected


def test_what_the_vocabulary_lacks_takes_its_colors_with_it_and_is_said():
    query = parse_description("white socks, black shoes, a red lanyard and a phone, walking")
    assert {str(term) for term in query.terms} == {"shoe colors: black"}
    assert words(query.unmapped) == ["white socks", "red lanyard", "phone", "walking"]


def test_colors_of_a_part_are_not_those_of_the_whole():
    assert terms("a backpack with red straps") == {"carried: backpack"}
    assert terms("red backpack straps") == {"carried: backpack"}


def test_gender_age_and_origin_are_named_and_not_used():
    query = parse_description("A young Asian woman in her twenties, dark skinned, wearing a hijab and boots")
    assert {str(term) for term in query.terms} == {"shoes: boots"}
    assert words(query.not_used) == ["young", "Asian", "woman", "twenties", "dark skinned", "hijab"]


def test_a_slip_of_spelling_is_read_and_said():
    query = parse_description("balck backpakc and a grene hat")
    assert {str(term) for term in query.terms} == {"bag colors: black", "carried: backpack", "headwear: hat"}
    assert [(word.text, known) for word, known in query.corrected] == [
        ("balck", "black"),
        ("backpakc", "backpack"),
        ("grene", "green"),
    ]


def test_other_words_are_not_read_as_slips():
    assert [word for word in ("walks", "baggy", "cross", "sides", "stands", "wide", "blck") if correction(word)] == []


@pytest.mark.parametrize(
    "text", ["", "  ", "?!,.;", "and or not", "a the", "no", "\u2019s", "-", "Zebra 7", "è un cappello"]
)
def test_nothing_to_search_by_is_no_error(text):
    assert parse_description(text).terms == ()


def test_any_row_of_known_words_is_read_and_every_span_lies_in_the_text():
    random = Random(0)
    known = [*lexicon(), ",", ".", "or", "and", "no", "xyz"]
    for _ in range(2000):
        text = " ".join(random.choice(known) for _ in range(random.randint(1, 12)))
        query = parse_description(text)
        for word in (*(term.source for term in query.terms), *query.unmapped, *query.not_used):
            assert text[word.start : word.end] == word.text
            assert word.text
        assert all(value in FAMILIES[family].values for term in query.terms for family, value in term.values)
        assert all(term.values for term in query.terms)


def test_a_very_long_text_takes_no_time():
    start = monotonic()
    parse_description("no hat, " * 3000 + "x" * 100_000 + " very" * 3000)
    assert monotonic() - start < 10


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["market1501", "cuhk03-np-train"])
def test_the_sentences_of_people_say_enough_to_search_by(photos: Path, name: str):
    """Nothing of them is printed here: they are other people's sentences about real persons."""
    sentences = [text for caption in load_captions(photos / name / "captions.jsonl") for text in caption.sentences]
    terms = [len(parse_description(text).terms) for text in sentences]
    assert sum(number >= 3 for number in terms) > 0.97 * len(terms)
    assert sum(terms) > 7 * len(terms)


def test_the_same_text_gives_the_same_query():
    text = "brown boots or sandals, no bag, a dark blue coat with stripes"
    assert parse_description(text) == parse_description(text)


def test_every_meaning_in_the_dictionary_is_a_value_of_the_vocabulary():
    colors = {*FAMILIES["upper colors"].values, *FAMILIES["hair color"].values}
    assert {name for names in MEANINGS.values() for name in names.split()} <= colors
    assert {name for names in (*SHADES.values(), *SHADED.values()) for name in names} <= colors
    assert {name for names in HAIR_SHADES.values() for name in names} <= set(FAMILIES["hair color"].values)
    for entry in lexicon().values():
        values = ()
        if isinstance(entry, Thing):
            values = entry.kinds + entry.implied
        elif isinstance(entry, Fact):
            values = entry.values
        elif isinstance(entry, Place):
            values = entry.kinds
        elif isinstance(entry, Pattern):
            values = tuple(("pattern", value) for value in entry.values)
        assert all(value in FAMILIES[family].values for family, value in values)
