"""One claim of a rationale says the opposite, and nothing else is changed."""

from __future__ import annotations

import numpy as np
import pytest

from reidr.data.vocabulary import FAMILIES
from reidr.reasoning.rationales.claims import parse_claims
from reidr.reasoning.rationales.edits import changed, edits_of
from reidr.training.pretraining.templates import compare


@pytest.mark.parametrize(
    ("said", "opposite"),
    [
        (
            "The lower clothing differs: blue trousers in A, black shorts in B.",
            "The lower clothing agrees: blue trousers in both.",
        ),
        ("Different hair: A has long black hair, B has short hair.", "The hair agrees: long black hair in both."),
        ("Shoes differ: white sneakers against black boots.", "The shoes agree: white sneakers in both."),
        ("The bag is much alike.", "The bag is very unlike."),
        (
            "The shoes are somewhat unlike: white shoes in A, black shoes in B.",
            "The shoes are somewhat alike: white shoes in both.",
        ),
    ],
)
def test_each_form_has_its_opposite(said: str, opposite: str) -> None:
    (edit,) = edits_of(said)
    assert (edit.before, edit.after, edit.reasoning) == (said, opposite, opposite)
    assert edit.towards == ("different" if "much alike" in said else "same")


def test_an_agreement_becomes_a_difference_of_one_value() -> None:
    (edit,) = edits_of("The lower clothing agrees: blue trousers in both.")
    (claim,) = parse_claims(edit.after)
    assert (claim.agreement, claim.region, edit.towards) == ("differ", "lower clothing", "different")
    assert sum(claim.a[name] != claim.b[name] for name in claim.a) == 1
    assert claim.a == {"lower colors": "blue", "lower garment": "trousers"}


@pytest.mark.parametrize(
    "said", ["The bag cannot be seen in A.", "Their shoes look alike to me.", "She wears a red top.", ""]
)
def test_what_has_no_opposite_is_left_alone(said: str) -> None:
    assert edits_of(said) == ()


def test_whatever_the_grammar_writes_one_edit_changes_one_claim() -> None:
    random = np.random.default_rng(0)
    ways = []
    for _ in range(150):
        a, b = (
            {name: str(random.choice(FAMILIES[name].values)) for name in FAMILIES if random.random() < 0.8}
            for _ in range(2)
        )
        b |= {name: value for name, value in a.items() if name in b and random.random() < 0.5}
        likeness = {"shoes": int(random.integers(4)), "hair": int(random.integers(4))}
        said = compare(a, b, random, regions=6, likeness=likeness)
        before = parse_claims(said)
        for edit in edits_of(said):
            ways.append(edit.towards)
            after = parse_claims(edit.reasoning)
            changed_at = [place for place, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
            assert len(changed_at) == 1, (edit.before, edit.after)
            old, new = before[changed_at[0]], after[changed_at[0]]
            assert old.region == new.region == edit.region
            assert {old.agreement, new.agreement} == {"agree", "differ"}
            assert edit.towards == ("different" if new.agreement == "differ" else "same")
    assert min(ways.count("same"), ways.count("different")) > 50


def test_another_value_is_another_one() -> None:
    for family in FAMILIES.values():
        for value in family.values:
            own = changed({family.name: value})
            assert own[family.name] != value or len(family.values) < 2
