"""Credit for claims: who says what again, spans of sentences and tokens, and no region that pays by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reidr.data.types import Crop
from reidr.reasoning.inference.sampling import Completion
from reidr.reasoning.models.checkpoint import PRESETS
from reidr.reasoning.models.processor import load_processor
from reidr.reasoning.prompting.questions import QUESTIONS
from reidr.reasoning.types import Pair
from reidr.training.grpo.claim_credit import (
    WORTH,
    ClaimMark,
    Remembering,
    credits_of,
    mark_claims,
    share_consistent,
    token_credits,
)

A, B = (Crop(name, Image.new("RGB", (8, 16)), name, "1") for name in ("a", "b"))
TEXT = (
    "<think>The shoes differ: black shoes in A, white shoes in B. Both have short hair. "
    "The bag differs: no bag in A, no bag in B. The headwear cannot be seen in A.</think><answer>no</answer>"
)


class Answering:
    """Sees black shoes and short hair in everybody, and no hats; counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def ask_about_crops(self, crops: Sequence[Crop], texts: str | Sequence[str] = "", **_: Any) -> list[str]:
        said = {QUESTIONS["shoes_color"][0]: "Black.", QUESTIONS["hair_length"][0]: "Short."}
        self.asked += [(crop.id, text) for crop, text in zip(crops, texts, strict=True)]
        return [said.get(text, "No hat.") for text in texts]


def test_each_claim_is_marked_at_its_sentence() -> None:
    (marks,) = mark_claims(Answering(), [Pair(A, B)], [TEXT])
    assert [(TEXT[mark.start : mark.end], mark.region, mark.ended) for mark in marks] == [
        ("The shoes differ: black shoes in A, white shoes in B.", "shoes", "inconsistent"),
        ("Both have short hair.", "hair", "consistent"),
        ("The bag differs: no bag in A, no bag in B.", "bag", "self-contradictory"),
        ("The headwear cannot be seen in A.", "headwear", "inconsistent"),
    ]
    assert share_consistent([marks]) == 0.25


def test_what_breaks_the_grammar_or_names_no_region_has_no_marks() -> None:
    texts = [
        "The shoes differ: black shoes in A, white shoes in B.",
        "<think>They look alike.</think><answer>yes</answer>",
    ]
    assert mark_claims(Answering(), [Pair(A, B)] * 2, texts) == [(), ()]
    assert math.isnan(share_consistent([(), ()]))


@pytest.mark.parametrize(
    ("sentence", "region", "ended"),
    [
        # What reinforcement came to write where a sentence that nobody can ask about cost nothing (research/lab.md).
        ("The hair differs: long black hair in A, long black hair.", "hair", "self-contradictory"),
        ("The shoes differ: black shoes in A in A, black shoes.", "shoes", "self-contradictory"),
        ("The bag Different hair: A has short hair.", "bag", "unclear"),
        ("The shoes are nice.", "shoes", "unclear"),
        ("The shoes match, the hair matches.", "shoes", "unclear"),
    ],
)
def test_what_cannot_be_asked_is_worth_no_more_than_what_is_wrong(sentence: str, region: str, ended: str) -> None:
    text = f"<think>Both have black shoes. {sentence}</think><answer>no</answer>"
    (marks,) = mark_claims(Answering(), [Pair(A, B)], [text])
    assert [(mark.region, mark.ended) for mark in marks] == [("shoes", "consistent"), (region, ended)]
    assert text[marks[1].start : marks[1].end] == sentence
    assert marks[1].worth == -1.0


def test_each_question_about_a_crop_is_asked_once() -> None:
    model = Answering()
    asked = Remembering(model)
    first = mark_claims(asked, [Pair(A, B), Pair(A, B)], [TEXT, TEXT])
    again = mark_claims(asked, [Pair(B, A)], [TEXT])
    assert first[0] == first[1]
    assert len(model.asked) == len(set(model.asked)) == 6  # shoes and hair of both, headwear of A, then of B
    assert [mark.ended for mark in again[0]][:2] == ["inconsistent", "consistent"]


def test_credit_is_worth_beyond_the_mean_of_the_like() -> None:
    again, otherwise, unseen = (
        ClaimMark(0, 9, "shoes", "agree", ended) for ended in ("consistent", "inconsistent", "not visible")
    )
    differs = ClaimMark(9, 12, "shoes", "differ", "inconsistent")
    bag = ClaimMark(9, 12, "bag", "agree", "consistent")
    found = credits_of([[again, bag], [otherwise], [], [unseen, bag, differs]])
    assert found == [
        [pytest.approx(4 / 3), 0.0],
        [pytest.approx(-2 / 3)],
        [],
        [pytest.approx(-2 / 3), 0.0, 0.0],
    ]


@given(
    st.lists(
        st.lists(
            st.builds(
                ClaimMark,
                st.just(0),
                st.just(1),
                st.sampled_from(["bag", "hair"]),
                st.sampled_from(["agree", "differ", None]),
                st.sampled_from([*WORTH]),
            ),
            max_size=4,
        ),
        max_size=5,
    )
)
def test_no_region_and_no_judgement_pays_by_itself(marks: list[list[ClaimMark]]) -> None:
    sums: dict[tuple[str, str | None], float] = {}
    for row, credits in zip(marks, credits_of(marks), strict=True):
        for mark, credit in zip(row, credits, strict=True):
            sums[mark.region, mark.said] = sums.get((mark.region, mark.said), 0.0) + credit
    assert list(sums.values()) == pytest.approx([0.0] * len(sums), abs=1e-9)


def test_the_tokens_of_a_sentence_get_its_credit() -> None:
    tokenizer: Any = load_processor(str(PRESETS / "nano"), local_files_only=True).tokenizer
    ids = tuple(tokenizer.encode(TEXT, add_special_tokens=False))
    (marks,) = mark_claims(Answering(), [Pair(A, B)], [TEXT])
    other = ClaimMark(0, 1, "shoes", "differ", "consistent")
    completions = [Completion(ids, (), TEXT, None, True), Completion(ids[:1], (), "<think>", None, False)]
    credit = token_credits(tokenizer, completions, [marks, [other]], len(ids) + 3)
    assert credit.shape == (2, len(ids) + 3)
    shoes = len(
        tokenizer.encode("<think>The shoes differ: black shoes in A, white shoes in B.", add_special_tokens=False)
    )
    assert credit[0].tolist() == [0.0] + [-1.0] * (shoes - 1) + [0.0] * (len(ids) + 3 - shoes)
    assert credit[1].tolist() == [1.0] + [0.0] * (len(ids) + 2)
    # Cut off: what lies beyond the length has no token to be credited.
    assert torch.equal(token_credits(tokenizer, completions, [marks, [other]], 4), credit[:, :4])
