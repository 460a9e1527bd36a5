from __future__ import annotations

import time

import pytest

from reidr.reasoning.rationales.cues import extract_cues
from reidr.reasoning.types import REGIONS

CASES = [
    ("", []),
    ("The light is warm and the street is empty.", []),
    ("Both wear a red shirt.", [("upper clothing", "agree")]),
    ("The shoes differ.", [("shoes", "differ")]),
    ("The bag cannot be seen in B.", [("bag", "unseen")]),
    ("Hair matches, shoes differ.", [("hair", "agree"), ("shoes", "differ")]),
    ("The hair is not the same.", [("hair", "differ")]),
    ("The trousers don't match.", [("lower clothing", "differ")]),
    ("The shoes do not differ.", [("shoes", "agree")]),
    ("There is no difference in the sleeves.", [("sleeves", "agree")]),
    ("Their jackets are similar, but the trousers are different.",
     [("upper clothing", "agree"), ("lower clothing", "differ")]),
    ("Both have short hair, dark trousers and a backpack.",
     [("hair", "agree"), ("lower clothing", "agree"), ("bag", "agree")]),
    ("Shoes and hair differ.", [("shoes", "differ"), ("hair", "differ")]),
    ("upper clothing: red in A, blue in B: differ. shoes: white in both: agree.",
     [("upper clothing", "differ"), ("shoes", "agree")]),
    ("A wears a red shirt, B wears a blue shirt.", [("upper clothing", "differ")]),
    ("A wears a grey skirt and B wears a gray skirt.", [("lower clothing", "agree")]),
    ("A has a red and white coat, B has a red coat.", []),
    ("A wears a hat. B is farther away.", []),
    ("The headwear is hidden while the shoes are the same.", [("headwear", "unseen"), ("shoes", "agree")]),
    ("The head is not visible, so the hair can't be compared.", [("hair", "unseen")]),
    ("The jacket has the same colour but different sleeves.", [("upper clothing", "agree"), ("sleeves", "differ")]),
    ("Shoes agree; bag unclear; build alike.", [("shoes", "agree"), ("bag", "unseen"), ("build", "agree")]),
    ("The shoes match. The shoes differ.", [("shoes", "agree"), ("shoes", "differ")]),
    ("The shoes match. The sneakers match.", [("shoes", "agree")]),
    ("A CARRIES A BLACK SUITCASE, AS WELL AS B.", [("bag", "agree")]),
    ("A t-shirt of another cut, unlike the long-sleeved top of B.",
     [("upper clothing", "differ"), ("sleeves", "differ")]),
    ("The background differs.", []),
    ("The capital hairy shoestring bagel is the same.", []),
    ("Only B has a bag, which contrasts with A", [("bag", "differ")]),
]  # fmt: skip


@pytest.mark.parametrize(("reasoning", "expected"), CASES)
def test_cues_of_a_reasoning(reasoning: str, expected: list[tuple[str, str]]) -> None:
    assert [(cue.region, cue.agreement) for cue in extract_cues(reasoning)] == expected


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize(
    ("words", "agreement"), [("agree", "agree"), ("differ", "differ"), ("cannot be seen", "unseen")]
)
def test_every_region_can_be_said_in_its_own_name(region: str, words: str, agreement: str) -> None:
    assert [(cue.region, cue.agreement) for cue in extract_cues(f"{region}: {words}.")] == [(region, agreement)]


def test_long_input_takes_linear_time() -> None:
    began = time.process_time()
    assert extract_cues("A shoe, " * 20_000) == ()
    assert len(extract_cues("not not not same " * 10_000 + "shoe")) == 1
    assert time.process_time() - began < 5.0  # a quadratic reading takes minutes
