"""Every question has an answer, and every answer is read back as the value it states."""

from __future__ import annotations

import pytest

from reidr.data.attributes import UNSEEN
from reidr.data.vocabulary import FAMILIES
from reidr.reasoning.prompting.questions import CANNOT_BE_SEEN, QUESTIONS, answer_of, is_unsure, value_of
from reidr.reasoning.rationales.regions import PROBABLY, REGIONS

KNOWN = {value for name in QUESTIONS for value in FAMILIES[name].values}
VALUES = sorted({*KNOWN, UNSEEN, "none", "black and white", "backpack and shoulder bag"})


@pytest.mark.parametrize("value", VALUES)
def test_an_answer_is_a_sentence_that_is_read_back_as_its_value(value: str) -> None:
    for said in (value, PROBABLY + value) if value != UNSEEN else (value,):
        answer = answer_of(said)
        assert answer[0].isupper()
        assert answer.count(".") == 1
        assert answer.endswith(".")
        assert value_of(answer) == value
        assert is_unsure(answer) == (said != value)


def test_golden_answers() -> None:
    assert answer_of("logo or print") == "Logo or print."
    assert answer_of("black and white") == "Black and white."
    assert answer_of("probably red") == "Probably red."
    assert answer_of(UNSEEN) == CANNOT_BE_SEEN == "It cannot be seen."
    # Answers of a model that rambles are lower-cased, never guessed at.
    assert value_of("Red") == "red"
    assert value_of("It is red.") == "it is red"
    assert not is_unsure("It is probably red.")


def test_exactly_the_attributes_of_the_regions_are_asked_about_each_in_words_of_its_own() -> None:
    assert set(QUESTIONS) == {name for region in REGIONS for name in region.attributes}
    wordings = [text for texts in QUESTIONS.values() for text in texts]
    assert len(set(wordings)) == len(wordings)
    assert all(text.endswith("?") for text in wordings)
    # Nothing that reasons must not rest on.
    assert not any(word in text.lower() for text in wordings for word in ("man", "woman", "gender", "age ", "skin"))
