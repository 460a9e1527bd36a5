"""The result file's schema, and comparisons of such files: right values, and refusals in one sentence."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from reidr.cli.main import reidr
from reidr.errors import ReIDError
from reidr.evaluation.metrics.statistics import paired_bootstrap
from reidr.evaluation.results.compare import compare, contestant, holm, randomisation_test
from reidr.evaluation.results.result_file import read_result
from reidr.evaluation.results.schema import SCHEMA, EvaluationResult

IDS = [f"q{i}" for i in range(8)]
PERSONS = ["a", "a", "b", "b", "c", "c", "d", None]
FIRST = [0.5, 0.6, 0.2, 0.4, 0.9, 1.0, 0.3, 0.1]
SECOND = [0.6, 0.8, 0.3, 0.4, 1.0, 1.0, 0.2, 0.3]


def result(values: list[float | None], **changed: Any) -> dict[str, Any]:
    mean = float(np.mean([each for each in values if each is not None]))
    metrics = {"mAP": mean, "rank1": 0.5, "rank5": 0.5, "rank10": 1.0, "mINP": 0.1, "calls": 0, "seconds": 0.0}
    hit = [None if value is None else float(value > 0.5) for value in values]
    ranks = [None if value is None else 1.0 if value > 0.5 else 2.0 for value in values]
    own = {"average_precision": values, "rank1": hit, "first_match_rank": ranks}
    rows = dict.fromkeys(("retriever x", "csls"), own)
    return {
        "schema": SCHEMA, "dataset": "d", "protocol": "standard", "average_precision": "exact", "ties": "pessimistic",
        "trials": 1, "queries": len(values), "queries_without_match": values.count(None), "gallery": 20,
        "rows": [
            {"name": "retriever x", "role": "retriever", **metrics},
            {"name": "csls", "role": "reranker", "built_on": ["retriever x"], **metrics},
        ],
        "per_query": {
            "ids": IDS[: len(values)], "persons": PERSONS[: len(values)],
            "matches": [0 if value is None else 2 for value in values], "rows": rows,
        },
        "left_out": [], "notes": [], "provenance": {}, **changed,
    }  # fmt: skip


def edited(name: str, value: Any) -> dict[str, Any]:
    """A result whose first query's value was written over by hand."""
    changed = json.loads(json.dumps(result(FIRST)))
    for row in changed["per_query"]["rows"].values():
        row[name][0] = value
    return changed


def write(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def pair(first: dict[str, Any], second: dict[str, Any], **more: Any) -> Any:
    both = [contestant(name, EvaluationResult.model_validate(each)) for name, each in (("A", first), ("B", second))]
    return compare(both, **more)


def test_differences_are_paired_by_query_and_resampled_by_person() -> None:
    found = pair(result(FIRST), result(SECOND), draws=500)
    change = np.array(SECOND) - np.array(FIRST)
    persons = [person or "own" for person in PERSONS]
    assert found[0].metric == "mAP"
    assert found[0].mean == pytest.approx(change.mean())
    low, high = paired_bootstrap(SECOND, FIRST, groups=persons, draws=500)
    # One unlabelled query stands for itself: groups are the same, their order in the draws may differ.
    assert (found[0].low, found[0].high) == pytest.approx((low, high), abs=0.03)
    assert (found[0].queries, found[0].persons) == (8, 5)
    # By hand: sums by person .3, .1, .1, -.1, .2; of 32 sign patterns those with |sum| of at least .6.
    sums = [0.3, 0.1, 0.1, -0.1, 0.2]
    extreme = sum(abs(np.dot(signs, sums)) >= 0.6 - 1e-9 for signs in product((1, -1), repeat=5))
    assert found[0].p == pytest.approx(extreme / 32)


def test_the_order_of_queries_in_a_file_does_not_matter() -> None:
    plain = pair(result(FIRST), result(SECOND))
    turned = result(SECOND[::-1])
    turned["per_query"] |= {"ids": IDS[::-1], "persons": PERSONS[::-1]}
    assert pair(result(FIRST), turned) == plain


def test_queries_without_a_match_take_no_part() -> None:
    found = pair(result([*FIRST[:-1], None]), result([*SECOND[:-1], None]))
    assert found[0].queries == 7
    assert found[0].mean == pytest.approx((np.array(SECOND) - np.array(FIRST))[:-1].mean())


def test_equal_results_do_not_differ() -> None:
    for each in pair(result(FIRST), result(FIRST)):
        assert (each.mean, each.low, each.high, each.p, each.p_holm) == (0, 0, 0, 1, 1)


def test_holm_by_hand() -> None:
    # Sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, made to rise: .02 .03 .06 .06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    for bad in ([1.5], [-0.1], [float("nan")]):
        with pytest.raises(ReIDError, match="p_values"):
            holm(bad)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_against_its_definition(p_values: list[float]) -> None:
    number = len(p_values)
    order = sorted(range(number), key=lambda place: p_values[place])
    wanted = [0.0] * number
    for place, index in enumerate(order):
        wanted[index] = min(1.0, max((number - before) * p_values[order[before]] for before in range(place + 1)))
    assert holm(p_values) == pytest.approx(wanted)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9))
