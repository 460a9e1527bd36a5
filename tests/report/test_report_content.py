"""The report's data: what it refuses, how ranks are counted, what its sentences say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from typed_rows import typed

from reidr.errors import ReIDError
from reidr.report import Candidate, Curve, MetricRow, QueryCard, Report, Series
from reidr.report.content import Mark
from reidr.report.headline import headline, outcome, support, taken


def candidate(name: str, mark: Mark, before: int, after: int | None = None) -> Candidate:
    return Candidate(name, None, mark, before, distance=float(before), rank_after=after)


def row(name: str, **metrics: float) -> MetricRow:
    return MetricRow(name, metrics, queries=200, **typed(name))


def test_ranks_are_counted_without_junk() -> None:
    # Before: junk a, wrong b, right c  → counted ranks -, 1, 2.  After: right c, junk a, wrong b → 1, -, 2.
    a, b, c = candidate("a", "junk", 1, 2), candidate("b", "wrong", 2, 3), candidate("c", "right", 3, 1)
    card = QueryCard("q", None, (a, b, c))
    assert [card.counted_rank(x, before=True) for x in (a, b, c)] == [None, 1, 2]
    assert [card.counted_rank(x) for x in (a, b, c)] == [None, 2, 1]
    assert (card.first_right(before=True), card.first_right()) == (2, 1)
    assert outcome(card) == "The first right candidate moves up from rank 2 to rank 1."


@pytest.mark.parametrize(
    ("candidates", "sentence"),
    [
        ((), "No candidate was ranked."),
        ((candidate("a", "wrong", 1), candidate("b", "wrong", 2)), "None of the 2 candidates shown is the person."),
        ((candidate("a", "right", 1),), "The first right candidate stands at rank 1."),
        ((candidate("a", "right", 1, 1),), "The first right candidate stays at rank 1."),
        (
            (candidate("a", "right", 1, 2), candidate("b", "wrong", 2, 1)),
            "The first right candidate moves down from rank 1 to rank 2.",
        ),
        ((candidate("a", "unknown", 1),), "The reasoner was not asked."),
    ],
)
def test_outcome_of_a_query(candidates: tuple[Candidate, ...], sentence: str) -> None:
    assert outcome(QueryCard("q", None, candidates)) == sentence


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: row("retriever", mAP=58.2), "share between 0 and 1"),
        (lambda: row("retriever", mAP=float("nan")), "retriever.*mAP.*nan"),
        (lambda: MetricRow("r", {"mAP": 0.5}, {"mAP": (0.6, 0.4)}, role="reranker"), "interval"),
        (lambda: MetricRow("r", {"mAP": 0.5}, gains={"mAP": (-2.0, 0.0)}, role="reranker"), "interval"),
        (lambda: Candidate("c", None, "maybe", 1, 0.0), "mark 'maybe'"),  # type: ignore[arg-type]
        (lambda: Candidate("c", None, "right", 1, 0.0, answer="yes"), "answer 'yes'"),  # type: ignore[arg-type]
        (lambda: Candidate("c", None, "right", 1, 0.0, probability=1.2), "probability"),
        (lambda: candidate("c", "right", 0), "ranks start at 1"),
        (lambda: QueryCard("q", None, (candidate("a", "right", 1), candidate("b", "wrong", 1))), "share rank"),
        (lambda: QueryCard("q", None, (candidate("a", "right", 1, 1), candidate("b", "wrong", 2))), "or none of them"),
        (lambda: QueryCard("q", None, average_precision_after=33.0), "average_precision_after"),
        (lambda: Curve("roc", ()), "kind 'roc'"),  # type: ignore[arg-type]
        (lambda: Curve("cmc", (Series("s", [1, 2], [0.5]),)), "2 x values for 1 y"),
        (lambda: Curve("histogram", (Series("s", [1, 2], [3, 4]),)), "2 x values for 2 y"),
        (lambda: Curve("cmc", (Series("s", [1], [float("nan")]),)), "not finite"),
        (lambda: Report("t", "now", query_cards=(QueryCard("q", None), QueryCard("q", None))), "'q' is given more"),
    ],
)
def test_bad_content_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ReIDError, match=message):
        make()


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        (["same"], "The reasoner takes the one candidate shown for the same person"),
        (["different"], "The reasoner does not take the one candidate shown for the same person"),
        (["different", "insufficient"], "The reasoner takes none of the 2 candidates shown for the same person"),
        (["same", "different", "same"], "The reasoner takes 2 of the 3 candidates shown for the same person"),
        (["same", "same"], "The reasoner takes all of the 2 candidates shown for the same person"),
    ],
)
def test_how_many_are_taken_reads_well_for_any_number(answers: list[str], sentence: str) -> None:
    assert taken(answers, "shown") == sentence


def test_headline_says_which_way_it_went() -> None:
    base, oracle = row("retriever", mAP=0.5, rank1=0.6), row("oracle@10", mAP=0.7, rank1=0.9)

    def page(*rows: MetricRow) -> Report:
        return Report("t", "now", metric_rows=rows)

    up = page(base, row("reasoner adaptive", mAP=0.55, rank1=0.7), oracle)
    assert "With the reasoner (adaptive), the first candidate is the right person for 70.0" in headline(up)
    assert "of 200 queries, up from 60.0" in headline(up)
    assert "reached 25\u202f% of that gain" in support(up)  # (0.55 - 0.50) / (0.70 - 0.50)

    down = page(base, row("reasoner", mAP=0.4, rank1=0.5), oracle)
    assert "50.0\u202f% of 200 queries, down from 60.0" in headline(down)
    assert "it fell instead" in support(down)

    same = page(base, row("reasoner", mAP=0.5, rank1=0.6))
    assert "as often as with the retriever alone" in headline(same)
    assert support(same) == "Mean average precision stayed at 50.0\u202f%."

    assert "retriever alone puts the right person first for 60.0" in headline(page(base))
    assert headline(page()) == "No metrics were computed in this run."


@pytest.mark.parametrize(("gain", "said"), [((-0.02, 0.06), True), ((0.01, 0.06), False)])
def test_headline_admits_what_chance_could_do(gain: tuple[float, float], said: bool) -> None:
    reasoner = MetricRow("reasoner", {"rank1": 0.62}, gains={"rank1": gain}, queries=200, role="reasoner")
    rows = (row("retriever", rank1=0.60), reasoner)
    assert ("may be chance" in headline(Report("t", "now", metric_rows=rows))) is said


def test_headline_takes_the_first_reasoner_row_and_not_the_best() -> None:
    rows = (row("retriever", rank1=0.5), row("reasoner direct", rank1=0.55), row("reasoner thinking", rank1=0.8))
    assert "(direct)" in headline(Report("t", "now", metric_rows=rows))
