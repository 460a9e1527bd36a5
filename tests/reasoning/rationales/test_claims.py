"""Claims: our grammar is read to the last sentence, and every mark follows from the attributes."""

from __future__ import annotations

import numpy as np
import pytest

from reidr.data.synthetic.person.appearance import ATTRIBUTES
from reidr.reasoning.rationales.claims import (
    check_claim,
    parse_claims,
    parse_description,
    read_phrase,
    self_contradictory,
    states_what_is_hidden,
)
from reidr.reasoning.rationales.regions import REGIONS, UNSEEN
from reidr.training.pretraining.templates import compare, describe

A = {
    "upper_color": "red", "upper_pattern": "plain", "jacket_color": "none", "sleeve": "long", "lower_color": "black",
    "lower_kind": "trousers", "shoes_color": "white", "hair_length": "short", "hair_color": "brown", "hat": "cap",
    "bag": "none", "bag_color": "none",
}  # fmt: skip
B = {**A, "lower_color": "blue", "shoes_color": UNSEEN, "hat": "none", "bag": "backpack", "bag_color": "green"}


def known(random: np.random.Generator) -> dict[str, str]:
    """Attributes by lot; a bag has a colour exactly where there is one."""
    values = {name: str(random.choice(values)) for name, values in ATTRIBUTES.items()}
    return values | {"bag_color": "none" if values["bag"] == "none" else "green"}


def drawn(random: np.random.Generator) -> dict[str, str]:
    """The same, each hidden in one of five crops; a bag and its colour together."""
    values = {name: UNSEEN if random.random() < 0.2 else value for name, value in known(random).items()}
    return values | ({"bag_color": UNSEEN} if values["bag"] == UNSEEN else {"bag": UNSEEN, "bag_color": UNSEEN}
                     if values["bag_color"] == UNSEEN else {})  # fmt: skip


def test_every_true_sentence_of_our_grammar_is_understood_and_confirmed() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        a, b = drawn(random), drawn(random)
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
        a, b = drawn(random), drawn(random)
        for claim in parse_claims(compare(a, b, random, regions=7)):
            for name, value in claim.a.items():
                other = next(v for v in ATTRIBUTES[name] if v not in (value, "none"))
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
        ("Different headwear: A has a cap, B has no hat.", "confirmed"),
        ("Different headwear: A has a hat, B has no hat.", "confirmed"),
        ("Different headwear: A has a beanie, B has no hat.", "contradicted"),
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


def test_market_s_own_words_for_attributes_are_understood() -> None:
    market = {"hat": "no", "backpack": "yes", "shoulder_bag": "no", "handbag": "no", "upper_color": "other"}
    bag, hat, top = parse_claims("Both have a backpack. Both have no hat. Both have a red top.")
    assert check_claim(bag, market, market) == check_claim(hat, market, market) == "confirmed"
    assert check_claim(top, market, market) == "untestable"


def test_phrases_are_the_inverse_of_what_regions_say() -> None:
    random = np.random.default_rng(2)
    for _ in range(300):
        truth = known(random)
        for region in REGIONS:
            said = region.say(truth)
            assert said is not None
            read = read_phrase(said)
            assert read is not None, said
            name, values = read
            assert name == region.name
            assert all(truth[key] == value for key, value in values.items())
            assert region.say({**truth, **values}) == said


def test_every_true_description_of_our_grammar_is_understood() -> None:
    random = np.random.default_rng(2)
    for _ in range(300):
        facts = drawn(random)
        stated = parse_description(describe(facts, random))
        for region in REGIONS:
            visible = region.visible(facts)
            if region.say(visible) is None:
                assert all(stated[name] == UNSEEN for name in region.attributes)
                continue
            said = {name: stated[name] for name in region.attributes if name in stated}
            assert said, (region.name, facts)
            for name, value in said.items():
                # A jacket that cannot be made out is not mentioned, and what is not mentioned is not worn.
                assert value == visible.get(name, "none"), (name, facts)


def test_the_first_of_two_statements_counts_and_what_is_no_statement_is_passed_over() -> None:
    text = (
        "Wears a red plain top under a navy jacket. Shoes: red shoes. Looks tired. Wears blue shoes. The bag is hidden."
    )
    assert parse_description(text) == {
        "upper_color": "red", "upper_pattern": "plain", "jacket_color": "navy", "shoes_color": "red", "bag": UNSEEN,
        "bag_color": UNSEEN,
    }  # fmt: skip
    assert parse_description("") == {}
