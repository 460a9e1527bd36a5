"""What the page says in words, from hand-made rows: no more than the numbers allow."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typed_rows import typed

from reidr.errors import ReIDError
from reidr.evaluation.experiment.rows import Interval, built_on
from reidr.report import MetricRow, Report
from reidr.report.headline import headline, support

SPACE = "\u202f"


def row(name: str, mean: float, first: float, queries: int | None = 200, **gains: Interval) -> MetricRow:
    """A row with mAP and Rank-1; `gains`: of Rank-1, over the retriever (`alone`) and over CSLS (`scaled`)."""
    over = {"CSLS": {"rank1": gains["scaled"]}} if "scaled" in gains else {}
    alone = {"rank1": gains["alone"]} if "alone" in gains else {}
    return MetricRow(name, {"mAP": mean, "rank1": first}, gains=alone, gains_over=over, queries=queries, **typed(name))


def said(*rows: MetricRow) -> tuple[str, str]:
    """Headline and support, with plain spaces."""
    report = Report("t", "now", metric_rows=rows)
    return headline(report).replace(SPACE, " "), support(report).replace(SPACE, " ")


RETRIEVER, SCALED = row("retriever nano", 0.732, 0.856), row("CSLS", 0.751, 0.877)
ORACLE = row("oracle@10", 0.798, 0.965)


def test_a_reasoner_better_than_local_scaling_is_held_against_it_and_not_against_the_retriever() -> None:
    asked = row("reasoner nano direct", 0.761, 0.905, alone=(0.02, 0.07), scaled=(0.004, 0.052))
    first, second = said(RETRIEVER, SCALED, asked, ORACLE)
    assert first == (
        "With the reasoner (nano direct), the first candidate is the right person for 90.5 % of 200 queries, "
        "up from 87.7 % with CSLS, which asks no reasoner (the retriever alone: 85.6 %); "
        "the difference is +2.8 points (95 % interval +0.4 to +5.2)."
    )
    assert second == (
        "Mean average precision went from 75.1 % (CSLS, no reasoner asked) to 76.1 % "
        "(the retriever alone: 73.2 %). The best order of the same first 10 (oracle@10) has 79.8 %; CSLS alone "
        "reaches 29 % of that gain, with the reasoner 44 %."
    )


def test_a_reasoner_equal_to_local_scaling_gains_nothing() -> None:
    asked = row("reasoner nano direct", 0.751, 0.877, alone=(0.003, 0.04), scaled=(-0.01, 0.01))
    first, second = said(RETRIEVER, SCALED, asked)
    assert first == (
        "With the reasoner (nano direct), the first candidate is the right person for 87.7 % of 200 queries, "
        "as often as with CSLS, which asks no reasoner (the retriever alone: 85.6 %); "
        "the difference is 0.0 points (95 % interval -1.0 to +1.0), which may be chance."
    )
    assert second.startswith("Mean average precision stayed at 75.1 % (CSLS, no reasoner asked)")


def test_a_reasoner_between_retriever_and_local_scaling_is_down() -> None:
    asked = row("reasoner nano direct", 0.745, 0.867, alone=(0.001, 0.03), scaled=(-0.03, -0.002))
    first, second = said(RETRIEVER, SCALED, asked)
    assert first == (
        "With the reasoner (nano direct), the first candidate is the right person for 86.7 % of 200 queries, "
        "down from 87.7 % with CSLS, which asks no reasoner (the retriever alone: 85.6 %); "
        "the difference is -1.0 points (95 % interval -3.0 to -0.2)."
    )
    assert second == (
        "Mean average precision went from 75.1 % (CSLS, no reasoner asked) to 74.5 % (the retriever alone: 73.2 %)."
    )


@pytest.mark.parametrize(
    ("interval", "told"), [((-0.01, 0.05), True), ((0.0, 0.05), True), ((0.03, 0.03), True), ((0.001, 0.05), False)]
)
def test_an_interval_that_holds_zero_or_has_no_width_is_said(interval: Interval, told: bool) -> None:
    asked = row("reasoner nano direct", 0.76, 0.895, scaled=interval)
    assert ("may be chance" in said(RETRIEVER, SCALED, asked)[0]) is told


def test_the_interval_is_that_of_the_row_it_is_held_against() -> None:
    # Clearly above the retriever, not clearly above CSLS: the second is what counts.
    asked = row("reasoner nano direct", 0.76, 0.889, alone=(0.013, 0.052), scaled=(-0.008, 0.031))
    assert "interval -0.8 to +3.1), which may be chance" in said(RETRIEVER, SCALED, asked)[0]
    worse = row("CSLS", 0.70, 0.80)
    text = said(RETRIEVER, worse, asked)[0]
    assert "up from 85.6 % with the retriever alone (CSLS: 80.0 %)" in text
    assert "interval +1.3 to +5.2)." in text


def test_k_reciprocal_above_the_oracle_is_no_contradiction() -> None:
    neighbours = row("k-reciprocal", 0.852, 0.891)
    asked = row("reasoner nano direct", 0.753, 0.889)
    vision_similarity = row("reasoner nano glance", 0.757, 0.901)
    second = said(RETRIEVER, SCALED, neighbours, asked, vision_similarity, ORACLE)[1]
    assert "The best order of the same first 10 (oracle@10) has 79.8 %" in second
    assert second.endswith(
        "At least as good without asking about any pair: k-reciprocal (mAP 85.2 %, Rank-1 89.1 %); "
        "the vision encoder's similarity alone, row “reasoner nano glance” (mAP 75.7 %, Rank-1 90.1 %)."
    )
    for word in ("ceiling", "never errs", "perfect"):
        assert word not in second


def test_without_an_oracle_nothing_is_said_of_room() -> None:
    second = said(RETRIEVER, row("reasoner", 0.75, 0.88))[1]
    assert second == "Mean average precision went from 73.2 % to 75.0 %."


def test_a_reasoner_above_its_oracle_and_one_below_the_retriever() -> None:
    assert (
        "the reasoner reached 150 % of that gain"
        in said(row("retriever", 0.5, 0.5), row("reasoner", 0.65, 0.6), row("oracle@5", 0.6, 0.7))[1]
    )
    assert (
        "with the reasoner it fell"
        in said(row("retriever", 0.5, 0.5), row("reasoner", 0.45, 0.6), row("oracle@5", 0.6, 0.7))[1]
    )
    level = said(row("retriever", 0.5, 0.5), row("reasoner", 0.5, 0.5), row("oracle@5", 0.5, 0.5))
    assert "nothing could be gained" in level[1]


def test_one_query_says_that_it_is_one_and_tells_nothing() -> None:
    asked = row("reasoner nano direct", 1.0, 1.0, queries=1, alone=(1.0, 1.0))
    first, second = said(row("retriever nano", 0.2, 0.0, queries=1), asked)
    assert first == (
        "With the reasoner (nano direct), the first candidate is the right person for 100.0 % of 1 query, "
        "up from 0.0 % with the retriever alone; 1 query cannot tell a difference from chance."
    )
    assert second == "Mean average precision went from 20.0 % to 100.0 %, no more than chance may do."
    assert said(row("retriever nano", 0.2, 0.0, queries=1))[0].endswith("first for 0.0 % of 1 query.")


def test_many_queries_of_one_person_tell_nothing() -> None:
    """Their interval has no width: resampling one person always gives the same difference."""
    same = {"mAP": (0.3, 0.3), "rank1": (0.2, 0.2)}
    asked = MetricRow("reasoner nano direct", {"mAP": 0.8, "rank1": 0.9}, gains=same, queries=200, role="reasoner")
    first, second = said(row("retriever nano", 0.5, 0.7), asked)
    assert first.endswith("which may be chance.")
    assert second == "Mean average precision went from 50.0 % to 80.0 %, no more than chance may do."


def test_no_query_with_a_match_has_nothing_to_say() -> None:
    rows = [MetricRow(name, {}, queries=0, **typed(name)) for name in ("retriever nano", "reasoner nano")]
    first, second = said(*rows)
    assert first == "No query has a match in the gallery, so there is nothing to be found and nothing to measure."
    assert second == ""


def test_the_headline_is_not_about_vision_similarity_alone() -> None:
    vision_similarity, asked = row("reasoner nano glance", 0.78, 0.93), row("reasoner nano adaptive", 0.77, 0.92)
    assert "(nano adaptive)" in said(RETRIEVER, vision_similarity, asked)[0]
    assert said(RETRIEVER, vision_similarity)[0].startswith(
        "The retriever alone puts the right person first for 85.6 %"
    )


def test_a_reasoner_after_k_reciprocal_starts_from_k_reciprocal() -> None:
    rows = (RETRIEVER, SCALED, row("k-reciprocal", 0.852, 0.891), row("k-reciprocal, then reasoner nano", 0.855, 0.897))
    assert [each.name for each in built_on(rows[-1], rows)] == ["k-reciprocal"]
    assert said(*rows)[0] == (
        "With the reasoner (after k-reciprocal), the first candidate is the right person for 89.7 % of "
        "200 queries, up from 89.1 % with k-reciprocal, which asks no reasoner."
    )


def test_differences_lie_within_their_bounds() -> None:
    with pytest.raises(ReIDError, match="interval"):
        MetricRow("reasoner", {}, role="reasoner", gains_over={"CSLS": {"mAP": (0.2, 0.1)}})


shares = st.floats(0, 1)


@given(st.tuples(*[shares] * 10), st.integers(0, 300), st.tuples(*[st.floats(-1, 1)] * 2))
def test_no_sentence_says_up_or_down_but_of_a_number_that_is(
    values: tuple[float, ...], queries: int, gain: tuple[float, float]
) -> None:
    names = ("retriever nano", "CSLS", "k-reciprocal", "reasoner nano direct", "oracle@10")
    interval = (min(gain), max(gain))
    rows = tuple(
        row(name, values[2 * place], values[2 * place + 1], queries, alone=interval, scaled=interval)
        for place, name in enumerate(names)
    )
    first, second = said(*rows)
    moved = re.search(r"for (\S+) % of .*?, (up|down) from (\S+) %", first)
    if moved:
        new, way, old = float(moved[1]), moved[2], float(moved[3])
        assert (new > old) if way == "up" else (new < old)
        # The row it is held against is the best of those that ask no reasoner, as printed.
        assert old == max(float(f"{100 * values[place]:.1f}") for place in (1, 3))
    if interval[0] <= 0 <= interval[1] and moved:
        assert "may be chance" in first or "from chance" in first
    went = re.search(r"went from (\S+) %", second)
    assert went is None or float(went[1]) == max(float(f"{100 * values[place]:.1f}") for place in (0, 2))
    # Nobody is said to have taken a share of a gain who stands below the retriever, or where nothing could be gained.
    if values[6] < values[0] or values[8] <= values[0]:
        assert "of that gain" not in second
