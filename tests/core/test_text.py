"""Names that may be printed anywhere, numbers with their words, the first few of many."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidr.core.text import chance_in_words, is_harmless, number_of, plural, shown, size_in_words, some_of, whole


@given(st.text(st.characters(exclude_categories=())))
def test_what_is_shown_can_be_printed_and_written_anywhere(text: str) -> None:
    assert all(is_harmless(letter) for letter in shown(text))
    shown(text).encode("utf-8")
    whole(text).encode("utf-8")
    if text.isprintable():
        assert shown(text) == text == whole(text)


def test_bytes_that_are_no_text_and_what_a_terminal_obeys_are_escaped() -> None:
    assert shown(os.fsdecode(b"d\xe9")) == whole(os.fsdecode(b"d\xe9")) == "d\\udce9"
    assert shown("\x1b[2Jx\n") == "\\x1b[2Jx\\n"
    assert whole("a\nb") == "a\nb"
    assert shown("\u202e\u2028\u00ad\x85") == "\\u202e\\u2028\\xad\\x85"


def test_spaces_of_other_widths_stay() -> None:
    assert shown("91.7\u202f% a\u00a0b") == "91.7\u202f% a\u00a0b"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d"], "a, b, c and 1 more"),
        (["x\n"] * 1203, "x\\n, x\\n, x\\n and 1,200 more"),
    ],
)
def test_the_first_few_are_named_and_the_rest_is_counted(names: list[str], said: str) -> None:
    assert some_of(names) == said


def test_numbers_have_the_word_that_fits_them() -> None:
    assert [plural("query", number) for number in (0, 1, 2)] == ["queries", "query", "queries"]
    assert number_of(1, "file") == "1 file"
    assert number_of(1200, "file") == "1,200 files"
    assert number_of(2, "result has", "results have") == "2 results have"


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_250_000, "1.2 MB"), (3e12, "3000.0 GB")]
)
def test_sizes_are_said_in_words(size: float, said: str) -> None:
    assert size_in_words(size) == said


def test_no_probability_is_said_to_be_certain() -> None:
    said = [chance_in_words(share) for share in (0.0, 0.009, 0.01, 0.5, 0.934, 0.99, 0.994, 0.999, 1.0)]
    assert said == ["under 1%", "under 1%", "1%", "50%", "93%", "99%", "over 99%", "over 99%", "over 99%"]