def test_the_randomisation_test_against_all_patterns(seed: int, persons: int) -> None:
    random = np.random.default_rng(seed)
    groups = random.integers(0, persons, 20)
    values = random.integers(-3, 4, 20) / 4  # quarters: sums are exact, ties are ties
    sums = [values[groups == group].sum() for group in np.unique(groups)]
    observed = abs(sum(sums))
    patterns = [abs(np.dot(signs, sums)) >= observed for signs in product((1, -1), repeat=len(sums))]
    assert randomisation_test(values, groups) == pytest.approx(np.mean(patterns))


def test_many_persons_are_sampled_and_p_is_never_zero() -> None:
    random = np.random.default_rng(1)
    far = randomisation_test(random.normal(1, 0.1, 400), np.arange(400), draws=300)
    assert far == 1 / 301
    noise = [randomisation_test(random.normal(size=60), np.arange(60), draws=200, seed=each) for each in range(60)]
    assert 0.3 < np.mean(noise) < 0.7  # about even under the null hypothesis


def test_correction_is_over_all_tests_of_the_table() -> None:
    files = {"A": FIRST, "B": SECOND, "C": FIRST}
    found = compare([contestant(name, EvaluationResult.model_validate(result(each))) for name, each in files.items()])
    assert [(each.first, each.second, each.metric) for each in found] == [
        (first, second, metric) for first, second in (("A", "B"), ("A", "C"), ("B", "C")) for metric in ("mAP", "rank1")
    ]
    assert [each.p_holm for each in found] == pytest.approx(holm([each.p for each in found]))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"protocol": "any-camera"}, "protocol is standard in one and any-camera in the other"),
        ({"average_precision": "trapezoid"}, "average precision is exact in one and trapezoid in the other"),
        ({"trials": 10}, "number of draws"),
        ({"gallery": 21}, "galleries of 20 and 21 crops"),
    ],
)
def test_runs_by_another_rule_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ReIDError, match=words):
        pair(result(FIRST), result(SECOND, **changed))


def test_runs_on_other_queries_are_refused_with_the_number() -> None:
    other = result(SECOND)
    other["per_query"]["ids"] = ["q0", "q1", "q2", "q3", "q4", "x", "y", "z"]
    with pytest.raises(ReIDError, match="3 of 8 queries are only in the first, 3 of 8 only in the second"):
        pair(result(FIRST), other)
    with pytest.raises(ReIDError, match="1 of 8 queries are only in the first, 0 of 7 only in the second"):
        pair(result(FIRST), result(SECOND[:-1]))
    other = result(SECOND)
    other["per_query"]["matches"] = [2, 2, 5, 2, 2, 2, 2, 2]
    with pytest.raises(ReIDError, match="1 of 8 queries have another person or another number of matches, such as q2"):
        pair(result(FIRST), other)
    with pytest.raises(ReIDError, match="at least two"):
        compare([contestant("A", EvaluationResult.model_validate(result(FIRST)))])
    with pytest.raises(ReIDError, match="no query has a match"):
        pair(*empty())


