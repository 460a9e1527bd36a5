"""Claims: our grammar is read to the last sentence, and every mark follows from the attributes."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_attributes import drawn, visible

from reidr.data.vocabulary import FAMILIES
from reidr.reasoning.rationales.claims import (
    LIKENESS,
    check_claim,
    parse_claims,
    parse_description,
    parse_sentence,
    read_phrase,
    self_contradictory,
    states_what_is_hidden,
)
from reidr.reasoning.rationales.regions import REGIONS, UNSEEN
from reidr.training.pretraining.templates import compare, describe

A = {
    "upper colors": "red", "pattern": "plain", "jacket colors": "none", "sleeves": "long", "lower colors": "black",
    "lower garment": "trousers", "shoe colors": "white", "hair length": "short", "hair color": "brown",
    "headwear": "hat", "carried": "nothing",
}  # fmt: skip
B = {
    **A, "lower colors": "blue", "shoe colors": UNSEEN, "headwear": "none", "carried": "backpack",
    "bag colors": "green",
}  # fmt: skip
C = {
    # Several values, and one of several.
    "upper colors": "black and white", "pattern": "plain / two-tone", "upper garment": "shirt",
    "lower garment": "trousers / jeans", "lower colors": "blue", "carried": "backpack and umbrella",
    "bag colors": "red", "hair length": "bald", "shoes": "sneakers",
}  # fmt: skip
D = {**C, "upper colors": "white", "lower garment": "jeans", "carried": "backpack", "pattern": "plain"}


def test_every_true_sentence_of_our_grammar_is_understood_and_confirmed() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        a, b = drawn(random, unsure=0), drawn(random, unsure=0)
        text = compare(a, b, random, regions=7)
        claims = parse_claims(text)
        assert len(claims) == text.count(".")
        for claim in claims:
            assert check_claim(claim, a, b) == "confirmed", (claim, a, b)
            assert claim.agreement == "unseen" or (claim.a and claim.b), claim
            assert not states_what_is_hidden(claim, a, b)


def test_a_confirmed_sentence_is_contradicted_once_the_facts_are_changed() -> None:
    random = np.random.default_rng(1)
    changed = 0
    for _ in range(200):
        a, b = drawn(random, unsure=0), drawn(random, unsure=0)
        for claim in parse_claims(compare(a, b, random, regions=7)):
            for name, value in claim.a.items():
                said = value.split(" and ")
                other = next(v for v in FAMILIES[name].values if v not in (*said, "nothing"))
                if a[name] != UNSEEN:
                    assert check_claim(claim, {**a, name: other}, b) == "contradicted"
                    changed += 1
    assert changed > 200


@pytest.mark.parametrize(
    ("sentence", "mark"),
    [
        ("Both have a red plain top.", "confirmed"),
        ("Both have a red top.", "confirmed"),  # says nothing of patterns or jackets
        ("Both have a blue top.", "contradicted"),
        ("black trousers in A, blue in B.", "confirmed"),
        ("black trousers in A, green in B.", "contradicted"),
        ("The lower clothing agrees: black trousers in both.", "contradicted"),
        ("The shoes cannot be seen in B.", "confirmed"),
        ("The shoes cannot be seen in A.", "contradicted"),
        ("Shoes are hidden in both.", "contradicted"),
        ("Same shoes: white shoes.", "untestable"),  # B's are not visible
        ("Same shoes: red shoes.", "contradicted"),  # A's are white
        ("Different headwear: A has a hat, B has no hat.", "confirmed"),
        ("Different headwear: A has a cap, B has no hat.", "confirmed"),  # the vocabulary does not tell hats apart
        ("Different headwear: A has no hat, B has a hat.", "contradicted"),
        ("Bag differs: no bag against a green backpack.", "confirmed"),
        ("Bag differs: no bag against a grey handbag.", "contradicted"),
        ("The bags are different.", "confirmed"),  # free words: the comparison alone
        ("Their hair looks the same.", "confirmed"),
        ("The body build is similar.", "untestable"),
    ],
)
def test_marks_by_hand(sentence: str, mark: str) -> None:
    (claim,) = parse_claims(sentence)
    assert check_claim(claim, A, B) == mark


@pytest.mark.parametrize(
    ("sentence", "mark"),
    [
        # Several values are true of C's top: any of them may be said, and both.
        ("Both have a black and white shirt.", "contradicted"),  # D's is white alone
        ("Both have a white shirt.", "contradicted"),  # true of both, but the shirts do not agree
        ("The upper clothing differs: a black and white shirt in A, a white shirt in B.", "confirmed"),
        ("The upper clothing differs: a white and black shirt in A, a white shirt in B.", "confirmed"),
        ("The upper clothing differs: a black shirt in A, a white shirt in B.", "confirmed"),
        ("The upper clothing differs: a red and white shirt in A, a white shirt in B.", "contradicted"),
        ("The upper clothing differs: a black and white shirt in A, a black and white shirt in B.", "contradicted"),
        ("The upper clothing differs: a black and white t-shirt in A, a white shirt in B.", "contradicted"),
        # A wears trousers or jeans, nobody knows which; B jeans.
        ("The lower clothing agrees: blue jeans in both.", "confirmed"),  # by the colour; the garment is open
        ("Both have jeans.", "untestable"),
        ("Both have blue jeans.", "confirmed"),
        ("The lower clothing differs: blue trousers in A, blue jeans in B.", "contradicted"),  # nothing known differs
        ("Both have a blue skirt.", "contradicted"),
        ("The lower clothing agrees: black jeans in both.", "contradicted"),
        # Whether A's top is plain is open.
        ("The upper clothing differs: a black and white plain shirt in A, a white plain shirt in B.", "confirmed"),
        ("The upper clothing differs: a black and white striped shirt in A, a white shirt in B.", "contradicted"),
        # A carries two things.
        ("The bag differs: a backpack and an umbrella in A, a backpack in B.", "confirmed"),
        ("Different bag: A has a red backpack and an umbrella, B has a red backpack.", "confirmed"),
        ("The bag differs: an umbrella in A, a backpack in B.", "confirmed"),
        ("The bag agrees: a red backpack in both.", "contradicted"),
        ("Both have a handbag.", "contradicted"),
        ("Both have no bag.", "contradicted"),
        ("Both have no hair.", "confirmed"),
        ("The hair agrees: no hair in both.", "confirmed"),
        ("Both have short hair.", "contradicted"),
        ("Same shoes: sneakers.", "confirmed"),
        ("Same shoes: black sneakers.", "confirmed"),  # of colours nothing is known
        ("Same shoes: boots.", "contradicted"),
        # "Probably" is held against the facts like anything else.
        ("Both have probably no hair.", "confirmed"),
        ("Same shoes: probably boots.", "contradicted"),
    ],
)
def test_marks_of_several_and_of_open_values_by_hand(sentence: str, mark: str) -> None:
    claim = parse_sentence(sentence)
    assert claim is not None
    assert check_claim(claim, C, D) == mark
    assert claim.unsure == ("probably" in sentence)


@pytest.mark.parametrize(
    ("sentence", "mark"),
    [
        # A's and B's tops are the same; their trousers are black and blue; B's shoes are out of sight.
        ("The upper clothing is much alike.", "untestable"),
        ("The upper clothing is very unlike.", "untestable"),
        ("The upper clothing is somewhat alike.", "untestable"),
        ("The upper clothing is somewhat unlike.", "untestable"),
        ("The upper clothing is much alike: a red top in both.", "confirmed"),
        ("The upper clothing is much alike: a blue top in both.", "contradicted"),
        ("The upper clothing is somewhat unlike: a red plain top in both.", "confirmed"),  # as true as what it states
        ("The upper clothing is somewhat alike: a red top in A, a blue top in B.", "contradicted"),
        ("The upper clothing is very unlike: a red top in both.", "confirmed"),
        ("The lower clothing is very unlike: black trousers in A, blue trousers in B.", "confirmed"),
        ("The lower clothing is somewhat alike: black trousers in A, blue trousers in B.", "confirmed"),
        ("The lower clothing is somewhat alike: probably black trousers in A, blue trousers in B.", "confirmed"),
        ("Lower clothing is somewhat alike: black trousers in both.", "contradicted"),
        ("Lower clothing is much alike.", "untestable"),
        ("The shoes are much alike.", "untestable"),
        ("The shoes are somewhat alike: white shoes in both.", "confirmed"),  # true of A, and B's are out of sight
        ("The build is much alike.", "untestable"),
    ],
)
def test_marks_of_how_alike_it_looks_by_hand(sentence: str, mark: str) -> None:
    claim = parse_sentence(sentence)
    assert claim is not None
    assert claim.likeness in LIKENESS.values()
    assert check_claim(claim, A, B) == mark
    assert not self_contradictory(claim)  # clothes of one description may well look unlike


@pytest.mark.parametrize(
    ("sentence", "contradicts"),
    [
        ("The top differs: a red top in A, a red top in B.", None),  # no region of that name: free words
        ("The upper clothing differs: a red top in A, a red top in B.", True),
        ("The upper clothing differs: a red top in A, a navy top in B.", False),
        ("The upper clothing differs: a red top in A, a red top.", True),
        ("The upper clothing differs: a red top in A, a navy top.", False),
        ("The shoes differ: red shoes in A in A, red shoes.", True),
        ("Different hair: A has short hair, short hair.", True),
        ("Different hair: A has short hair, long hair.", False),
        ("The hair differs: short hair in both.", True),
        ("The hair differs: short hair.", True),
        # A word that is said of one alone is no difference, unless its absence would be one.
        ("The bag differs: a backpack in A, a black backpack in B.", True),
        ("The lower clothing differs: trousers in A, black trousers in B.", True),
        ("The lower clothing differs: blue trousers in A, a black skirt in B.", False),
        ("The upper clothing differs: a red top in A, a red plain top in B.", True),
        ("The upper clothing differs: a red top in A, a red horizontally striped top in B.", False),
        ("The upper clothing differs: a red top in A, a red and white top in B.", False),
        ("The upper clothing differs: a red and white top in A, a red and white top in B.", True),
        ("The upper clothing differs: a red and white top in A, a white and red top in B.", True),
        ("The bag differs: a backpack and an umbrella in A, a backpack and an umbrella in B.", True),
        ("The upper clothing differs: probably a red top in A, probably a red top in B.", True),
        ("The upper clothing differs: a red top in A, a red top under a black jacket in B.", False),
    ],
)
def test_a_difference_that_is_none_is_found_however_it_is_said(sentence: str, contradicts: bool | None) -> None:
    (claim, *more) = parse_claims(sentence)
    assert claim.agreement == "differ"
    assert not more
    assert bool(claim.a) == (contradicts is not None)
    assert self_contradictory(claim) == bool(contradicts)


def test_a_value_stated_of_a_hidden_thing_is_an_invention() -> None:
    (claim,) = parse_claims("Both have white shoes.")
    assert states_what_is_hidden(claim, A, B)
    assert not states_what_is_hidden(claim, A, A)


def test_attributes_per_person_cannot_say_what_a_crop_hides() -> None:
    (claim,) = parse_claims("The shoes cannot be seen in A.")
    assert check_claim(claim, A, A) == "contradicted"
    assert check_claim(claim, A, A, per_crop=False) == "untestable"


def test_nothing_known_is_untestable_and_scenery_is_no_claim() -> None:
    for claim in parse_claims("Both have a red plain top. The bag differs: no bag in A, a backpack in B."):
        assert check_claim(claim, {}, {}) == "untestable"
    assert parse_claims("The light is warm. It is a street.") == ()


def test_the_words_of_every_source_are_understood() -> None:
    market = {"hat": "no", "backpack": "yes", "shoulder_bag": "no", "handbag": "no", "upper_color": "other"}
    bag, hat, top = parse_claims("Both have a backpack. Both have no hat. Both have a red top.")
    assert check_claim(bag, market, market) == check_claim(hat, market, market) == "confirmed"
    assert check_claim(top, market, market) == "untestable"
    street = {"upper_color": "navy", "upper_pattern": "vertical stripes", "hat": "beanie", "bag": "none"}
    peta = {"peta": "upperBodyShortSleeve upperBodyBlue accessoryHat carryingNothing upperBodyThinStripes"}
    for said in ("Both have a blue striped top.", "Both have a navy vertically striped top.", "Both have a cap.",
                 "Both have no bag."):  # fmt: skip
        (claim,) = parse_claims(said)
        assert check_claim(claim, street, peta) == "confirmed", said
    (sleeves,) = parse_claims("Both have short sleeves.")
    assert check_claim(sleeves, peta, peta) == "confirmed"
    assert check_claim(sleeves, street, peta) == "untestable"  # of A's nothing is known


def test_phrases_are_the_inverse_of_what_regions_say() -> None:
    random = np.random.default_rng(2)
    read = 0
    for _ in range(300):
        truth = visible(drawn(random, unsure=0, hidden=0))
        for region in REGIONS:
            said = region.say(region.visible(truth))
            if said is None:
                continue
            found = read_phrase(said)
            assert found is not None, said
            name, values = found
            assert name == region.name
            assert all(truth[key] == value for key, value in values.items())
            assert region.say({**truth, **values}) == region.say(values) == said
            read += 1
    assert read > 1500


def test_every_true_description_of_our_grammar_is_understood() -> None:
    random = np.random.default_rng(2)
    for _ in range(300):
        facts = drawn(random)
        shown = visible(facts)
        stated = parse_description(describe(facts, random))
        for region in REGIONS:
            if region.say(region.visible(shown)) is None:
                assert all(stated[name] == UNSEEN for name in region.attributes if region.hidden(facts))
                continue
            said = {name: stated[name] for name in region.attributes if name in stated}
            assert said, (region.name, facts)
            for name, value in said.items():
                # A jacket that cannot be made out is not mentioned, and what is not mentioned is not worn.
                assert value == shown.get(name, "none"), (name, facts)


def test_the_first_of_two_statements_counts_and_what_is_no_statement_is_passed_over() -> None:
    text = (
        "Wears a red and navy plain top under a navy jacket. Shoes: probably red shoes. Looks tired. Wears blue shoes."
        " Has no hair. Carries a backpack and an umbrella. The headwear is hidden."
    )
    assert parse_description(text) == {
        "upper colors": "red and blue", "pattern": "plain", "jacket colors": "blue", "shoe colors": "red",
        "hair length": "bald", "carried": "backpack and umbrella", "headwear": UNSEEN,
    }  # fmt: skip
    assert parse_description("") == {}
