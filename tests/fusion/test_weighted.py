from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from reidr.errors import ReIDError
from reidr.fusion.weighted import choose_weight, fuse
from reidr.retrieval.ranked_list import RankedList

SEEDS = range(12)


def ranked_list(rows: list[list[float]], gallery: int | None = None) -> RankedList:
    """A ranked list with the given distances whose candidates are 0, 1, 2 … in every row."""
    count = len(rows[0])
    gallery_ids = tuple(f"g{i}" for i in range(gallery or count))
    return RankedList(
        tuple(f"q{i}" for i in range(len(rows))), gallery_ids, np.tile(np.arange(count), (len(rows), 1)), rows
    )


def random_case(seed: int) -> tuple[RankedList, NDArray[np.float64], NDArray[np.bool_], int]:
    """8 queries, 12 candidates, tied distances among them; probabilities and truth for the first m."""
    rng = np.random.default_rng(seed)
    indices = np.stack([rng.permutation(40)[:12] for _ in range(8)])
    distances = np.sort(rng.integers(2, 18, (8, 12)) / 10, axis=1)
    m = int(rng.integers(1, 13))
    ranked = RankedList(tuple(f"q{i}" for i in range(8)), tuple(f"g{i}" for i in range(40)), indices, distances)
    return ranked, rng.random((8, m)), rng.random((8, m)) < 0.4, m


def test_the_formula_by_hand() -> None:
    # w = 0.25: 0.75·0.4 + 0.25·2·(1 - 0.1) = 0.30 + 0.45 = 0.75
    #           0.75·0.6 + 0.25·2·(1 - 0.9) = 0.45 + 0.05 = 0.50
    # so the second moves to the front; the row is shifted by 0.6 - 0.75 = -0.15 to end where rank 2 ended.
    fused = fuse(ranked_list([[0.4, 0.6, 1.0]]), np.array([[0.1, 0.9]]), 0.25)
    assert fused.indices.tolist() == [[1, 0, 2]]
    np.testing.assert_allclose(fused.distances, [[0.35, 0.6, 1.0]])
    assert fused.made_by == ("reasoner weight=0.25 k=2",)


def test_a_missing_probability_keeps_the_plain_distance() -> None:
    # w = 1: entry 0 keeps 0.4; entry 1 becomes 2·(1 - 0.9) = 0.2 and passes it; entry 2 becomes 2·(1 - 0.5) = 1.0.
    fused = fuse(ranked_list([[0.4, 0.6, 0.7]]), np.array([[np.nan, 0.9, 0.5]]), 1.0)
    assert fused.indices.tolist() == [[1, 0, 2]]
    np.testing.assert_allclose(np.diff(fused.distances), [[0.2, 0.6]])


