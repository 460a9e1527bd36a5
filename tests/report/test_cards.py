"""Query cards: the number that decides the order is shown, and each number has one name."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tuned import tuned

from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.data.types import ReIDDataset
from reidr.evaluation.experiment.experiment import run_experiment
from reidr.evaluation.experiment.outcome import Outcome
from reidr.evaluation.results.rows import rows_json
from reidr.fusion.calibration import Calibration, margin_of
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.types import Pair, RequestCounts
from reidr.report import Candidate, QueryCard, Report, write_report
from reidr.report.build import build_report
from reidr.report.content import Curve, Series
from reidr.report.curves import UNCALIBRATED, curves_of
from reidr.report.files.store import load_report, save_report
from reidr.retrieval.embedders.histogram import HistogramEmbedder


class Drawing:
    """A verifier whose scores are drawn: it moves candidates in any way."""

    capabilities = Capabilities()
    card = Card()
    counts = RequestCounts()

    name = "drawing"

    def score(self, pairs: Sequence[Pair], **_: object) -> NDArray[np.float64]:
        return np.array([np.random.default_rng(zlib.crc32(pair.candidate.id.encode())).random() for pair in pairs])


@contextmanager
def silent(what: str, total: int) -> Iterator:  # type: ignore[type-arg]
    yield lambda steps: None


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> ReIDDataset:
    settings = StreetSettings(
        seed=5, cameras=3, test_people=8, cameras_per_person=3, crops_per_camera=1, distractors=8, junk=4
    )
    return render_street(tmp_path_factory.mktemp("street") / "s", settings)


CALIBRATION = Calibration("platt", slope=0.5, offset=-1.0)


def run(street: ReIDDataset, **changes: object) -> Outcome:
    settings = tuned(**{"k": 5, "weight": 0.5, "calibration": CALIBRATION, **changes})
    return run_experiment(street, HistogramEmbedder(), Drawing(), settings, silent)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(("k", "local"), [(3, False), (5, True), (15, False)])
def test_candidates_stand_in_the_order_of_the_number_that_decides(street: ReIDDataset, k: int, local: bool) -> None:
    outcome = run(street, k=k, csls=local)
    report = build_report([outcome], title="t", facts={})
    moved = 0
    for row, card in enumerate(report.query_cards):
        ranked = [each for each in sorted(card.candidates, key=lambda each: each.rank) if each.mark != "junk"]
        decided = [each.decides for each in ranked]
        assert decided == sorted(decided)
        # Ranks on the card are those of the list that was measured, however many candidates were asked about.
        assert outcome.fused is not None
        whole = [outcome.trial.gallery[i].id for i in outcome.fused.indices[row] if i >= 0]
        assert [each.id for each in ranked] == whole[: len(ranked)]
        moved += any(each.rank_before != each.rank_after for each in ranked)
    assert moved


def test_the_direct_score_and_its_calibrated_probability_have_two_names(street: ReIDDataset, tmp_path: Path) -> None:
    outcome = run(street)
    report = build_report([outcome], title="t", facts={})
    asked = [each for card in report.query_cards for each in card.candidates if each.score_direct is not None]
    assert asked
    for each in asked:
        assert each.probability == pytest.approx(float(CALIBRATION.apply(margin_of(each.score_direct))))
        assert each.probability != pytest.approx(each.score_direct, abs=1e-6)
    assert {each.score_thinking for each in asked} == {None}
    reliability = next(curve for curve in report.curves if curve.kind == "reliability")
    assert [series.name for series in reliability.series] == [UNCALIBRATED, "calibrated P(same)"]
    text = write_report(report, tmp_path).read_text(encoding="utf-8")
    one = asked[0]
    for name, value in (("P(same)", one.probability), ("direct score", one.score_direct)):
        assert f"<dt>{name}</dt><dd>{value:.2f}</dd>" in text


def test_without_a_calibration_nothing_is_called_a_probability(street: ReIDDataset, tmp_path: Path) -> None:
    report = build_report([run(street, calibration=None)], title="t", facts={})
    assert all(each.probability is None for card in report.query_cards for each in card.candidates)
    text = write_report(report, tmp_path).read_text(encoding="utf-8")
    assert "<dt>direct score</dt>" in text
    assert "<dt>P(same)</dt>" not in text


def test_no_rank_beats_the_one_before_it_on_every_number_shown() -> None:
    # b is nearer and scored higher than a, and stands behind it: only the fused number says why, and is shown.
    a = Candidate("a", None, "unknown", 2, 0.9, rank_after=1, score_after=0.2, score_direct=0.4)
    b = Candidate("b", None, "unknown", 1, 0.8, rank_after=2, score_after=0.3, score_direct=0.5)
    assert a.decides < b.decides
    assert Candidate("c", None, "unknown", 1, 0.7).decides == 0.7


def test_differences_to_local_scaling_are_counted_beside_those_to_the_retriever(street: ReIDDataset) -> None:
    rows = {row["name"]: row for row in rows_json([run(street, csls=True)])["rows"]}
    direct = rows["reasoner drawing"]
    assert direct["gains_over"].keys() == {"CSLS"}
    for metric in ("mAP", "rank1"):
        low, high = direct["gains_over"]["CSLS"][metric]
        assert low <= direct[metric] - rows["CSLS"][metric] <= high
    assert all(not row["gains_over"] for name, row in rows.items() if name != "reasoner drawing")


def test_figures_of_few_cases_say_so_and_of_one_are_not_drawn(street: ReIDDataset, tmp_path: Path) -> None:
    outcome = run(street)
    curves = {curve.kind: curve for curve in curves_of(outcome)}
    matched = int((outcome.rows[0].result.matches > 0).sum())
    assert (curves["cmc"].cases, curves["cmc"].unit) == (matched, "query")
    assert curves["reliability"].cases == int(np.isfinite(outcome.scores).sum())  # type: ignore[arg-type]
    lines = (Series("s", [1, 2, 3], [0.1, 0.5, 1.0]),)
    wanted = {
        0: "Not drawn: it rests on 0 queries.",
        1: "Not drawn: it rests on 1 query.",
        2: "Only 2 queries: read no more than that from it.",
        19: "Only 19 queries: read no more than that from it.",
        20: "",
        None: "",
    }
    for cases, sentence in wanted.items():
        curve = Curve("cmc", lines, cases=cases, unit="query")
        assert curve.warning == sentence
        page = write_report(Report("t", "now", curves=(curve,)), tmp_path).read_text(encoding="utf-8")
        assert sentence in page
        assert ('class="drawing"' in page) == (cases not in (0, 1))
    # What a series counts is believed where nothing else is said; a single point is no curve.
    assert Curve("reliability", (Series("s", [0.2, 0.8], [0.0, 1.0], [1, 2]),)).warning.startswith("Only 3 cases")
    assert Curve("histogram", (Series("s", [0, 1, 2], [1, 0]),)).warning == "Not drawn: it rests on 1 case."
    assert Curve("cmc", (Series("s", [1], [0.5]),)).warning == "Not drawn: a single point is no curve."


def test_what_was_left_out_stands_on_the_page_once(street: ReIDDataset, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not a picture")
    gallery = (*street.gallery, replace(street.gallery[0], id="broken", image=broken))
    outcome = run(replace(street, gallery=gallery))
    note = "3 files with endings that are not read (.heic): a.heic, b.heic, c.heic"
    report = build_report([outcome, outcome], title="t", facts={}, left_out=[note])
    alone = int((outcome.rows[0].result.matches == 0).sum())
    assert report.left_out[0] == note
    assert sum(str(broken) in sentence for sentence in report.left_out) == 1
    assert sum(sentence.startswith(f"{alone} of ") for sentence in report.left_out) == (alone > 0)
    text = write_report(report, tmp_path / "run").read_text(encoding="utf-8")
    assert text.count(note) == 1
    many = Report("t", "now", left_out=tuple(f"file {number}" for number in range(30)))
    assert "and 10 more" in write_report(many, tmp_path / "run").read_text(encoding="utf-8")
    assert "Left out" not in write_report(Report("t", "now"), tmp_path / "run").read_text(encoding="utf-8")


def test_a_card_knows_whether_it_was_asked() -> None:
    assert not Candidate("c", None, "right", 1, 0.5).asked
    assert Candidate("c", None, "right", 1, 0.5, score_direct=0.5).asked
    assert QueryCard("q", None, (Candidate("c", None, "right", 1, 0.5, answer="same"),)).candidates[0].asked


def test_a_figure_that_no_point_can_be_drawn_of_says_so() -> None:
    never = Curve("open-set", (Series("s", [0.0, 0.0, 0.5], [1.0, 0.5, 0.2]),), cases=100, unit="non-mated query")
    assert never.warning == "Not drawn: a single point is no curve."
    assert Curve("open-set", (Series("s", [0.0, 0.1, 0.5], [1.0, 0.5, 0.2]),), cases=100).warning == ""


def test_sampled_scores_are_marked_and_remarks_stand_before_the_numbers(tmp_path: Path) -> None:
    drawn = Candidate(
        "c", None, "right", 1, 0.5, reasoning="x", answer="same", score_direct=0.5, score_thinking=0.9, sampled=True
    )
    card = QueryCard(
        "q", None, (drawn, replace(drawn, id="d", rank_before=2, sampled=False)), average_precision_before=1.0
    )
    remark = '2 values of P(same) are estimated from drawn answers (marked "sampled")'
    report = Report("t", "now", query_cards=(card,), remarks=(remark,))
    text = write_report(report, tmp_path).read_text(encoding="utf-8")
    assert text.count("0.90 (sampled)") == 1
    assert "&#34;sampled&#34;" in text
    save_report(report, tmp_path)
    assert load_report(tmp_path) == report


def test_a_pair_that_was_asked_and_got_no_score_is_not_called_unasked(street: ReIDDataset, tmp_path: Path) -> None:
    class Refusing(Drawing):
        def score(self, pairs: Sequence[Pair], **options: object) -> NDArray[np.float64]:
            scores = super().score(pairs, **options)
            return np.where(
                [pair.candidate.id.endswith("1_01.jpg") or number % 3 == 0 for number, pair in enumerate(pairs)],
                np.nan,
                scores,
            )

    settings = tuned(k=5, weight=0.5, calibration=CALIBRATION)
    outcome = run_experiment(street, HistogramEmbedder(), Refusing(), settings, silent)[0]  # type: ignore[arg-type]
    report = build_report([outcome], title="t", facts={})
    assert outcome.scores is not None
    missing = int(np.isnan(outcome.scores).sum())
    shown = [each for card in report.query_cards for each in card.candidates]
    assert sum(each.no_score for each in shown) == missing > 0
    assert all(each.score_direct is None and each.probability is None for each in shown if each.no_score)
    text = write_report(report, tmp_path).read_text(encoding="utf-8")
    assert text.count('<p class="says">no score</p>') == missing
    for card in report.query_cards:
        decided = [each.decides for each in sorted(card.candidates, key=lambda each: each.rank) if each.mark != "junk"]
        assert decided == sorted(decided)
