"""A claim check at what reasons state, by reasoners whose answers are scripted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from reidr.data.types import Crop
from reidr.reasoning.prompting.questions import QUESTIONS
from reidr.reasoning.rationales.claim_check import Stated, check_claims, gives, stated_by
from reidr.reasoning.rationales.claims import parse_claims
from reidr.reasoning.rationales.cues import extract_cues
from reidr.reasoning.rationales.statements import mark_checked_statements, statements_of, with_notes
from reidr.reasoning.types import Pair, Verdict

A, B = Crop("a", None), Crop("b", None)  # type: ignore[arg-type]


def verdict(text: str, parsable: bool = True) -> Verdict:
    cues = extract_cues(text) if parsable else ()
    answer = "same" if parsable else "insufficient"
    return Verdict(answer, 0.5, text, cues, 5, 0.1, "m", "p", "k", parsable)  # type: ignore[arg-type]


class Witness:
    """Gives the answers of a table, "It cannot be seen." to all else; remembers what it was asked."""

    def __init__(self, **answers: str) -> None:
        split = {key: key.split("_", 1) for key in answers}
        self.answers = {(side, name.replace("_", " ")): answers[key] for key, (side, name) in split.items()}
        self.asked: list[tuple[str, str]] = []

    def ask_about_crops(self, crops: Sequence[Crop], texts: Sequence[str], **_: object) -> list[str]:
        names = {words[0]: name for name, words in QUESTIONS.items()}
        keys = [(crop.id, names[text]) for crop, text in zip(crops, texts, strict=True)]
        self.asked += keys
        return [self.answers.get(key, "It cannot be seen.") for key in keys]


def looks(text: str, **answers: str) -> list[str | None]:
    return [look.ended for look in check_claims(Witness(**answers), [Pair(A, B)], [verdict(text)])[0]]


@pytest.mark.parametrize(
    ("text", "answers", "ended"),
    [
        ("The shoes agree: black shoes in both.", {"a_shoe_colors": "Black.", "b_shoe_colors": "Black."}, "consistent"),
        ("Both have black shoes.", {"a_shoe_colors": "Black.", "b_shoe_colors": "White."}, "inconsistent"),
        (
            "The shoes differ: black shoes in A, white shoes in B.",
            {"a_shoe_colors": "Black.", "b_shoe_colors": "White."},
            "consistent",
        ),
        # What each crop shows must be said of that crop.
        (
            "The shoes differ: black shoes in A, white shoes in B.",
            {"a_shoe_colors": "White.", "b_shoe_colors": "Black."},
            "inconsistent",
        ),
        # Every value counts: the trousers are consistent, their colour is not.
        (
            "Both have navy trousers.",
            {
                "a_lower_garment": "Trousers.",
                "b_lower_garment": "Trousers.",
                "a_lower_colors": "Blue.",
                "b_lower_colors": "Black.",
            },
            "inconsistent",
        ),
        ("The headwear agrees: no hat in both.", {"a_headwear": "None.", "b_headwear": "None."}, "consistent"),
        # Every kind of hat is one.
        ("The headwear agrees: a cap in both.", {"a_headwear": "Hat.", "b_headwear": "Cap."}, "consistent"),
        # Sure or not, it is the same value; and all that is stated has to be given again.
        ("Both have black shoes.", {"a_shoe_colors": "Probably black.", "b_shoe_colors": "Black."}, "consistent"),
        ("Both have probably black shoes.", {"a_shoe_colors": "Black.", "b_shoe_colors": "White."}, "inconsistent"),
        (
            "Both have black and white shoes.",
            {"a_shoe_colors": "White and black.", "b_shoe_colors": "Black and white."},
            "consistent",
        ),
        (
            "The shoes differ: black and white shoes in A, white shoes in B.",
            {"a_shoe_colors": "Black.", "b_shoe_colors": "White."},
            "inconsistent",
        ),
        # How alike it looks is not asked about; the values are.
        ("The upper clothing is much alike.", {}, None),
        (
            "The upper clothing is somewhat alike: a red top in both.",
            {"a_upper_colors": "Red.", "b_upper_colors": "Red."},
            "consistent",
        ),
        ("The shoes cannot be seen in A.", {}, "consistent"),
        ("The shoes cannot be seen in A.", {"a_shoe_colors": "Black."}, "inconsistent"),
        ("The shoes cannot be seen in both.", {"a_shoe_colors": "Black."}, "inconsistent"),
        (
            "Both have navy trousers.",
            {"a_lower_garment": "Trousers.", "b_lower_garment": "Trousers.", "b_lower_colors": "Blue."},
            "not visible",
        ),
        ("The build agrees.", {}, None),
    ],
)
def test_how_a_second_look_ends(text: str, answers: dict[str, str], ended: str | None) -> None:
    assert looks(text, **answers) == [ended]


def test_a_difference_that_is_none_is_not_even_asked_about() -> None:
    witness = Witness(a_shoe_colors="Black.", b_shoe_colors="Black.")
    found = check_claims(witness, [Pair(A, B)], [verdict("The shoes differ: black shoes in A, black shoes in B.")])
    assert [look.ended for look in found[0]] == ["self-contradictory"]
    assert witness.asked == []


def test_what_was_said_instead_is_kept() -> None:
    witness = Witness(a_shoe_colors="Black.", b_shoe_colors="White.")
    (look,) = check_claims(witness, [Pair(A, B)], [verdict("Both have black shoes.")])[0]
    assert look.answers == ((Stated("B", "shoe colors", "black"), "White."),)
    assert look.note == "B: White"


def test_where_nothing_can_be_asked_the_bar_is_filled_all_the_same() -> None:
    steps: list[tuple[int, int]] = []
    check_claims(Witness(), [Pair(A, B)], [verdict("The build agrees.")], lambda done, of: steps.append((done, of)))
    assert steps == [(1, 1)]


def test_each_question_is_asked_once_and_unreadable_answers_never() -> None:
    witness = Witness(a_shoe_colors="Black.", b_shoe_colors="Black.", c_shoe_colors="Black.")
    other = Crop("c", None)  # type: ignore[arg-type]
    text = "Both have black shoes."
    pairs = [Pair(A, B), Pair(A, other), Pair(A, B), Pair(A, B)]
    found = check_claims(witness, pairs, [verdict(text), verdict(text), verdict("black black", False), verdict("")])
    assert sorted(witness.asked) == [("a", "shoe colors"), ("b", "shoe colors"), ("c", "shoe colors")]
    assert [[look.ended for look in own] for own in found] == [["consistent"], ["consistent"], [], []]


def test_crops_of_one_name_are_not_taken_for_each_other() -> None:
    class ByObject:
        def ask_about_crops(self, crops: Sequence[Crop], texts: Sequence[str], **_: object) -> list[str]:
            return ["Black." if crop is A else "White." for crop in crops]

    namesake = Crop("a", None)  # type: ignore[arg-type]
    text = "The shoes differ: black shoes in A, white shoes in B."
    assert [look.ended for look in check_claims(ByObject(), [Pair(A, namesake)], [verdict(text)])[0]] == ["consistent"]


def test_a_claim_is_taken_apart_by_crop_and_attribute() -> None:
    (claim,) = parse_claims("The lower clothing differs: blue trousers in A, a black skirt in B.")
    assert set(stated_by(claim)) == {
        Stated("A", "lower colors", "blue"),
        Stated("A", "lower garment", "trousers"),
        Stated("B", "lower colors", "black"),
        Stated("B", "lower garment", "skirt"),
    }


@pytest.mark.parametrize(
    ("answer", "stated", "again"),
    [
        ("Blue.", Stated("A", "lower colors", "blue"), True),
        ("Navy.", Stated("A", "lower colors", "blue"), True),
        ("Probably blue.", Stated("A", "lower colors", "blue"), True),
        ("Blue and black.", Stated("A", "lower colors", "blue"), False),
        ("Black and blue.", Stated("A", "lower colors", "blue and black"), True),
        ("Blue trousers with a black stripe.", Stated("A", "lower colors", "black and blue"), True),
        ("Blue.", Stated("A", "lower colors", "black and blue"), False),
        ("A backpack and an umbrella.", Stated("A", "carried", "backpack and umbrella"), True),
        # Another vision-language model answers in sentences.
        ("The person is wearing blue jeans.", Stated("A", "lower colors", "blue"), True),
        ("The trousers are not blue but black.", Stated("A", "lower colors", "blue"), False),
        ("No hat is worn.", Stated("A", "headwear", "none"), True),
        ("A red cap is worn.", Stated("A", "headwear", "none"), False),
        ("The shoes are not visible.", Stated("A", "shoe colors", "not visible"), True),
        ("The top is horizontally striped.", Stated("A", "pattern", "striped"), True),
        ("", Stated("A", "headwear", "none"), False),
        ("Nothing.", Stated("A", "carried", "nothing"), True),
        ("A blue jacket, not a red one.", Stated("A", "jacket colors", "none"), False),
        # Every kind of hat is one, in sentences too; nothing else passes for a hat.
        ("Cap.", Stated("A", "headwear", "hat"), True),
        ("The person wears a red cap.", Stated("A", "headwear", "hat"), True),
        ("No cap is worn.", Stated("A", "headwear", "hat"), False),
        ("The trousers are navy.", Stated("A", "lower colors", "blue"), True),
        ("It cannot be seen.", Stated("A", "headwear", "hat"), False),
        ("None.", Stated("A", "headwear", "hat"), False),
        ("", Stated("A", "headwear", "hat"), False),
        ("Hat.", Stated("A", "headwear", "not visible"), False),
        ("The bag is not clearly visible.", Stated("A", "carried", "nothing"), False),
        ("Hidden.", Stated("A", "shoe colors", "not visible"), True),
        ("Grey.", Stated("A", "shoe colors", "gray"), True),
        ("The shoes are grey.", Stated("A", "shoe colors", "gray"), True),
        ("Horizontally striped.", Stated("A", "pattern", "striped"), True),
        # Two colours are no answer to the question which one.
        ("Blue or black.", Stated("A", "lower colors", "blue"), False),
        ("No, the shoes are black.", Stated("A", "shoe colors", "black"), True),
    ],
)
def test_an_answer_gives_a_value_or_not(answer: str, stated: Stated, again: bool) -> None:
    assert gives(answer, stated) is again


def test_what_cannot_be_seen_is_asked_by_the_regions_leading_attribute() -> None:
    (claim,) = parse_claims("The lower clothing cannot be seen in both.")
    assert set(stated_by(claim)) == {Stated(side, "lower garment", "not visible") for side in ("A", "B")}  # type: ignore[arg-type]
    (claim,) = parse_claims("The bag is hidden in B.")
    assert stated_by(claim) == (Stated("B", "carried", "not visible"),)


def test_statements_carry_the_marks_in_order() -> None:
    text = "Both have black shoes. It was a long day. The hair differs: short hair in A, short hair in B."
    found = check_claims(Witness(a_shoe_colors="Black.", b_shoe_colors="Black."), [Pair(A, B)], [verdict(text)])
    assert [(each.text, each.claims) for each in mark_checked_statements(text, found[0])] == [
        ("Both have black shoes.", (("shoes", "consistent"),)),
        ("It was a long day.", ()),
        ("The hair differs: short hair in A, short hair in B.", (("hair", "self-contradictory"),)),
    ]


def test_what_was_said_instead_stands_beside_what_is_known() -> None:
    text = "Both have black shoes. It was a long day. The hair agrees: short hair in both."
    found = check_claims(Witness(a_shoe_colors="Black.", b_shoe_colors="White."), [Pair(A, B)], [verdict(text)])
    told = statements_of(text, {"shoes_color": "black"}, {"shoes_color": "white"}, "per person")
    assert [(each.claims, each.note) for each in with_notes(told, found[0])] == [
        ((("shoes", "contradicted"),), "B: White"),
        ((), ""),
        ((("hair", "untestable"),), "A: It cannot be seen; B: It cannot be seen"),
    ]
    assert with_notes(told, ()) == told