def empty() -> tuple[dict[str, Any], dict[str, Any]]:
    one = result([*FIRST])
    one["per_query"]["matches"] = [0] * 8
    return one, json.loads(json.dumps(one))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"rows": []}, "names no schema, and this version reads reidr/evaluation/2; it was written before"),
        ([1], "names no schema"),
        (result(FIRST, schema="reidr/evaluation/1"), "has schema 'reidr/evaluation/1'"),
        (result(FIRST, trials=0), "does not follow reidr/evaluation/2: trials"),
        ({name: value for name, value in result(FIRST).items() if name != "per_query"}, "per_query: Field required"),
        (result(FIRST, per_query=result(FIRST[:-1])["per_query"] | {"persons": ["a"]}), "not of one length"),
        (result(FIRST, per_query=result(FIRST)["per_query"] | {"ids": ["q"] * 8}), "an id occurs twice"),
        (result([1.5, *FIRST[1:]]), "less than or equal to 1"),
        (edited("average_precision", "0.5"), "should be a valid number"),
        (edited("average_precision", True), "should be a valid number"),
        (edited("average_precision", float("nan")), "should be a finite number"),
        (edited("rank1", float("inf")), "should be a finite number"),
        (edited("first_match_rank", 0.0), "greater than or equal to 1"),
        (edited("average_precision", 0.7), r"mAP of retriever x is 0\.5, but per_query gives 0\.525"),
        (result(FIRST, queries="8"), "queries: Input should be a valid integer"),
        (result(FIRST, queries=-8), "queries: Input should be greater"),
        (result(FIRST, queries=9), "queries is 9, but per_query has 8"),
        (result(FIRST, queries_without_match=1), "queries_without_match is 1, but per_query has 0"),
    ],
)
def test_other_files_are_refused_in_one_sentence(content: Any, words: str, tmp_path: Path) -> None:
    path = write(tmp_path, "r.json", content)
    with pytest.raises(ReIDError, match=words) as caught:
        read_result(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_json_and_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    for name, words in (("a.json", "is no JSON file"), ("b.json", "is no JSON file"), ("c.json", "No such file")):
        with pytest.raises(ReIDError, match=words):
            read_result(tmp_path / name)


def test_names_that_are_not_known_are_kept(tmp_path: Path) -> None:
    read = read_result(write(tmp_path, "r.json", result(FIRST, added_later={"x": 1})))
    assert read.model_dump(by_alias=True)["added_later"] == {"x": 1}


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "a.json", result(FIRST))
    write(tmp_path, "b.json", result(SECOND))
    done = CliRunner().invoke(reidr, ["compare", "a.json", "b.json", "--metric", "mAP", "--json", "out/d.json"])
    assert done.exit_code == 0, done.output
    assert "b.json - a.json" in done.output
    assert "+7.50" in done.output  # points: the mean of .1 .2 .1 0 .1 0 -.1 .2
    assert "8 queries of 5 persons" in done.output
    stored = json.loads((tmp_path / "out" / "d.json").read_text())
    assert stored["differences"][0]["mean"] == pytest.approx(0.075)
    assert stored["results"][0]["row"] == "retriever x"
    for words, row in ((["a.json#csls", "b.json"], "csls"), (["a.json", "b.json", "--row", "reranker"], "csls")):
        done = CliRunner().invoke(reidr, ["compare", *words])
        assert done.exit_code == 0, done.output
        assert f": {row}\n" in done.output
    done = CliRunner().invoke(reidr, ["compare", "a.json", "b.json", "--row", "thinking"])
    assert "no row or role 'thinking'; its rows are: retriever x, csls" in str(done.exception)
    done = CliRunner().invoke(reidr, ["compare", "a.json"])
    assert "at least two" in str(done.exception)


def test_a_metric_that_is_named_twice_is_one_test() -> None:
    once, twice = (pair(result(FIRST), result(SECOND), metrics=metrics) for metrics in (["mAP"], ["mAP", "mAP"]))
    assert once == twice
    assert once[0].p_holm == once[0].p


def test_queries_of_one_person_tell_nothing_of_chance() -> None:
    one, other = result(FIRST), result(SECOND)
    for each in (one, other):
        each["per_query"]["persons"] = ["a"] * 8
    with pytest.raises(ReIDError, match="all 8 queries with a match show one person"):
        pair(one, other)


def test_endless_nesting_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(ReIDError, match="nested too deeply"):
        read_result(tmp_path / "a.json")


def test_a_row_is_not_compared_with_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "a.json", result(FIRST))
    here = str(tmp_path / "a.json")
    for words in (["a.json", "a.json"], ["a.json", "a.json#retriever x"], ["a.json", "./a.json"], ["a.json", here]):
        done = CliRunner().invoke(reidr, ["compare", *words])
        assert "names a row that is named before" in str(done.exception)
