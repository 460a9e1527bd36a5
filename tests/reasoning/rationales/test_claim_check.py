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
        self.answers = {tuple(key.split("_", 1)): value for key, value in answers.items()}
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
        ("The shoes agree: black shoes in both.", {"a_shoes_color": "Black.", "b_shoes_color": "Black."}, "consistent"),
        ("Both have black shoes.", {"a_shoes_color": "Black.", "b_shoes_color": "White."}, "inconsistent"),
        (
            "The shoes differ: black shoes in A, white shoes in B.",
            {"a_shoes_color": "Black.", "b_shoes_color": "White."},
            "consistent",
        ),
        # What each crop shows must be said of that crop.
        (
            "The shoes differ: black shoes in A, white shoes in B.",
            {"a_shoes_color": "White.", "b_shoes_color": "Black."},
            "inconsistent",
        ),
        # Every value counts: the trousers are consistent, their colour is not.
        (
            "Both have navy trousers.",
            {
                "a_lower_kind": "Trousers.",
                "b_lower_kind": "Trousers.",
                "a_lower_color": "Navy.",
                "b_lower_color": "Blue.",
            },
            "inconsistent",
        ),
        ("The headwear agrees: no hat in both.", {"a_hat": "None.", "b_hat": "None."}, "consistent"),
        # A hat of unknown kind speaks neither for a cap nor against it.
        ("The headwear agrees: a cap in both.", {"a_hat": "Hat.", "b_hat": "Cap."}, "consistent"),
        ("The shoes cannot be seen in A.", {}, "consistent"),
        ("The shoes cannot be seen in A.", {"a_shoes_color": "Black."}, "inconsistent"),
        ("The shoes cannot be seen in both.", {"a_shoes_color": "Black."}, "inconsistent"),
        (
            "Both have navy trousers.",
            {"a_lower_kind": "Trousers.", "b_lower_kind": "Trousers.", "b_lower_color": "Navy."},
            "not visible",
        ),
        ("The build agrees.", {}, None),
    ],
)
def test_how_a_second_look_ends(text: str, answers: dict[str, str], ended: str | None) -> None:
    assert looks(text, **answers) == [ended]


def test_a_difference_that_is_none_is_not_even_asked_about() -> None:
    witness = Witness(a_shoes_color="Black.", b_shoes_color="Black.")
    found = check_claims(witness, [Pair(A, B)], [verdict("The shoes differ: black shoes in A, black shoes in B.")])
    assert [look.ended for look in found[0]] == ["self-contradictory"]
    assert witness.asked == []


def test_what_was_said_instead_is_kept() -> None:
    witness = Witness(a_shoes_color="Black.", b_shoes_color="White.")
    (look,) = check_claims(witness, [Pair(A, B)], [verdict("Both have black shoes.")])[0]
    assert look.answers == ((Stated("B", "shoes_color", "black"), "White."),)
    assert look.note == "B: White"


def test_where_nothing_can_be_asked_the_bar_is_filled_all_the_same() -> None:
    steps: list[tuple[int, int]] = []
    check_claims(Witness(), [Pair(A, B)], [verdict("The build agrees.")], lambda done, of: steps.append((done, of)))
    assert steps == [(1, 1)]


def test_each_question_is_asked_once_and_unreadable_answers_never() -> None:
    witness = Witness(a_shoes_color="Black.", b_shoes_color="Black.", c_shoes_color="Black.")
    other = Crop("c", None)  # type: ignore[arg-type]
    text = "Both have black shoes."
    pairs = [Pair(A, B), Pair(A, other), Pair(A, B), Pair(A, B)]
    found = check_claims(witness, pairs, [verdict(text), verdict(text), verdict("black black", False), verdict("")])
    assert sorted(witness.asked) == [("a", "shoes_color"), ("b", "shoes_color"), ("c", "shoes_color")]
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
        Stated("A", "lower_color", "blue"),
        Stated("A", "lower_kind", "trousers"),
        Stated("B", "lower_color", "black"),
        Stated("B", "lower_kind", "skirt"),
    }


@pytest.mark.parametrize(
    ("answer", "stated", "again"),
    [
        ("Blue.", Stated("A", "lower_color", "blue"), True),
        ("Navy.", Stated("A", "lower_color", "blue"), False),
        # Another vision-language model answers in sentences.
        ("The person is wearing blue jeans.", Stated("A", "lower_color", "blue"), True),
        ("The trousers are not blue but black.", Stated("A", "lower_color", "blue"), False),
        ("No hat is worn.", Stated("A", "hat", "none"), True),
        ("A red cap is worn.", Stated("A", "hat", "none"), False),
        ("The shoes are not visible.", Stated("A", "shoes_color", "not visible"), True),
        ("The top is horizontally striped.", Stated("A", "upper_pattern", "horizontal stripes"), True),
        ("", Stated("A", "hat", "none"), False),
        ("Nothing.", Stated("A", "bag", "none"), True),
        ("A blue jacket, not a red one.", Stated("A", "jacket_color", "none"), False),
        # A hat of unknown kind is no other one than a cap; nothing else passes for a hat.
        ("Hat.", Stated("A", "hat", "cap"), True),
        ("It cannot be seen.", Stated("A", "hat", "hat"), False),
        ("None.", Stated("A", "hat", "hat"), False),
        ("", Stated("A", "hat", "hat"), False),
        ("Hat.", Stated("A", "hat", "not visible"), False),
        ("The bag is not clearly visible.", Stated("A", "bag", "none"), False),
        ("Hidden.", Stated("A", "shoes_color", "not visible"), True),
        ("Grey.", Stated("A", "shoes_color", "gray"), True),
        ("The shoes are grey.", Stated("A", "shoes_color", "gray"), True),
        ("Horizontally striped.", Stated("A", "upper_pattern", "horizontal stripes"), True),
        # Two colours are no answer to the question which one.
        ("Blue or black.", Stated("A", "lower_color", "blue"), False),
        ("No, the shoes are black.", Stated("A", "shoes_color", "black"), True),
    ],
)
def test_an_answer_gives_a_value_or_not(answer: str, stated: Stated, again: bool) -> None:
    assert gives(answer, stated) is again


def test_statements_carry_the_marks_in_order() -> None:
    text = "Both have black shoes. It was a long day. The hair differs: short hair in A, short hair in B."
    found = check_claims(Witness(a_shoes_color="Black.", b_shoes_color="Black."), [Pair(A, B)], [verdict(text)])
    assert [(each.text, each.claims) for each in mark_checked_statements(text, found[0])] == [
        ("Both have black shoes.", (("shoes", "consistent"),)),
        ("It was a long day.", ()),
        ("The hair differs: short hair in A, short hair in B.", (("hair", "self-contradictory"),)),
    ]


def test_what_was_said_instead_stands_beside_what_is_known() -> None:
    text = "Both have black shoes. It was a long day. The hair agrees: short hair in both."
    found = check_claims(Witness(a_shoes_color="Black.", b_shoes_color="White."), [Pair(A, B)], [verdict(text)])
    told = statements_of(text, {"shoes_color": "black"}, {"shoes_color": "white"}, "per person")
    assert [(each.claims, each.note) for each in with_notes(told, found[0])] == [
        ((("shoes", "contradicted"),), "B: White"),
        ((), ""),
        ((("hair", "untestable"),), "A: It cannot be seen; B: It cannot be seen"),
    ]
    assert with_notes(told, ()) == told
