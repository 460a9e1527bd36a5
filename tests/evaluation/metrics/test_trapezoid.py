"""Average precision as the evaluation code of Market-1501 computes it, against a literal port and by hand."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reidr.evaluation import evaluate_features, evaluate_ranking


def compute_ap(good_image: set[int], junk_image: set[int], index: list[int]) -> float:
    """`compute_AP.m` of the Market-1501 baseline (Zheng et al. 2015), line by line."""
    old_recall, old_precision, ap = 0.0, 1.0, 0.0
    intersect_size, j, good_now = 0, 0, 0
    for image in index:
        flag = 0
        if image in good_image:
            flag = 1
            good_now += 1
        if image in junk_image:
            continue
        if flag == 1:
            intersect_size += 1
        recall = intersect_size / len(good_image)
        precision = intersect_size / (j + 1)
        ap += (recall - old_recall) * ((old_precision + precision) / 2)
        old_recall, old_precision = recall, precision
        j += 1
        if good_now == len(good_image):
            break
    return ap


def of_ranks(ranks: list[int], gallery: int, **more) -> float:
    persons = [1 if place + 1 in ranks else 2 for place in range(gallery)]
    return evaluate_ranking([list(range(gallery))], [1], persons, None, None, **more).mean_average_precision


@pytest.mark.parametrize(
    ("ranks", "exact", "trapezoid"),
    [
        ([1], 1.0, 1.0),
        ([2], 1 / 2, (1 / 2 + 0) / 2),  # precision 1/2 at the match, 0 before it
        ([1, 3], (1 + 2 / 3) / 2, ((1 + 1) / 2 + (2 / 3 + 1 / 2) / 2) / 2),
        ([1, 2, 4], (1 + 1 + 3 / 4) / 3, (1 + 1 + (3 / 4 + 2 / 3) / 2) / 3),
        ([3, 4], (1 / 3 + 2 / 4) / 2, (1 / 3 / 2 + (2 / 4 + 1 / 3) / 2) / 2),
    ],
)
def test_by_hand(ranks: list[int], exact: float, trapezoid: float) -> None:
    assert of_ranks(ranks, 5) == pytest.approx(exact, abs=1e-15)
    assert of_ranks(ranks, 5, average_precision="trapezoid") == pytest.approx(trapezoid, abs=1e-15)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 25), st.sampled_from(["pessimistic", "optimistic", "expected"]))
def test_as_the_port_does_with_junk_and_cameras(seed: int, gallery: int, ties: str) -> None:
    random = np.random.default_rng(seed)
    distances = random.permutation(gallery).astype(float)  # no ties: all policies agree
    persons, cameras = random.integers(-1, 3, gallery), random.integers(0, 3, gallery)
    good = {int(i) for i in np.flatnonzero((persons == 1) & (cameras != 0))}
    if not good:
        return
    junk = {int(i) for i in np.flatnonzero(((persons == 1) & (cameras == 0)) | (persons == -1))}
    result = evaluate_ranking([distances], [1], persons, [0], cameras, ties=ties, average_precision="trapezoid")
    assert result.rule == "trapezoid"
    assert result.mean_average_precision == pytest.approx(compute_ap(good, junk, np.argsort(distances).tolist()))
    exact = evaluate_ranking([distances], [1], persons, [0], cameras, ties=ties)
    assert result.mean_average_precision <= exact.mean_average_precision + 1e-12
    np.testing.assert_array_equal(result.hits, exact.hits)


@pytest.mark.parametrize(("persons", "distances"), [
    ([1, 2, 1, 2], [1, 1, 1, 1]),
    ([1, 2, 2, 1, 1], [0, 1, 1, 1, 2]),
    ([2, 1, 2, 1, 2], [0, 1, 1, 1, 1]),
])  # fmt: skip
def test_expected_ties_are_the_mean_over_all_orders(persons: list[int], distances: list[int]) -> None:
    orders = [
        order for order in permutations(range(len(persons))) if sorted(distances) == [distances[i] for i in order]
    ]
    good = {place for place, person in enumerate(persons) if person == 1}
    wanted = np.mean([compute_ap(good, set(), list(order)) for order in orders])
    found = evaluate_ranking([distances], [1], persons, None, None, ties="expected", average_precision="trapezoid")
    assert found.mean_average_precision == pytest.approx(wanted, abs=1e-12)


def test_features_and_the_default() -> None:
    features = np.eye(4, dtype=np.float32)
    query = np.array([[0.6, 0.8, 0.0, 0.0]], dtype=np.float32)
    plain = evaluate_features(query, features, [1], [1, 2, 1, 2], None, None)
    assert plain.rule == "exact"
    # Ranks 2 and (behind the tie) 4: 1/2, 2/4; before them 0 and 1/3.
    assert plain.mean_average_precision == pytest.approx((1 / 2 + 2 / 4) / 2)
    other = evaluate_features(query, features, [1], [1, 2, 1, 2], None, None, average_precision="trapezoid")
    assert other.mean_average_precision == pytest.approx(((1 / 2 + 0) / 2 + (2 / 4 + 1 / 3) / 2) / 2)
