"""Every question has an answer, and every answer is read back as the value it states."""

from __future__ import annotations

import pytest

from reidr.data.attributes import LOWER_COLORS, UPPER_COLORS
from reidr.data.synthetic.person.appearance import ATTRIBUTES
from reidr.reasoning.prompting.questions import CANNOT_BE_SEEN, QUESTIONS, answer_of, value_of
from reidr.reasoning.rationales.regions import REGIONS, UNSEEN

PHOTOS = {*UPPER_COLORS, *LOWER_COLORS, "hat", "handbag", "shoulder bag", "skirt"}
VALUES = sorted({value for values in ATTRIBUTES.values() for value in values} | PHOTOS | {UNSEEN})


@pytest.mark.parametrize("value", VALUES)
def test_an_answer_is_a_sentence_that_is_read_back_as_its_value(value: str) -> None:
    answer = answer_of(value)
    assert answer[0].isupper()
    assert answer.count(".") == 1
    assert answer.endswith(".")
    assert value_of(answer) == value


def test_golden_answers() -> None:
    assert answer_of("horizontal stripes") == "Horizontal stripes."
    assert answer_of(UNSEEN) == CANNOT_BE_SEEN == "It cannot be seen."
    # Answers of a model that rambles are lower-cased, never guessed at.
    assert value_of("Red") == "red"
    assert value_of("It is red.") == "it is red"


def test_exactly_the_attributes_of_the_regions_are_asked_about_each_in_words_of_its_own() -> None:
    assert set(QUESTIONS) == {name for region in REGIONS for name in region.attributes}
    wordings = [text for texts in QUESTIONS.values() for text in texts]
    assert len(set(wordings)) == len(wordings)
    assert all(text.endswith("?") for text in wordings)
    # Nothing that reasons must not rest on.
    assert not any(word in text.lower() for text in wordings for word in ("man", "woman", "gender", "age ", "skin"))
