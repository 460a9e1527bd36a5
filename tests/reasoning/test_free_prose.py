"""Cues of free prose, as models of some billion parameters write it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reidr.reasoning.rationales.cues import extract_cues

H, T, U, V, L, S, B, Z = "hair", "headwear", "upper clothing", "sleeves", "lower clothing", "shoes", "bag", "build"
TABLE: list[tuple[str, dict[str, str]]] = [
    # both, and the same thing said of each
    ("Both individuals have short dark hair and wear a white T-shirt with black shorts.", {H: "+", U: "+", L: "+"}),
    ("Both people wear dark trousers. Each carries a red backpack.", {L: "+", B: "+"}),
    ("Person A is wearing a white T-shirt. Person B is also wearing a white T-shirt.", {U: "+"}),
    ("A has a white T-shirt. B has a white T-shirt. A has black shorts. B has black shorts.", {U: "+", L: "+"}),
    ("The first person wears grey trousers and white sneakers; the second person wears gray pants and white trainers.",
     {L: "+", S: "+"}),
    ("Person 1 has long black hair and Person 2 has long black hair too.", {H: "+"}),
    ("The hair color matches, and so do the shoes.", {H: "+", S: "+"}),
    ("Their builds are similar.", {Z: "+"}),
    ("They have a similar build and matching backpacks.", {Z: "+", B: "+"}),
    # negations
    ("The upper clothing does not match.", {U: "-"}),
    ("The shoes do not appear to be the same.", {S: "-"}),
    ("The trousers don't look exactly the same.", {L: "-"}),
    ("The jackets aren't identical.", {U: "-"}),
    ("There is no difference in hair.", {H: "+"}),
    ("The bags do not differ.", {B: "+"}),
    ("They are not wearing different tops.", {U: "+"}),
    ("Not only the same shoes but also the same bag can be seen.", {S: "+", B: "+"}),
    ("Neither the hair nor the shoes match.", {H: "-", S: "-"}),
    # nothing there
    ("There is no bag on either person.", {B: "+"}),
    ("Neither of them wears a hat.", {T: "+"}),
    ("No headwear is visible on either person.", {T: "+"}),
    ("None of them carries a bag.", {B: "+"}),
    ("Headwear: None in either picture.", {T: "+"}),
    ("Both are without a bag.", {B: "+"}),
    ("A carries a backpack, while B does not.", {B: "-"}),
    ("Person A wears a cap; person B has no headwear.", {T: "-"}),
    ("Only person B carries a handbag.", {B: "-"}),
    ("Person A is without a bag, and person B has no bag.", {B: "+"}),
    ("A bag is visible in A but not in B.", {B: "-"}),
    # one and the other
    ("One wears a red shirt, while the other wears a blue one.", {U: "-"}),
    ("One person has long hair, the other has short hair.", {H: "-"}),
    ("Person A wears a blue jacket while Person B wears a yellow dress.", {U: "-"}),
    ("The man in the first image has a green polo shirt and beige trousers, whereas the one in the second image has a"
     " black hoodie and jeans.", {U: "-", L: "-"}),
    ("In image A, the shirt is striped; in image B, the shirt is plain.", {U: "-"}),
    ("The left person wears shorts. The right person wears a skirt.", {L: "-"}),
    ("A's shirt is white and B's shirt is red, but both wear black trousers.", {U: "-", L: "+"}),
    ("Although the hair is similar and both wear black trousers, A's shirt is white and B's shirt is striped red.",
     {H: "+", L: "+", U: "-"}),
    ("- **Hair**: A has short hair, B has long hair.\n- **Upper clothing**: A wears a red shirt; B wears a blue shirt.",
     {H: "-", U: "-"}),
    ("A wears a red shirt and black trousers, B wears a blue shirt and black trousers.", {U: "-", L: "+"}),
    ("White sneakers in A, black boots in B.", {S: "-"}),
    ("Both wear shirts: A's is red, B's is blue.", {U: "-"}),
    ("Both have bags, but of different colours.", {B: "-"}),
    ("A has short-sleeved clothing. B is long-sleeved.", {V: "-"}),
    ("Person A carries a backpack and person B carries a handbag.", {B: "-"}),
    ("Person A has a backpack whereas no bag is visible for Person B.", {B: "-"}),
    ("Upper clothing: A - white shirt; B - white shirt.", {U: "+"}),
    ("A is bald, B has long hair.", {H: "-"}),
    ("Hair: A long, B short.", {H: "-"}),
    ("Footwear: white (A) vs black (B).", {S: "-"}),
    ("Lower clothing: black trousers vs. blue shorts.", {L: "-"}),
    ("The person on the left wears a black coat and the one on the right wears a white coat.", {U: "-"}),
    ("Person A has no backpack; Person B has one.", {B: "-"}),
    ("B does not carry a bag, A does.", {B: "-"}),
    ("The trousers are black in A; in B they are blue.", {L: "-"}),
    ("The shirt of A is red. The shirt of B is blue.", {U: "-"}),
    ("The person in A has medium-length hair, the person in B has a shaved head.", {H: "-"}),
    ("Both A and B have long hair.", {H: "+"}),
    ("Neither A nor B wears a hat.", {T: "+"}),
    ("A and B wear different shoes.", {S: "-"}),
    ("The two jackets look nothing alike.", {U: "-"}),
    ("Shoes match (white sneakers), but upper clothing does not (red vs. green).", {S: "+", U: "-"}),
    ("The hair differs but the shoes do not.", {H: "-", S: "+"}),
    ("I cannot see any difference in the shoes.", {S: "+"}),
    # out of sight
    ("It isn't clear whether the bag is the same.", {B: "0"}),
    ("I am unable to compare the shoes.", {S: "0"}),
    ("Shoes: cannot tell.", {S: "0"}),
    ("The shoes are not clearly visible in the second image.", {S: "0"}),
    ("It is hard to tell the colour of the shoes.", {S: "0"}),
    ("The bag is partially obscured.", {B: "0"}),
    ("The shoes cannot be determined, but the hair matches.", {S: "0", H: "+"}),
    # nothing that decides
    ("A red bag stands on the floor.", {}),
    ("Person A wears a red shirt.", {}),
    ("Person A wears a dark blue shirt and person B wears a light blue shirt.", {}),
    ("A wears a shirt. B wears a jacket.", {}),
    ("A has a red and white coat, B has a red coat.", {}),
    ("The lighting in A differs from that in B.", {}),
]  # fmt: skip
WORDS = {"+": "agree", "-": "differ", "0": "unseen"}


@pytest.mark.parametrize(("prose", "expected"), TABLE)
def test_free_prose(prose: str, expected: dict[str, str]) -> None:
    wanted = sorted((region, WORDS[said]) for region, said in expected.items())
    assert sorted((cue.region, cue.agreement) for cue in extract_cues(prose)) == wanted


@given(st.text(max_size=200) | st.lists(st.sampled_from(
    ["A", "B", "one", "the other", "has", "a", "red", "no", "bag", "shirt", "is", "in", "both", ",", ".", "while",
     "not", "same", "different", "hair", "long", ";", ":", "and"]), max_size=25).map(" ".join))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_any_text_is_read(text: str) -> None:
    assert len(extract_cues(text)) <= 24


def test_long_prose_takes_linear_time() -> None:
    began = time.process_time()
    for text in ("one " * 20_000, "A has a red shirt, B has " * 3_000, "one has the other " * 3_000, "no bag " * 10_000,
                 "neither " * 20_000, "in A " * 10_000, "first image " * 10_000, "red " * 20_000):  # fmt: skip
        extract_cues(text)
    assert time.process_time() - began < 8.0
