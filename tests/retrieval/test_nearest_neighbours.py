"""The nearest neighbours found by tiles equal those of a full sort: ties, copies, tiles of any size."""

from __future__ import annotations

import numpy as np
import pytest

from reidr.errors import ReIDError
from reidr.retrieval.rerankers import nearest_lists
from reidr.retrieval.rerankers.nearest_lists import NearestLists
from reidr.retrieval.rerankers.neighbours import nearest_neighbours


def exact_rows(number: int, kinds: int, seed: int) -> np.ndarray:
    """Unit rows of four entries ±1/2 and four zeros, `kinds` different ones at most: all products are exact."""
    random = np.random.default_rng(seed)
    rows = np.zeros((kinds, 8), dtype=np.float32)
    for row in rows:
        row[random.choice(8, 4, replace=False)] = random.choice([-0.5, 0.5], 4)
    return rows[random.integers(0, kinds, number)]


def naive_neighbours(features: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """All squared distances in double precision, each row sorted whole, ties by position."""
    squared = 2 - 2 * features.astype(np.float64) @ features.T.astype(np.float64)
    return np.argsort(squared, axis=1, kind="stable")[:, :depth], squared.max(axis=1)


@pytest.mark.parametrize("seed", range(25))
def test_equal_a_full_sort_with_heavy_ties_and_copies_in_tiles_of_any_size(seed: int) -> None:
    random = np.random.default_rng(seed)
    number, kinds = int(random.integers(1, 260)), int(random.choice([1, 2, 7, 60, 1000]))
    depth = int(random.integers(1, min(number, 40) + 1))
    features = exact_rows(number, kinds, seed)
    wanted, farthest = naive_neighbours(features, depth)
    for _ in range(3):
        block, width = random.integers(1, 300, 2).tolist()
        found, largest = nearest_neighbours(features, depth, block, width)
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(largest, farthest)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_a_full_sort_of_features_that_do_not_tie(dtype: type) -> None:
    random = np.random.default_rng(0)
    features = random.standard_normal((900, 24))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(dtype)
    wanted, farthest = naive_neighbours(features, 21)
    found, largest = nearest_neighbours(features, 21, 128, 256)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(largest, farthest, atol=1e-6)


def test_rows_that_come_ever_nearer_fill_the_room_for_waiting_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    # On a circle, towards the last row: every later row is nearer to it than all before, so no bound keeps any out.
    monkeypatch.setattr(nearest_lists, "PENDING", 200)
    monkeypatch.setattr(nearest_lists, "CELLS", 50)
    angle = np.linspace(0, 3, 300)
    features = np.column_stack([np.cos(angle), np.sin(angle)])
    found, _ = nearest_neighbours(features, 5, 16, 32)
    place = np.arange(300)
    gap = np.abs(place[:, None] - place)
    for row in range(300):  # equally far to both sides but for rounding
        assert sorted(gap[row, found[row]].tolist()) == sorted(gap[row].tolist())[:5]


def test_copies_get_the_same_neighbours_wherever_tiles_end() -> None:
    random = np.random.default_rng(5)
    rows = random.standard_normal((40, 96)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    whose = random.integers(0, 40, 333)
    found, farthest = nearest_neighbours(rows[whose], 30, 17, 19)
    for kind in range(40):
        same = np.flatnonzero(whose == kind)
        assert (found[same] == found[same[:1]]).all()
        assert len(set(farthest[same].tolist())) <= 1
        if len(same):
            assert found[same[0], : len(same)].tolist() == same.tolist()


def test_cosines_above_one_are_rounding_and_keep_the_order_of_positions() -> None:
    features = np.repeat(np.array([[1.0, 0.0]]), 6, axis=0)
    features[:, 0] += np.array([0, 5, 3, 1, 4, 2]) * 1e-4  # all differ, all products are above 1 or 1
    found, _ = nearest_neighbours(features, 4, 2, 3)
    assert found.tolist() == [[0, 1, 2, 3]] * 6


def test_lists_hold_what_arrived_in_order() -> None:
    lists = NearestLists(3, 2, np.dtype(np.float64))
    lists.add(np.array([1, 1, 2], np.int32), np.array([0, 4, 4], np.int32), np.array([0.5, 0.25, 7.0]))
    lists.sort_in()
    assert lists.positions.tolist() == [[-1, -1], [4, 0], [4, -1]]
    assert lists.bounds.tolist() == [np.inf, 0.5, np.inf]
    lists.add(np.array([1, 2, 2], np.int32), np.array([5, 5, 6], np.int32), np.array([0.25, 7.0, 1.0]))
    lists.sort_in()
    assert lists.positions.tolist() == [[-1, -1], [4, 5], [6, 4]]


@pytest.mark.parametrize("tile", [(0, 5), (5, 0)])
def test_a_tile_without_rows_or_columns_is_refused(tile: tuple[int, int]) -> None:
    with pytest.raises(ReIDError, match="must be"):
        nearest_neighbours(np.eye(3), 2, *tile)
