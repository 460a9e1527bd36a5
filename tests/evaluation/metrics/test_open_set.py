"""Open-set errors: one gallery worked by hand, and plain loops on random lists with ties and unknown persons."""

from __future__ import annotations

import numpy as np
import pytest

from reidr.errors import ReIDError
from reidr.evaluation.metrics.open_set import open_set_curve, open_set_errors, searches_of, threshold_at
from reidr.retrieval.ranked_list import RankedList

GALLERY = ("anna", "anna", "ben", "carl", None)
# Five searches, each with its candidates (gallery position, distance); dora and emil are not enrolled.
LISTS = {
    "anna": [(0, 0.2), (2, 0.5), (1, 0.6)],
    "ben": [(0, 0.3), (1, 0.4), (2, 0.5)],
    "carl": [(4, 0.6), (3, 0.6), (0, 0.9)],
    "dora": [(2, 0.4), (3, 0.7), (0, 0.8)],
    "emil": [(3, 0.8), (0, 0.9), (1, 1.0)],
}


def worked():
    ranked = RankedList(
        tuple(f"query {name}" for name in LISTS),
        tuple(f"crop {i}" for i in range(5)),
        np.array([[index for index, _ in entries] for entries in LISTS.values()]),
        np.array([[distance for _, distance in entries] for entries in LISTS.values()]),
    )
    return searches_of(ranked, tuple(LISTS), GALLERY)


def test_the_searches_by_hand():
    found = worked()
    # Enrolled: anna, ben, carl and the unknown crop. ben's two nearest crops are both anna's, so ben is second.
    # carl ties with the unknown crop at 0.6, which counts against him.
    assert found.enrolled == 4
    assert found.mated.tolist() == [True, True, True, False, False]
    assert found.match_rank.tolist() == [1, 2, 2, np.inf, np.inf]
    assert found.match.tolist() == [0.2, 0.5, 0.6, np.inf, np.inf]
    assert found.nearest.tolist() == [0.2, 0.3, 0.6, 0.4, 0.8]


@pytest.mark.parametrize(
    ("threshold", "rank", "false_negative", "false_positive"),
    [
        # T = 0.5: dora's nearest, 0.4, alarms, emil's not. R = 1: only anna. R = 2: ben at 0.5 too; carl is beyond T.
        (0.5, 1, 2 / 3, 1 / 2),
        (0.5, 2, 1 / 3, 1 / 2),
        (0.1, 3, 1.0, 0.0),
        (0.6, 2, 0.0, 1 / 2),
        (np.inf, 1, 2 / 3, 1.0),
    ],
)
def test_errors_by_hand(threshold, rank, false_negative, false_positive):
    found = open_set_errors(worked(), threshold, rank=rank)
    assert found.false_negative == pytest.approx(false_negative)
    assert found.false_positive == pytest.approx(false_positive)
    assert (found.rank, found.enrolled, found.mated, found.non_mated) == (rank, 4, 3, 2)


def test_the_threshold_by_hand():
    # Non-mated nearest: 0.4 and 0.8. None may alarm: T just below 0.4; one of two: just below 0.8; both: any T.
    found = worked()
    assert threshold_at(found, 0.0) == np.nextafter(0.4, 0)
    assert threshold_at(found, 0.49) == np.nextafter(0.4, 0)
    assert threshold_at(found, 0.5) == np.nextafter(0.8, 0)
    assert threshold_at(found, 1.0) == np.inf


def random_searches(seed, queries=60, gallery=40, k=15):
    random = np.random.default_rng(seed)
    persons = [f"p{i}" for i in range(12)]
    enrolled = [None if random.random() < 0.2 else persons[random.integers(8)] for _ in range(gallery)]
    wanted = [persons[random.integers(12)] for _ in range(queries)]
    distances = random.integers(0, 12, (queries, gallery)) / 10
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    near = np.take_along_axis(distances, order, axis=1)
    ranked = RankedList(tuple(map(str, range(queries))), tuple(map(str, range(gallery))), order, near)
    return ranked, wanted, enrolled


def errors_by_loops(ranked, wanted, enrolled, threshold, rank):
    missed, alarms = [], []
    for row, person in enumerate(wanted):
        best = {}
        for index, distance in zip(ranked.indices[row].tolist(), ranked.distances[row].tolist(), strict=True):
            name = enrolled[index] or f"unknown {index}"
            best.setdefault(name, distance)
        if person in enrolled:
            found = best.get(person, np.inf)
            ahead = sum(distance <= found for name, distance in best.items() if name != person)
            missed.append(not (found <= threshold and ahead + 1 <= rank))
        else:
            alarms.append(any(distance <= threshold for distance in best.values()))
    return np.mean(missed), np.mean(alarms)


@pytest.mark.parametrize("seed", range(4))
def test_errors_equal_plain_loops(seed):
    ranked, wanted, enrolled = random_searches(seed, k=40)
    found = searches_of(ranked, wanted, enrolled)
    for threshold in (0.0, 0.1, 0.25, 0.4, 2.0):
        for rank in (1, 3, 10):
            errors = open_set_errors(found, threshold, rank=rank)
            expected = errors_by_loops(ranked, wanted, enrolled, threshold, rank)
            assert (errors.false_negative, errors.false_positive) == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 2, 4, 8, 15, 39])
