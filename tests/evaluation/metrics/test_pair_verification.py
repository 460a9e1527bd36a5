"""Distance, reasoner and fusion on the same pairs: a naive twin, a case by hand, perfect and useless reasoners."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from reidr.errors import DataError
from reidr.evaluation.metrics import PairVerification, measure_pair_verification, pair_areas, roc_area
from reidr.retrieval.ranked_list import RankedList


def listed(distances: object) -> RankedList:
    """Rows of ascending distances to gallery crops 0, 1, 2, ...; infinite ones are padding."""
    values = np.array(distances, dtype=float)
    indices = np.where(np.isfinite(values), np.arange(values.shape[1]), -1)
    return RankedList(
        tuple(f"q{row}" for row in range(len(values))),
        tuple(f"g{column}" for column in range(values.shape[1])),
        indices,
        values,
    )


def naive_area(scores: np.ndarray, truth: np.ndarray) -> float:
    """Every positive against every negative."""
    won = 0.0
    for positive, negative in product(scores[truth].tolist(), scores[~truth].tolist()):
        won += 1.0 if positive > negative else 0.5 if positive == negative else 0.0
    return won / (int(truth.sum()) * int((~truth).sum()))


def drawn(seed: int, queries: int = 20, columns: int = 6) -> tuple[RankedList, np.ndarray, np.ndarray]:
    """A list, its truth (both kinds in every row) and the matches in the gallery, some of them beyond the list."""
    random = np.random.default_rng(seed)
    distances = np.sort(random.uniform(0.1, 1.5, (queries, columns)), axis=1)
    truth = random.random((queries, columns)) < 0.3
    truth[:, 0], truth[:, -1] = random.random(queries) < 0.5, True
    truth[np.arange(queries), random.integers(1, columns - 1, queries)] = False
    return listed(distances), truth, truth.sum(axis=1) + random.integers(0, 3, queries)


@pytest.mark.parametrize("seed", range(20))
def test_the_area_counts_every_pair_of_a_positive_and_a_negative_and_ties_half(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.permutation(np.arange(40) < random.integers(1, 40))
    for scores in (random.integers(0, 4, 40).astype(float), random.normal(size=40)):
        area = roc_area(scores, truth)
        assert area == pytest.approx(naive_area(scores, truth), abs=1e-12)
        assert roc_area(-scores, truth) == pytest.approx(1 - area)
        assert roc_area(np.exp(scores), truth) == pytest.approx(area)  # only the order counts


@pytest.mark.parametrize("truth", [[True, True], [False, False], []])
def test_an_area_over_one_kind_of_pair_is_refused(truth: list[bool]) -> None:
    with pytest.raises(DataError, match="pairs of one person and pairs of two"):
        roc_area(np.linspace(0, 1, len(truth)), np.array(truth, dtype=bool))


def test_a_case_worked_by_hand() -> None:
    ranked = listed([[0.2, 0.4, 0.6], [0.1, 0.3, 0.5], [0.1, 0.2, 0.3], [0.3, 0.7, 0.8]])
    truth = np.array([[0, 1, 0], [1, 0, 1], [0, 0, 0], [0, 1, 0]], dtype=bool)
    said = np.array([[0.1, 0.9, 0.5], [0.2, 0.6, 0.9], [0.9, 0.9, 0.9], [0.9, 0.1, 0.5]])
    judged = measure_pair_verification(ranked, said, truth, np.array([1, 3, 0, 1]), 0.5)
    # Query 2 has no match in the gallery and takes no part. Fused is d/2 + 1 - p:
    #   query 0: 1.00 0.30* 0.80   the match moves from 2nd to 1st: AP 1/2 -> 1
    #   query 1: 0.85* 0.55 0.35*  matches at 1 and 3 stay at 1 and 3 (they swap), a third lies beyond the list:
    #                              AP (1 + 2/3) / 3 = 5/9 before and after
    #   query 3: 0.25 1.25* 0.90   the match falls from 2nd to 3rd: AP 1/2 -> 1/3
    assert (judged.pairs, judged.positive, judged.weight) == (9, 4, 0.5)
    assert judged.rank1 == pytest.approx((1 / 3, 2 / 3))
    assert judged.mean_average_precision == pytest.approx((14 / 27, 17 / 27))
    assert judged.share_of_oracle_gain == pytest.approx(
        0.5
    )  # a perfect verifier has 3 of 3; of the 2/3 to win, 1/3 was won
    # Of 4 x 5 pairs of a positive and a negative, those ranked rightly, and ties:
    #   distance: positives 0.4 0.1 0.5 0.7, negatives 0.2 0.6 0.3 0.3 0.8: 2 + 5 + 2 + 1 = 10
    #   reasoner: positives 0.9 0.2 0.9 0.1, negatives 0.1 0.5 0.6 0.9 0.5: (4 + 1/2) + 1 + (4 + 1/2) + 1/2 = 10.5
    #   fused: positives 0.30 0.85 0.35 1.25, negatives 1.00 0.80 0.55 0.25 0.90: 4 + 2 + 4 + 0 = 10
    assert (judged.distance, judged.alone, judged.fused) == pytest.approx((10 / 20, 10.5 / 20, 10 / 20))
    assert judged.rank1_gain[0] <= 1 / 3 <= judged.rank1_gain[1]
    assert judged.map_gain[0] <= 1 / 9 <= judged.map_gain[1]


@pytest.mark.parametrize("seed", range(3))
def test_a_perfect_reasoner_wins_all_there_is_to_win(seed: int) -> None:
    ranked, truth, matches = drawn(seed)
    judged = measure_pair_verification(ranked, truth.astype(float), truth, matches, 1.0)
    assert (judged.alone, judged.fused, judged.share_of_oracle_gain) == (1.0, 1.0, 1.0)
    assert judged.rank1[1] == 1.0
    # Matches in the list come first, those beyond it are lost.
    assert judged.mean_average_precision[1] == pytest.approx((truth.sum(axis=1) / matches).mean())
    assert judged.distance < 1.0
    assert min(*judged.gain, *judged.rank1_gain, *judged.map_gain) > 0


@pytest.mark.parametrize("seed", range(3))
def test_a_reasoner_that_always_says_the_same_changes_nothing(seed: int) -> None:
    ranked, truth, matches = drawn(seed)
    judged = measure_pair_verification(ranked, np.full(truth.shape, 0.7), truth, matches, 0.5)
    assert judged.alone == 0.5
    # (d + 2 * 0.3) / 2 grows with d within and across queries, so every order stays.
    assert judged.fused == pytest.approx(judged.distance)
    assert judged.gain == pytest.approx((0, 0))
    assert judged.rank1_gain == judged.map_gain == (0, 0)
    assert judged.rank1[0] == judged.rank1[1]
    assert judged.share_of_oracle_gain == 0


def test_ties_of_a_saturated_reasoner_are_broken_against_it() -> None:
    ranked, truth, matches = drawn(4)
    judged = measure_pair_verification(ranked, np.ones(truth.shape), truth, matches, 1.0)
    assert judged.rank1[1] == 0  # every row has a stranger, and it goes first
    assert judged.fused == 0.5


@pytest.mark.parametrize("seed", range(3))
def test_areas_are_those_of_the_pairs_that_were_scored(seed: int) -> None:
    ranked, truth, matches = drawn(seed)
    random = np.random.default_rng(seed)
    said = random.random(truth.shape).round(1)  # with ties
    said[random.random(truth.shape) < 0.2] = np.nan
    matches[::5] = 0
    judged = measure_pair_verification(ranked, said, truth, matches, 0.3)
    rows, columns = np.nonzero(~np.isnan(said) & (matches > 0)[:, None])
    distance, p, same = ranked.distances[rows, columns], said[rows, columns], truth[rows, columns]
    assert (judged.pairs, judged.positive) == (len(rows), same.sum())
    scores = (-distance, p, -(0.7 * distance + 0.6 * (1 - p)))
    expected = [naive_area(each, same) for each in scores]
    assert (judged.distance, judged.alone, judged.fused) == pytest.approx(tuple(expected))
    assert judged.gain[0] <= expected[2] - expected[0] <= judged.gain[1]


def test_only_the_columns_that_were_asked_and_no_padding_take_part() -> None:
    ranked, truth, matches = drawn(5)
    said = np.random.default_rng(5).random(truth.shape)
    asked = measure_pair_verification(ranked.top(4), said[:, :4], truth[:, :4], matches, 0.4)
    longer = measure_pair_verification(ranked, said[:, :4], truth[:, :4], matches, 0.4)
    padded = np.concatenate([ranked.distances[:, :4], np.full((len(ranked), 2), np.inf)], axis=1)
    none, unsure = np.zeros((len(ranked), 2), dtype=bool), np.full((len(ranked), 2), 0.9)
    wide = measure_pair_verification(
        listed(padded), np.hstack([said[:, :4], unsure]), np.hstack([truth[:, :4], none]), matches, 0.4
    )
    assert asked == longer == wide


def test_draws_without_a_match_in_view_are_left_out_of_the_interval() -> None:
    # Both queries have matches, but only the first has one within the list: a quarter of the draws hold query 1 twice
    # and have no area.
    ranked = listed([[0.2, 0.4], [0.1, 0.3]])
    truth = np.array([[False, True], [False, False]])
    judged = measure_pair_verification(ranked, truth.astype(float), truth, np.array([1, 2]), 1.0)
    # Before: 0.4 against 0.2, 0.1 and 0.3 loses all; after: wins all.
    assert (judged.distance, judged.fused, judged.gain) == (0.0, 1.0, (1.0, 1.0))
    assert judged.rank1 == (0.0, 0.5)
    assert judged.share_of_oracle_gain == 1.0


def test_no_query_with_a_match_is_refused() -> None:
    ranked, truth, _ = drawn(6)
    with pytest.raises(DataError, match="pairs of one person and pairs of two"):
        measure_pair_verification(ranked, np.full(truth.shape, 0.5), truth, np.zeros(len(truth), dtype=int), 0.5)


def test_intervals_are_the_same_every_time() -> None:
    ranked, truth, matches = drawn(7)
    said = np.random.default_rng(7).random(truth.shape)

    def measured() -> PairVerification:
        return measure_pair_verification(ranked, said, truth, matches, 0.4)

    assert measured() == measured()


def test_areas_by_name_are_those_of_each_score_alone() -> None:
    random = np.random.default_rng(0)
    truth = random.random((40, 6)) < 0.4
    good, bad = truth + random.normal(size=truth.shape), random.normal(size=truth.shape)
    good[0, 0] = np.nan
    rows = np.arange(5, 40)
    found = pair_areas({"bad": bad, "good": good}, truth, rows, "bad")
    # No missing value among these rows; every pair of a right and a wrong candidate counted one by one.
    for name, scores in (("bad", bad), ("good", good)):
        right, wrong = scores[5:][truth[5:]], scores[5:][~truth[5:]]
        assert found[name]["area"] == pytest.approx(np.mean(right[:, None] > wrong[None, :]))
    low, high = found["good"]["gain"]  # type: ignore[misc]
    assert low < found["good"]["area"] - found["bad"]["area"] < high  # type: ignore[operator]
    assert low > 0
    assert pair_areas({"bad": bad}, np.ones_like(truth), rows, "bad") == {}
