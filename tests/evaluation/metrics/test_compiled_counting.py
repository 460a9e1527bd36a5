"""The compiled counting gives, bit for bit, what plain NumPy gives."""

from __future__ import annotations

import numpy as np
import pytest
from naive_ranking import POLICIES, random_case, table

from reidr.errors import ReIDError
from reidr.evaluation.metrics.counting import negative_counts as counting
from reidr.evaluation.metrics.ranking import evaluate_features, evaluate_ranking

pytest.importorskip("numba", reason="numba is not installed (pip install 'reidr[fast]')")


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Compiled whatever the size; rows of each compiled call are noted."""
    rows: list[int] = []
    count = counting.compiled_counter()
    assert count is not None

    def noted(block: np.ndarray, *rest: object) -> int:
        rows.append(len(block))
        return count(block, *rest)

    monkeypatch.setattr(counting, "WORTH_COMPILING", 0)
    monkeypatch.setattr(counting, "compiled_counter", lambda: noted)
    return rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ties", POLICIES)
@pytest.mark.parametrize("seed", range(6))
def test_equals_numpy(seed: int, ties: str, dtype: type, used: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    case = random_case(seed, queries=9, gallery=9000, levels=(40, 10**6)[seed % 2])
    case |= {"distances": np.asarray(case["distances"]).astype(dtype), "clothes": None, "junk": None, "ignored": None}
    names = ["a", "b", "c", *map(str, range(300))]
    case["gallery_ids"] = np.random.default_rng(seed).choice(names, 9000).tolist()
    found = table(evaluate_ranking(**case, ties=ties))
    assert sum(used) == 9 * (2 if ties == "expected" else 1)
    monkeypatch.setattr(counting, "WORTH_COMPILING", 10**12)
    np.testing.assert_array_equal(found, table(evaluate_ranking(**case, ties=ties)))


def test_features_give_what_their_matrix_gives(used: list[int]) -> None:
    random = np.random.default_rng(4)
    query, gallery = (random.choice([-0.25, 0.25], (n, 16)).astype(np.float32) for n in (12, 40))
    case = random_case(5, gallery=40)
    del case["distances"]
    case |= {"clothes": None, "junk": None, "ignored": None}
    found = evaluate_features(query, gallery, **case, block=5)
    assert sum(used) == 12
    np.testing.assert_array_equal(table(found), table(evaluate_ranking(1 - query @ gallery.T, **case)))


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_a_distance_that_is_no_number_is_named(bad: float, used: list[int]) -> None:
    distances = np.random.default_rng(0).random((3, 6000))
    distances[1, 5000] = bad
    persons = [f"{item % 3}" for item in range(6000)]
    cameras = ["2"] * 6000
    with pytest.raises(ReIDError, match=f"query 1 to gallery crop 5000 is {bad}"):
        evaluate_ranking(distances, ["0", "1", "2"], [*persons[:30], *["x"] * 5970], ["1"] * 3, cameras)
    assert used


def test_infinitely_far_crops_count_as_far(used: list[int]) -> None:
    # Wrong at 1, and a match and a wrong crop that share +inf: pessimistic rank 3.
    distances = np.array([[np.inf, 1.0, np.inf]])
    result = evaluate_ranking(distances, ["a"], ["a", "b", "c"], ["1"], ["2", "2", "2"])
    assert result.first_match_rank[0] == 3
    assert used == [1]


def test_many_matches_of_one_query_are_left_to_numpy(used: list[int]) -> None:
    distances = np.random.default_rng(0).random((1, 300))
    evaluate_ranking(distances, ["a"], ["a"] * 100 + ["b"] * 200, ["1"], ["2"] * 300)
    assert not used