@pytest.mark.parametrize("seed", SEEDS)
def test_agrees_with_a_plain_loop(seed: int) -> None:
    ranked, probabilities, _, m = random_case(seed)
    probabilities[0, 0] = np.nan
    weight = seed / len(SEEDS)
    fused = fuse(ranked, probabilities, weight)
    for q in range(8):
        keyed = []
        for j in range(m):
            d, p = ranked.distances[q, j], probabilities[q, j]
            keyed.append((d if np.isnan(p) else (1 - weight) * d + weight * 2 * (1 - p), j))
        assert fused.indices[q, :m].tolist() == [int(ranked.indices[q, j]) for _, j in sorted(keyed)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_perfect_verifier_puts_all_true_matches_of_the_top_k_first(seed: int) -> None:
    ranked, _, truth, m = random_case(seed)
    fused = fuse(ranked, truth.astype(float), 1.0)
    for q in range(8):
        matches = set(ranked.indices[q, :m][truth[q]].tolist())
        assert set(fused.indices[q, : len(matches)].tolist()) == matches


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("constant", [0.0, 0.37, 1.0])
def test_a_constant_verifier_changes_no_order(seed: int, constant: float) -> None:
    ranked, probabilities, _, _ = random_case(seed)
    for weight in (0.0, 0.3, 1.0):
        fused = fuse(ranked, np.full_like(probabilities, constant), weight)
        np.testing.assert_array_equal(fused.indices, ranked.indices)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_beyond_rank_m_moves_and_weight_zero_moves_nothing(seed: int) -> None:
    ranked, probabilities, _, m = random_case(seed)
    fused = fuse(ranked, probabilities, 0.8)
    np.testing.assert_array_equal(fused.indices[:, m:], ranked.indices[:, m:])
    np.testing.assert_array_equal(fused.distances[:, m:], ranked.distances[:, m:])
    np.testing.assert_array_equal(np.sort(fused.indices[:, :m]), np.sort(ranked.indices[:, :m]))
    np.testing.assert_array_equal(fuse(ranked, probabilities, 0.0).indices, ranked.indices)


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_padded_entries_stay_at_the_end(weight: float) -> None:
    ranked = RankedList(("q",), ("a", "b"), [[1, 0, -1]], [[0.2, 0.4, np.inf]])
    fused = fuse(ranked, np.array([[0.1, 0.9, 0.5]]), weight)
    assert fused.indices[0, 2] == -1
    assert np.isposinf(fused.distances[0, 2])
    assert fused.indices[0, :2].tolist() == ([1, 0] if weight == 0 else [0, 1])


@pytest.mark.parametrize(
    ("probabilities", "weight", "message"),
    [
        ([[0.5, 0.5, 0.5]], 0.5, "do not fit"),
        ([[0.5], [0.5]], 0.5, "do not fit"),
        ([0.5, 0.5], 0.5, "do not fit"),
        ([[0.5, 1.2]], 0.5, "of query q0 at rank 2 lies outside"),
        ([[-0.1, 0.2]], 0.5, "at rank 1"),
        ([[0.5, 0.5]], 1.5, "weight"),
        ([[0.5, 0.5]], float("nan"), "weight"),
    ],
)
def test_bad_input_is_refused(probabilities: list[list[float]], weight: float, message: str) -> None:
    with pytest.raises(ReIDError, match=message):
        fuse(ranked_list([[0.4, 0.6]]), np.array(probabilities), weight)


def test_distances_of_another_scale_are_refused() -> None:
    with pytest.raises(ReIDError, match="above 2"):
        fuse(ranked_list([[0.4, 5.0]]), np.array([[0.5, 0.5]]), 0.5)


def test_choose_weight_by_hand() -> None:
    # One query, distances 0.2, 0.4, 0.6; only the last is right; p = 0, 0.5, 1.
    # fused(w) = (1-w)·d + 2w(1-p): w=0 -> .2 .4 .6 (right at rank 3, AP 1/3);
    # w=0.2 -> .56 .52 .48 (right first, AP 1); w=1 -> 2 1 0 (AP 1). The smallest of the best is 0.2.
    choice = choose_weight(
        ranked_list([[0.2, 0.4, 0.6]]), np.array([[0.0, 0.5, 1.0]]), np.array([[False, False, True]]), (0.0, 0.2, 1.0)
    )
    assert choice.weight == 0.2
    np.testing.assert_allclose(choice.grid, [(0.0, 1 / 3, 0.0), (0.2, 1.0, 1.0), (1.0, 1.0, 1.0)])


def test_choose_weight_gives_a_saturated_verifier_nothing_for_its_ties() -> None:
    # w=1 with equal probabilities ties both candidates: the match counts as last, so the retriever alone wins.
    ranked = ranked_list([[0.2, 0.4]])
    choice = choose_weight(ranked, np.array([[1.0, 1.0]]), np.array([[True, False]]), (0.0, 1.0))
    assert choice.weight == 0.0
    np.testing.assert_allclose(choice.grid, [(0.0, 1.0, 1.0), (1.0, 0.5, 0.0)])


@pytest.mark.parametrize("seed", SEEDS)
def test_choose_weight_agrees_with_a_plain_loop(seed: int) -> None:
    ranked, probabilities, truth, m = random_case(seed)
    truth[0, 0] = True
    weights = (0.0, 0.1, 0.5, 1.0)
    for weight, mean_average_precision, rank1 in choose_weight(ranked, probabilities, truth, weights).grid:
        precisions, firsts = [], []
        for q in range(8):
            if not truth[q].any():
                continue
            fused = [
                ((1 - weight) * ranked.distances[q, j] + weight * 2 * (1 - probabilities[q, j]), bool(truth[q, j]))
                for j in range(m)
            ]
            hits = [hit for _, hit in sorted(fused)]
            firsts.append(hits[0])
            precisions.append(np.mean([sum(hits[: i + 1]) / (i + 1) for i in range(m) if hits[i]]))
        assert mean_average_precision == pytest.approx(np.mean(precisions))
        assert rank1 == pytest.approx(np.mean(firsts))


def test_choose_weight_needs_a_match_and_weights() -> None:
    ranked, probabilities = ranked_list([[0.2, 0.4]]), np.array([[0.5, 0.5]])
    with pytest.raises(ReIDError, match="at least one query with a match"):
        choose_weight(ranked, probabilities, np.array([[False, False]]))
    with pytest.raises(ReIDError, match="equal shapes"):
        choose_weight(ranked, probabilities, np.array([[True]]))
    with pytest.raises(ReIDError, match="candidate weights"):
        choose_weight(ranked, probabilities, np.array([[True, False]]), ())
