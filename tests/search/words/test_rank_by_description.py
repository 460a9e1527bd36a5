"""Scores of crops by a description, worked out by hand."""

import math

import numpy as np
import pytest

from reidr.data.vocabulary import VALUES
from reidr.errors import DataError
from reidr.search.words.parse import parse_description
from reidr.search.words.rank import LEAST, rank_by_description
from reidr.search.words.types import DescriptionQuery, Term, Word

RED, BLUE, HAT = ("upper colors", "red"), ("upper colors", "blue"), ("headwear", "hat")
NOWHERE = Word("", 0, 0)


def table(*rows):
    """Probabilities of the values that are named; all others are unknown."""
    found = np.full((len(rows), len(VALUES)), np.nan)
    for row, known in enumerate(rows):
        for value, probability in known.items():
            found[row, VALUES.index(value)] = probability
    return found


def query(*terms):
    return DescriptionQuery("", tuple(Term(values, wanted, NOWHERE) for values, wanted in terms))


def test_one_value_counts_by_the_logarithm_of_its_probability():
    scores = rank_by_description(query(((RED,), True)), table({RED: 0.5}, {RED: 0.8}))
    assert scores.scores == pytest.approx([math.log(0.5), math.log(0.8)])
    assert scores.order.tolist() == [1, 0]


def test_an_unwanted_value_counts_by_the_opposite():
    scores = rank_by_description(query(((HAT,), False)), table({HAT: 0.9}, {HAT: 0.25}))
    assert scores.scores == pytest.approx([math.log(0.1), math.log(0.75)])


def test_any_of_several_values():
    # 1 - 0.5 * 0.6 = 0.7; none of them: 0.3.
    probabilities = table({RED: 0.5, BLUE: 0.4})
    assert rank_by_description(query(((RED, BLUE), True)), probabilities).scores == pytest.approx([math.log(0.7)])
    assert rank_by_description(query(((RED, BLUE), False)), probabilities).scores == pytest.approx([math.log(0.3)])


def test_terms_add_up_and_each_is_told():
    scores = rank_by_description(query(((RED,), True), ((HAT,), False)), table({RED: 0.5, HAT: 0.2}))
    assert scores.contributions[0] == pytest.approx([math.log(0.5), math.log(0.8)])
    assert scores.scores == pytest.approx([math.log(0.4)])


def test_a_value_that_is_known_of_no_crop_contributes_nothing():
    scores = rank_by_description(query(((RED,), True), ((HAT,), True)), table({RED: 0.5}, {RED: 0.6}))
    assert scores.scores == pytest.approx([math.log(0.5), math.log(0.6)])
    assert scores.known.tolist() == [[True, False], [True, False]]


def test_an_unknown_one_of_several_values_is_passed_over():
    assert rank_by_description(query(((RED, BLUE), True)), table({BLUE: 0.4})).scores == pytest.approx([math.log(0.4)])


def test_a_crop_of_which_a_value_is_unknown_is_neither_lifted_nor_lowered():
    # The others have log 0.9 and log 0.1: the mean of the two is that of the crop without.
    scores = rank_by_description(query(((HAT,), True)), table({HAT: 0.9}, {HAT: 0.1}, {}))
    assert scores.contributions[2, 0] == pytest.approx((math.log(0.9) + math.log(0.1)) / 2)
    assert scores.known[:, 0].tolist() == [True, True, False]
    assert scores.order.tolist() == [0, 2, 1]


def test_certainty_is_bounded():
    scores = rank_by_description(query(((RED,), True)), table({RED: 0.0}, {RED: 1.0}))
    assert scores.scores == pytest.approx([math.log(LEAST), math.log(1 - LEAST)])


def test_no_terms_and_no_crops():
    assert rank_by_description(query(), table({}, {})).scores.tolist() == [0.0, 0.0]
    assert rank_by_description(query(((RED,), True)), table()).scores.shape == (0,)


def test_equal_scores_stay_in_their_order():
    assert rank_by_description(query(), table({}, {}, {})).order.tolist() == [0, 1, 2]


def test_what_is_no_table_of_probabilities_is_refused():
    with pytest.raises(DataError, match=rf"one column for each of {len(VALUES)} values"):
        rank_by_description(query(), np.zeros((2, 3)))
    with pytest.raises(DataError, match="between 0 and 1"):
        rank_by_description(query(), table({RED: 1.5}))


def test_a_sentence_finds_its_crop():
    red, jeans, bag = ("upper colors", "red"), ("lower garment", "jeans"), ("carried", "backpack")
    likely = {red: 0.9, jeans: 0.8, bag: 0.9, HAT: 0.1}
    crops = table(likely, likely | {HAT: 0.9}, likely | {red: 0.1}, likely | {bag: 0.2})
    scores = rank_by_description(parse_description("red top, backpack, jeans, no hat"), crops)
    assert scores.order[0] == 0