def test_a_list_that_is_cut_short_gives_the_errors_of_the_whole_list_or_is_refused(k):
    # Distances without ties: what stands behind the end is farther than all that is listed.
    whole, wanted, enrolled = random_searches(5, k=40)
    distances = np.sort(np.random.default_rng(k).random((60, 40)), axis=1)
    whole = RankedList(whole.query_ids, whole.gallery_ids, whole.indices, distances)
    found = searches_of(whole.top(k), wanted, enrolled)
    answered = 0
    for threshold in (0.0, 0.01, 0.1, 0.4, 2.0):
        for rank in range(1, min(k, 6) + 1):
            try:
                errors = open_set_errors(found, threshold, rank=rank)
            except ReIDError as error:
                assert "list more candidates" in str(error)  # noqa: PT017
                assert rank > 1
                continue
            answered += 1
            expected = errors_by_loops(whole, wanted, enrolled, threshold, rank)
            assert (errors.false_negative, errors.false_positive) == pytest.approx(expected)
    assert answered >= 5


def test_one_person_who_fills_the_list_is_one_candidate():
    # Gallery b, b, b, a by distance; anna's search at any T. Among identities anna is second: FNIR 0 at rank 2, which
    # a list of two or three crops cannot tell. Zoe is not enrolled.
    def searches(depth):
        both = np.arange(4)[None].repeat(2, axis=0)
        ranked = RankedList(("q", "z"), tuple("wxyz"), both, both.astype(float))
        return searches_of(ranked.top(depth), ("anna", "zoe"), ("ben", "ben", "ben", "anna"))

    assert open_set_errors(searches(4), 9.0, rank=2).false_negative == 0
    for depth in (2, 3):
        with pytest.raises(ReIDError, match=rf"not known for search 0 .*its {depth} listed crops show 1 identities"):
            open_set_errors(searches(depth), 9.0, rank=2)
        # Whoever is not listed is farther than what is: beyond T = 0.5 in any case.
        assert open_set_errors(searches(depth), 0.5, rank=2).false_negative == 1
        assert open_set_errors(searches(depth), 9.0, rank=1).false_negative == 1


def test_junk_is_nobody():
    ranked = RankedList(("q", "z"), tuple("vwxyz"), np.array([[1], [1]]), np.array([[0.5], [0.5]]))
    # anna, an unknown person, and three crops of junk, marked in each way.
    persons = ["anna", None, "-1", None, None]
    junk = [False, False, False, True, True]
    assert searches_of(ranked, ("anna", "zoe"), persons, junk=junk).enrolled == 2
    assert searches_of(ranked, (1, 9), (1, 2, 2, -1, -1)).enrolled == 2


@pytest.mark.parametrize("wanted_rate", [0.0, 0.05, 0.3, 0.7, 1.0])
def test_the_threshold_is_the_largest_that_keeps_the_rate(wanted_rate):
    ranked, wanted, enrolled = random_searches(9, queries=300, gallery=12, k=4)
    found = searches_of(ranked, wanted, enrolled)
    threshold = threshold_at(found, wanted_rate)
    assert open_set_errors(found, threshold).false_positive <= wanted_rate
    if np.isfinite(threshold):
        assert open_set_errors(found, np.nextafter(threshold, np.inf)).false_positive > wanted_rate


def test_the_curve_falls_and_passes_through_its_own_thresholds():
    ranked, wanted, enrolled = random_searches(10, queries=300, gallery=12, k=12)
    found = searches_of(ranked, wanted, enrolled)
    curve = open_set_curve(found, rank=2)
    assert curve[0].false_positive == 0
    assert curve[-1].false_positive == 1
    assert (np.diff([point.false_positive for point in curve]) > 0).all()
    assert (np.diff([point.false_negative for point in curve]) <= 0).all()
    for rate in (0.1, 0.5):
        at = open_set_errors(found, threshold_at(found, rate), rank=2)
        assert at in curve


def test_a_search_with_nothing_listed_returns_nobody():
    ranked = RankedList(("a", "b"), ("x",), np.array([[0], [-1]]), np.array([[0.5], [np.inf]]))
    found = searches_of(ranked, ("anna", "zoe"), ("anna",))
    assert open_set_errors(found, np.inf).false_positive == 0


def test_ignored_matches_make_a_search_non_mated():
    ranked, wanted, enrolled = random_searches(11)
    mated = np.zeros(60, dtype=bool)
    mated[[i for i, person in enumerate(wanted) if person in enrolled][:5]] = True
    assert open_set_errors(searches_of(ranked, wanted, enrolled, mated), 0.2).mated == 5


def test_bad_input_is_refused():
    ranked, wanted, enrolled = random_searches(12)
    with pytest.raises(ReIDError, match="60 of 60 searches are mated"):
        searches_of(ranked, wanted, enrolled, np.ones(60, dtype=bool))
    with pytest.raises(ReIDError, match="59 query and 40 gallery persons"):
        searches_of(ranked, wanted[1:], enrolled)
    found = searches_of(ranked, wanted, enrolled)
    with pytest.raises(ReIDError, match="rank 16 is not within the 15 candidates"):
        open_set_errors(found, 0.5, rank=16)
    with pytest.raises(ReIDError, match=r"must lie in \[0, 1\], not 2"):
        threshold_at(found, 2)
