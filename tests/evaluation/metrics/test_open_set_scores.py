"""Open-set scores on synthetic scenes whose distances differ in scale: thresholds of one must hold on the other."""

from __future__ import annotations

import numpy as np
import pytest

from reidr.errors import ReIDError
from reidr.evaluation.metrics.open_set import open_set_errors, searches_of, threshold_at
from reidr.evaluation.metrics.open_set_scores import (
    carried_over,
    choose_score,
    choose_score_across,
    normalised_list,
    rescored,
    thresholds_for,
)
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.score_normalisation import cohort_normalised, normalised_distances, z_norm

PEOPLE, CROPS = 200, 60


def scene(seed: int, *, middle: float = 1.0, spread: float = 0.05):
    """Searches of 200 people, every other one enrolled; wrong candidates' distances are normal around `middle`."""
    random = np.random.default_rng(seed)
    distances = middle + spread * random.normal(size=(PEOPLE, CROPS))
    persons = [f"other {i}" for i in range(CROPS - 1)] + ["right"]
    mated = np.arange(PEOPLE) % 2 == 0
    distances[mated, -1] -= 5 * spread
    order = np.argsort(distances, axis=1)
    ranked = RankedList(
        tuple(f"q{i}" for i in range(PEOPLE)),
        tuple(f"g{i}" for i in range(CROPS)),
        order,
        np.take_along_axis(distances, order, axis=1),
    )
    return ranked, ["right"] * PEOPLE, persons, mated


def searches(made, normalised: bool):
    ranked, query, gallery, mated = made
    return searches_of(normalised_list(ranked) if normalised else ranked, query, gallery, mated)


def test_the_neighbourhood_by_hand():
    ranked = RankedList(("q",), tuple("abcde"), np.array([[0, 1, 2, 3, 4]]), np.array([[1.0, 2.0, 4.0, 6.0, 8.0]]))
    # Ranks 2 to 4: 2, 4, 6; mean 4, variance (4 + 0 + 4) / 3.
    mean, spread = z_norm(ranked, 2, 4)
    assert mean.tolist() == [4.0]
    assert spread[0] == pytest.approx(np.sqrt(8 / 3))
    np.testing.assert_allclose(normalised_distances(ranked, 2, 4)[0] * spread[0], [-3, -2, 0, 2, 4])
    # The cohort 0, 2, 4: mean 2, variance 8 / 3.
    np.testing.assert_allclose(cohort_normalised(ranked, [[0.0, 2.0, 4.0]])[0] * spread[0], [-1, 0, 2, 4, 6])


def test_neither_scale_nor_shift_moves_a_normalised_distance():
    ranked, *_ = scene(0)
    other = RankedList(ranked.query_ids, ranked.gallery_ids, ranked.indices, 0.3 + 4 * ranked.distances)
    np.testing.assert_allclose(normalised_distances(ranked), normalised_distances(other), atol=1e-8)
    np.testing.assert_array_equal(normalised_list(ranked).indices, ranked.indices)


def test_thresholds_carry_over_between_scenes_only_when_normalised():
    home, abroad = scene(0), scene(1, middle=0.8, spread=0.1)
    raw = carried_over(searches(abroad, False), thresholds_for(searches(home, False)))["0.1"]
    normalised = carried_over(searches(abroad, True), thresholds_for(searches(home, True)))["0.1"]
    assert raw.false_positive > 0.9
    assert normalised.false_positive < 0.25
    assert normalised.false_negative < 0.2


def test_the_choice_is_the_score_that_misses_least():
    made = scene(0)
    random = np.random.default_rng(0)
    noise = rescored(made[0], random.random((PEOPLE, CROPS)), "noise")
    candidates = {"noise": searches_of(noise, *made[1:]), "distance": searches(made, False)}
    found = choose_score(candidates, 0.1)
    assert found.name == "distance"
    assert dict(found.missed)["noise"] > 0.5 > dict(found.missed)["distance"]
    # With 100 non-mated searches an FPIR of 1 % is one alarm: it can be told, 0.5 % cannot.
    assert set(found.thresholds) == {"0.01", "0.05", "0.1"}
    assert set(thresholds_for(candidates["distance"], (0.005, 0.01))) == {"0.01"}
    for wanted, threshold in found.thresholds.items():
        assert open_set_errors(candidates["distance"], threshold).false_positive <= float(wanted)
        assert threshold == threshold_at(candidates["distance"], float(wanted))


def test_the_choice_across_scenes_prefers_what_carries_over():
    scenes = [scene(0), scene(1, middle=0.8, spread=0.1), scene(2, middle=1.1, spread=0.03)]
    table = [{"distance": searches(made, False), "normalised": searches(made, True)} for made in scenes]
    best, found = choose_score_across(table, 0.1)
    assert best == "normalised"
    assert found["distance"][0] > 0.9 > 0.3 > found["normalised"][0]
    with pytest.raises(ReIDError, match="two training scenes"):
        choose_score_across(table[:1])


def test_rescoring_sorts_and_refuses_what_does_not_fit():
    ranked = RankedList(("q", "r"), tuple("abc"), np.array([[0, 1, 2], [2, 1, -1]]),
                        np.array([[1.0, 2.0, 3.0], [1.0, 2.0, np.inf]]))  # fmt: skip
    found = rescored(ranked, np.array([[3.0, -1.0], [0.0, -5.0]]), "s")
    assert found.indices.tolist() == [[1, 0], [1, 2]]
    assert found.distances.tolist() == [[-1, 3], [-5, 0]]
    with pytest.raises(ReIDError, match="rank 2 is infinite or NaN"):
        rescored(ranked, np.array([[3.0, np.nan], [0.0, 1.0]]), "s")
    padded = rescored(ranked, np.array([[1.0, 2.0, 3.0], [2.0, 1.0, np.nan]]), "s")
    assert padded.indices.tolist() == [[0, 1, 2], [1, 2, -1]]


def test_too_small_a_neighbourhood_is_refused():
    ranked, *_ = scene(0)
    with pytest.raises(ReIDError, match="needs 3"):
        z_norm(ranked.top(12), 11, 50)
    with pytest.raises(ReIDError, match="no range"):
        z_norm(ranked, 0, 5)
    flat = RankedList(("q",), tuple("abcd"), np.array([[0, 1, 2, 3]]), np.ones((1, 4)))
    with pytest.raises(ReIDError, match="one distance"):
        z_norm(flat, 1, 4)
    with pytest.raises(ReIDError, match="cohort"):
        cohort_normalised(flat, np.ones((2, 5)))
