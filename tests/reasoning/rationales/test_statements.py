"""Reasons sentence by sentence: marks by hand, and no marks where nothing is known."""

from __future__ import annotations

import pytest
from PIL import Image

from reidr.data.types import Crop
from reidr.reasoning.rationales.regions import UNSEEN
from reidr.reasoning.rationales.statements import CHECKED, statements_of, what_is_known

A = {"upper_color": "red", "shoes_color": "white", "bag": "none", "bag_color": "none"}
B = {"upper_color": "red", "shoes_color": UNSEEN, "bag": "backpack", "bag_color": "green"}
REASON = (
    "It is a sunny street. Both have a red top. Both have a blue top. The shoes cannot be seen in B. "
    "Bag differs: no bag against a grey handbag. The build is similar. The tops are alike and the bags are alike."
)


def test_every_sentence_is_kept_and_marked_by_hand() -> None:
    found = statements_of(REASON, A, B, "per crop")
    assert [each.text for each in found] == [part.strip() + "." for part in REASON.split(".")[:-1]]
    assert [[mark for _, mark in each.claims] for each in found] == [
        [],  # scenery says nothing of a region
        ["confirmed"],
        ["contradicted"],  # red, not blue
        ["confirmed"],  # B's shoes are not visible
        ["contradicted"],  # a green backpack, not a grey handbag
        ["untestable"],  # nothing is known of builds
        ["confirmed", "contradicted"],  # one sentence, two claims: tops agree, bags do not
    ]
    assert [region for region, _ in found[-1].claims] == ["upper clothing", "bag"]


def test_what_is_known_per_person_cannot_test_hiding() -> None:
    assert statements_of("The shoes cannot be seen in B.", A, A, "per person")[0].claims == (("shoes", "untestable"),)
    assert statements_of("The shoes cannot be seen in B.", A, A, "per crop")[0].claims == (("shoes", "contradicted"),)


def test_nothing_known_gives_sentences_without_marks() -> None:
    found = statements_of(REASON, A, B, "nothing")
    assert len(found) == 7
    assert not any(each.claims for each in found)
    assert statements_of("", A, B, "per crop") == ()


@pytest.mark.parametrize(
    ("tables", "known"),
    [
        ([{}, {}], "nothing"),
        ([{"weather": "rain"}], "nothing"),
        ([{"upper_color": "other"}], "nothing"),  # Market's word for a colour that nobody marked
        ([{}, {"upper_color": "red"}], "per person"),
        ([{"backpack": "yes", "shoulder_bag": "no", "handbag": "no"}], "per person"),
        ([{"peta": "upperBodyRed"}], "per person"),
        ([{"peta": "personalMale"}], "nothing"),
        ([{"upper colors": "red"}], "per person"),
        ([{"upper_color": "red"}, {"upper_color": UNSEEN}], "per crop"),
        ([{"upper colors": "red"}, {"upper colors": UNSEEN}], "per crop"),
    ],
)
def test_what_is_known_is_read_off_the_attributes(tables: list[dict[str, str]], known: str) -> None:
    crops = [Crop(f"c{place}", Image.new("RGB", (2, 4)), attributes=each) for place, each in enumerate(tables)]
    assert what_is_known(crops) == known
    assert known in CHECKED
