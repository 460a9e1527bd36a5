"""How a row is counted is a question of time alone: every plan gives the counts of the naive twin."""

from __future__ import annotations

import numpy as np
import pytest
from naive_ranking import POLICIES, random_case, table

from reidr.errors import ReIDError
from reidr.evaluation.metrics.counting import negative_counts as counting
from reidr.evaluation.metrics.counting.row_plan import Costs, matches_to_sort
from reidr.evaluation.metrics.matching import LabelledCrops, find_matches
from reidr.evaluation.metrics.ranking import evaluate_features, evaluate_ranking
from reidr.retrieval.ranked_list import RankedList

COSTS = Costs(call=1e-6, compared=1e-10, copied=5e-10, sorted=1.5e-9)
FORCED = {
    "compared": lambda number, random: np.zeros_like(number),
    "sorted": lambda number, random: number.copy(),
    "any": lambda number, random: random.integers(0, number + 1),
}


@pytest.fixture(params=FORCED)
def forced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every row is counted by this plan, whatever it costs; comparisons are made three at a time."""
    random = np.random.default_rng(0)

    def plan(chunk: np.ndarray, distances: np.ndarray, bounds: np.ndarray) -> np.ndarray:
        return FORCED[request.param](np.diff(bounds), random)

    monkeypatch.setattr(counting, "matches_to_sort", plan)
    monkeypatch.setattr(counting, "MOST_AT_ONCE", 3)
    return str(request.param)


def naive_counts(distances: np.ndarray, right: np.ndarray, counts: np.ndarray) -> tuple[list[int], list[int]]:
    """For each match of one query, nearest first: wrong crops not farther, and nearer, one crop after another."""
    matches = sorted(distances[right & counts])
    wrong = distances[~right & counts]
    return [sum(w <= m for w in wrong) for m in matches], [sum(w < m for w in wrong) for m in matches]


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("levels", [1, 3, 50, 10**6])
def test_counts_equal_those_of_one_crop_after_another(levels: int, hidden: bool, forced: str) -> None:
    random = np.random.default_rng(levels)
    distances = random.integers(0, levels, (6, 700)).astype(np.float32)
    distances[random.random(distances.shape) < 0.05] = np.inf  # matches, wrong and hidden crops among them
    persons = random.choice(list("abcdefgh"), 700)
    ignored = random.random((6, 700)) < (0.3 if hidden else 0)
    queries = list("abcdex")
    matching = find_matches(LabelledCrops(queries), LabelledCrops(persons), ignored=ignored if hidden else None)
    counts = counting.NegativeCounts(matching, "expected")
    counts.add(distances, 0)
    for query, person in enumerate(queries):
        own = slice(counts.starts[query], counts.starts[query + 1])
        wanted = naive_counts(distances[query], persons == person, ~ignored[query])
        assert (counts.not_farther[own].tolist(), counts.nearer[own].tolist()) == wanted


@pytest.mark.parametrize("ties", POLICIES)
def test_every_plan_measures_the_same(ties: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = random_case(3, queries=7, gallery=4000, levels=30)
    tables = []
    for kind in FORCED:
        random = np.random.default_rng(1)
        monkeypatch.setattr(
            counting, "matches_to_sort", lambda c, d, bounds, kind=kind, r=random: FORCED[kind](np.diff(bounds), r)
        )
        tables.append(table(evaluate_ranking(**case, ties=ties)))
    np.testing.assert_array_equal(tables[0], tables[1])
    np.testing.assert_array_equal(tables[0], tables[2])


def test_features_with_cosines_beyond_one_and_a_reranked_list(forced: str) -> None:
    # Rows scaled up by rounding: their products exceed 1, which counts as 1.
    random = np.random.default_rng(2)
    gallery = random.standard_normal((60, 8)).astype(np.float32)
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    gallery[:20] = gallery[0] * np.float32(1.0003)
    gallery[1:20:2] *= np.float32(1.0003)
    persons = [str(item % 4) for item in range(60)]
    labels = (persons[:5], persons, None, None)
    found = evaluate_features(gallery[:5], gallery, *labels, ties="expected")
    cut = -np.minimum(gallery[:5] @ gallery.T, 1)
    np.testing.assert_array_equal(table(found), table(evaluate_ranking(cut, *labels, ties="expected")))
    order = np.argsort(cut, axis=1, kind="stable")[:, :9]
    names = tuple(map(str, range(5))), tuple(map(str, range(60)))
    ranked = RankedList(*names, order, np.take_along_axis(cut, order, axis=1), ("retriever",))
    again = evaluate_features(gallery[:5], gallery, *labels, reranked=ranked, ties="expected")
    np.testing.assert_array_equal(table(again), table(found))


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_a_distance_that_is_no_number_is_named(bad: float, forced: str) -> None:
    distances = np.random.default_rng(0).random((3, 6000))
    distances[1, 5000] = bad
    persons = ["0", "1", "2", *["x"] * 5997]
    for junk in (None, np.arange(6000) == 5000):  # also where it is a crop that does not count
        with pytest.raises(ReIDError, match=f"query 1 to gallery crop 5000 is {bad}"):
            evaluate_ranking(distances, ["0", "1", "2"], persons, None, None, junk=junk)


def test_the_cheapest_plan_is_chosen() -> None:
    rows = np.random.default_rng(0).random((4, 20_000), dtype=np.float32)
    matches = [
        np.linspace(0.1, 0.9, 30),  # many far ones: sort the row
        np.array([0.2, 0.9]),  # two far ones: compare them
        np.append(np.linspace(0.001, 0.01, 30), 0.9),  # many near ones and a far one: sort what is near
        np.array([]),
    ]
    bounds = np.append(0, np.cumsum([len(each) for each in matches]))
    found = matches_to_sort(rows, np.concatenate(matches).astype(np.float32), bounds, COSTS)
    assert found[0] == 30
    assert found[1] == 0
    assert 20 < found[2] <= 29
    assert found[3] == 0


def test_slow_sorting_is_avoided() -> None:
    rows = np.random.default_rng(0).random((1, 20_000), dtype=np.float32)
    distances, bounds = np.linspace(0.1, 0.9, 30, dtype=np.float32), np.array([0, 30])
    slow = Costs(call=1e-6, compared=1e-10, copied=5e-10, sorted=6e-8)
    assert matches_to_sort(rows, distances, bounds, slow)[0] == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_costs_are_measured_once(dtype: type) -> None:
    costs = Costs.measured(np.dtype(dtype))
    assert 0 < costs.sorted < 1e-5
    assert 0 < costs.call < 1e-2
    assert costs is Costs.measured(np.dtype(dtype))
