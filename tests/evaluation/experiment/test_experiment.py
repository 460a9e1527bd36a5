"""The whole evaluation on a small rendered street, with scripted verifiers in place of a model."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tuned import tuned

from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError, ReIDError
from reidr.evaluation.experiment.experiment import run_experiment
from reidr.evaluation.experiment.outcome import Outcome
from reidr.evaluation.experiment.rows import Role
from reidr.evaluation.experiment.trial_reranking import rerank_trial
from reidr.evaluation.results.rows import rows_json
from reidr.fusion.ask_policy import Policy
from reidr.fusion.gallery_size import for_gallery
from reidr.fusion.logistic import Logistic, LogisticFusion
from reidr.fusion.profile import OpenSetRule
from reidr.fusion.score_predictor import ScorePredictor
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.types import Cue, Pair, RequestCounts, Verdict
from reidr.report import write_report
from reidr.report.build import build_report, text_table
from reidr.report.files.store import load_report, save_report
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.retrieval.gallery import Gallery


class Scripted:
    """A verifier that knows the truth, or says the same of every pair."""

    capabilities = Capabilities()
    card = Card()
    counts = RequestCounts()

    name = "scripted"

    def __init__(self, constant: float | None = None) -> None:
        self.constant = constant
        self.pairs: list[Pair] = []

    def score(self, pairs: Sequence[Pair], **_: object) -> NDArray[np.float64]:
        self.pairs += pairs
        return np.array([float(bool(p.label)) if self.constant is None else self.constant for p in pairs])

    def think(self, pairs: Sequence[Pair], **_: object) -> list[Verdict]:
        return [
            Verdict(
                "same" if pair.label else "different",
                float(bool(pair.label)),
                "The shoes agree.",
                (Cue("shoes", "agree"),),
                5,
                0.1,
                "scripted",
                "p",
                "k",
            )
            for pair in pairs
        ]


@contextmanager
def silent(what: str, total: int) -> Iterator:  # type: ignore[type-arg]
    yield lambda steps: None


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> ReIDDataset:
    settings = StreetSettings(
        seed=3, cameras=3, test_people=8, cameras_per_person=3, crops_per_camera=1, distractors=6, junk=4
    )
    return render_street(tmp_path_factory.mktemp("street") / "s", settings)


def run(street: ReIDDataset, reasoner: Scripted | None, **changes: object) -> Outcome:
    settings = tuned(**{"k": 5, "weight": 1.0, **changes})
    return run_experiment(street, HistogramEmbedder(), reasoner, settings, silent)[0]  # type: ignore[arg-type]


def metrics(outcome: Outcome, role: Role, variant: str | None = None) -> dict[str, float]:
    row = outcome.row(role, variant)
    assert row is not None
    return row.metrics()


def test_a_perfect_verifier_reaches_the_oracle_and_rank1_is_recall_at_k(street: ReIDDataset) -> None:
    outcome = run(street, Scripted())
    assert metrics(outcome, "reasoner") == pytest.approx(metrics(outcome, "oracle"))
    base = outcome.row("retriever")
    assert base is not None
    assert metrics(outcome, "oracle")["rank1"] == pytest.approx(base.result.rank(5))


@pytest.mark.parametrize("constant", [0.0, 0.5, 1.0])
def test_a_verifier_that_says_the_same_of_all_changes_nothing_below_full_weight(
    street: ReIDDataset, constant: float
) -> None:
    outcome = run(street, Scripted(constant), weight=0.7)
    assert metrics(outcome, "reasoner") == pytest.approx(metrics(outcome, "retriever"))


def test_the_reasoner_is_never_asked_about_ignored_crops(street: ReIDDataset) -> None:
    verifier = Scripted()
    run(street, verifier)
    for pair in verifier.pairs:
        assert not pair.candidate.junk
        assert not (pair.candidate.person == pair.query.person and pair.candidate.camera == pair.query.camera)
        assert pair.label == (pair.candidate.person is not None and pair.candidate.person == pair.query.person)


def test_rows_have_the_public_shape(street: ReIDDataset) -> None:
    outcome = run(street, Scripted(), think=2)
    content = rows_json([outcome])
    names = [row["name"] for row in content["rows"]]
    assert [row["role"] for row in content["rows"]] == ["retriever", "reranker", "reasoner", "reasoner", "oracle"]
    assert [row["variant"] for row in content["rows"]] == ["", "k-reciprocal", "", "thinking", "5"]
    for row in content["rows"]:
        for metric in ("mAP", "rank1", "rank5", "rank10", "mINP"):
            assert 0.0 <= row[metric] <= 1.0
    queries = len(outcome.trial.query)
    assert content["queries"] == queries
    assert content["protocol"] == "standard"
    direct = content["rows"][2]
    assert direct["calls"] == 2 * int(np.isfinite(outcome.scores).sum())  # type: ignore[arg-type]
    assert content["queries_without_match"] == int((outcome.rows[0].result.matches == 0).sum()) > 0
    assert all(name in text_table([outcome]) for name in names)


def test_intervals_hold_their_metric(street: ReIDDataset) -> None:
    for row in rows_json([run(street, None)])["rows"]:
        for name, (low, high) in row["intervals"].items():
            assert low <= row[name] <= high


def test_a_model_or_a_protocol_that_does_not_fit_the_data_set_is_refused_before_any_work(street: ReIDDataset) -> None:
    reasoner = Scripted()
    reasoner.card = Card(trained_on=("../data/MSMT17_V1",))
    named = replace(street, name="msmt17-v2", kind="msmt17")
    with pytest.raises(DataError, match=r"reasoner scripted was trained on \.\./data/MSMT17_V1"):
        run(named, reasoner, protocol="cross-domain")
    with pytest.raises(DataError, match="is a rule of VC-Clothes, but msmt17-v2 was read as MSMT17"):
        run(named, reasoner, protocol="vc-clothes/sc")
    assert not reasoner.pairs


def test_the_report_shows_junk_in_its_place_and_is_read_back_alike(street: ReIDDataset, tmp_path: Path) -> None:
    outcome = run(street, Scripted(), think=3, k=5)
    report = build_report([outcome], title="t", facts={"seed": 0})
    save_report(report, tmp_path)
    assert load_report(tmp_path) == report
    page = write_report(load_report(tmp_path), tmp_path).read_text(encoding="utf-8")
    assert "The shoes agree." in page
    by_id = {card.id: card for card in report.query_cards}
    for row, query in enumerate(outcome.trial.query):
        card = by_id[query.id]
        ranks = sorted(candidate.rank_before for candidate in card.candidates)
        assert ranks == list(range(1, len(ranks) + 1))
        shown = outcome.shown.indices[row, : len(ranks)]
        ids = {candidate.rank_before: candidate.id for candidate in card.candidates}
        assert [ids[rank] for rank in ranks] == [outcome.trial.gallery[i].id for i in shown]
        for candidate in card.candidates:
            if candidate.mark == "junk":
                assert candidate.rank_after == candidate.rank_before
                assert candidate.reasoning is None
    assert any(c.mark == "junk" for card in report.query_cards for c in card.candidates)


def test_junk_takes_no_part_in_re_ranking_and_is_nobody(street: ReIDDataset) -> None:
    # Whether a copy of the data holds the junk boxes or not: every row is the same, only the page shows them.
    junk = tuple(replace(crop, id=f"copy {crop.id}", person=None, junk=True) for crop in street.gallery[:40])
    without = replace(street, gallery=tuple(crop for crop in street.gallery if not crop.junk))
    dirty, clean = replace(street, gallery=(*junk, *street.gallery)), run(without, Scripted(), k_reciprocal_weight=0.5)
    outcome = run(dirty, Scripted(), k_reciprocal_weight=0.5)
    assert [row.name for row in outcome.rows] == [row.name for row in clean.rows]
    for row, wanted in zip(outcome.rows, clean.rows, strict=True):
        assert row.metrics() == wanted.metrics(), row.name
    numbers, wanted_numbers = rows_json([outcome]), rows_json([clean])
    assert numbers["enrolled_identities"] == wanted_numbers["enrolled_identities"]
    people = {crop.person for crop in without.gallery if crop.person is not None}
    strangers = sum(crop.person is None for crop in without.gallery)
    assert numbers["enrolled_identities"] == len(people) + strangers
    assert numbers["mated_queries"] + numbers["non_mated_queries"] == numbers["queries"]
    shown = [c for card in build_report([outcome], title="t", facts={}).query_cards for c in card.candidates]
    assert any(c.id.startswith("copy ") and c.mark == "junk" for c in shown)


def test_queries_with_galleries_of_their_own_are_not_re_ranked_by_neighbours(street: ReIDDataset) -> None:
    outcome = run(street, None, protocol="single-gallery-shot")
    assert outcome.row("reranker", "k-reciprocal") is None
    queries, gallery = (
        Gallery.build(crops, HistogramEmbedder()) for crops in (outcome.trial.query, outcome.trial.gallery)
    )
    with pytest.raises(ReIDError, match="one gallery for all queries"):
        rerank_trial(outcome.trial, queries, gallery, 10)


def test_pages_and_files_of_drawn_galleries_show_the_means(street: ReIDDataset, tmp_path: Path) -> None:
    settings = tuned(k=5, weight=1.0, protocol="single-gallery-shot", think=1)
    outcomes = run_experiment(street, HistogramEmbedder(), Scripted(), settings, silent)  # type: ignore[arg-type]
    assert len(outcomes) == 10
    report = build_report(outcomes, title="t", facts={})
    text = write_report(report, tmp_path).read_text(encoding="utf-8")
    content, saved = rows_json(outcomes), json.loads((tmp_path / "metrics.json").read_text())
    for document in (saved, content):
        assert (document["protocol"], document["trials"]) == ("single-gallery-shot", 10)
    means = [np.mean([outcome.rows[0].metrics()["rank1"] for outcome in outcomes])]
    assert means[0] != outcomes[0].rows[0].metrics()["rank1"]  # else nothing would be shown by this test
    lines = list(csv.DictReader((tmp_path / "metrics.csv").read_text().splitlines()))
    terminal = text_table(outcomes).splitlines()[1:]
    for row, row_json, line, printed in zip(saved["rows"], content["rows"], lines, terminal, strict=True):
        for metric in ("mAP", "rank1", "rank5", "rank10", "mINP"):
            assert row[metric] == row_json[metric] == pytest.approx(float(line[metric]), abs=1e-15)
            assert f"{100 * row[metric]:.1f}" in printed
        assert row["calls"] == row_json["calls"] == int(line["calls"])
        assert int(printed.split()[-2]) == row["calls"]
        assert float(printed.split()[-1]) == pytest.approx(row["seconds"], abs=0.1)  # the file rounds them too
        assert (line["protocol"], line["trials"]) == ("single-gallery-shot", "10")
    assert saved["rows"][0]["rank1"] == pytest.approx(means[0])
    assert f'<data value="{saved["rows"][0]["rank1"]}">' in text
    assert "mean over 10 random draws of protocol single-gallery-shot" in text
    assert "curves and ranked lists below are those of draw 1" in text
    queries = list(csv.DictReader((tmp_path / "queries.csv").read_text().splitlines()))
    assert {(line["protocol"], line["trial"]) for line in queries} == {("single-gallery-shot", "1")}
    save_report(report, tmp_path)
    assert load_report(tmp_path) == report


def test_the_numbers_beside_the_rows_are_beside_the_page_too(street: ReIDDataset, tmp_path: Path) -> None:
    absent = OpenSetRule("distance", {"0.1": float("inf")})
    outcome = run(street, Scripted(), open_set=absent)
    report = build_report([outcome], title="t", facts={})
    text = write_report(report, tmp_path).read_text(encoding="utf-8")
    assert "random draws" not in text
    content, saved = rows_json([outcome]), json.loads((tmp_path / "metrics.json").read_text())
    for name in ("share_of_oracle_gain", "expected_calibration_error", "open_set", "enrolled_identities"):
        assert saved[name] == content[name]
    assert saved["open_set_as_tuned"]["0.1"]["threshold"] is None  # JSON knows no infinity
    assert {line["protocol"] for line in csv.DictReader((tmp_path / "metrics.csv").open())} == {"standard"}
    save_report(report, tmp_path)
    assert load_report(tmp_path) == report


def test_reasons_why_a_query_has_no_match_are_distinguished() -> None:
    def crop(name: str, person: str | None, camera: str, outfit: str = "1") -> Crop:
        return Crop(name, Image.new("RGB", (8, 16)), person=person, camera=camera, outfit=outfit)

    query = tuple(crop(f"q{person}", person, "1") for person in ("a", "b", "c", "d", None))
    gallery = (crop("a2", "a", "2", "2"), crop("b1", "b", "1"), crop("d2", "d", "2"), crop("x", None, "2"))
    dataset = ReIDDataset("worked", None, query=query, gallery=gallery)
    wanted = {
        # b is there in the query's own camera alone, c nowhere; d has not changed clothes.
        "standard": ["1 match", "no crop from another camera", "not in the gallery", "1 match", "no person label"],
        "ltcc/cc": ["1 match", "in other clothes", "not in the gallery", "in other clothes", "no person label"],
        "ltcc/sc": ["in the same clothes", "in the same clothes", "not in the gallery", "1 match", "no person label"],
    }
    for protocol, sentences in wanted.items():
        outcome = run(dataset, None, protocol=protocol)
        for card, sentence in zip(build_report([outcome], title="t", facts={}).query_cards, sentences, strict=True):
            assert card.status.endswith(sentence), (protocol, card.id)


def test_a_broken_gallery_picture_is_named_and_the_rest_goes_on(street: ReIDDataset, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not a picture")
    gallery = (*street.gallery, replace(street.gallery[0], id="broken", image=broken))
    outcome = run(replace(street, gallery=gallery), None)
    assert len(outcome.problems) == 1
    assert str(broken) in outcome.problems[0]
    assert metrics(outcome, "retriever") == pytest.approx(metrics(run(street, None), "retriever"))


def test_a_perfect_verifier_has_all_of_the_oracle_gain_and_an_idle_one_none(street: ReIDDataset) -> None:
    perfect = rows_json([run(street, Scripted())])["share_of_oracle_gain"]["reasoner scripted"]
    idle = rows_json([run(street, Scripted(0.5), weight=0.5)])["share_of_oracle_gain"]["reasoner scripted"]
    assert perfect["mAP"] == pytest.approx(1.0)
    assert perfect["rank1"] == pytest.approx(1.0)
    assert idle["mAP"] == pytest.approx(0.0)
    low, high = perfect["mAP_interval"]
    assert low == pytest.approx(1.0)
    assert high == pytest.approx(1.0)


def test_a_perfect_verifier_is_calibrated_and_lowers_the_open_set_error(street: ReIDDataset) -> None:
    content = rows_json([run(street, Scripted())])
    assert content["expected_calibration_error"] == pytest.approx(0.0)
    assert content["non_mated_queries"] > 0
    for wanted in ("FNIR at FPIR 0.01", "FNIR at FPIR 0.1"):
        assert content["open_set"]["reasoner"][wanted] <= content["open_set"]["retriever"][wanted]


def test_an_adaptive_row_asks_less_and_saves_the_calls_when_alone(street: ReIDDataset) -> None:
    policy = Policy(1.0, 3, first=3, last=12)
    both = run(street, Scripted(), policy=policy, k_reciprocal_weight=0.5)
    direct, adaptive = both.row("reasoner", ""), both.row("reasoner", "adaptive")
    assert direct is not None
    assert adaptive is not None
    assert both.asked is not None
    assert 0 < adaptive.calls == 2 * both.asked.sum() < direct.calls
    verifier = Scripted()
    alone = run(street, verifier, policy=policy, asking="in doubt")
    row = alone.row("reasoner", "adaptive")
    assert row is not None
    assert row.calls == 2 * len(verifier.pairs) == adaptive.calls
    assert row.metrics() == adaptive.metrics()
    assert alone.row("reasoner", "") is None
    numbers = rows_json([both])["cost_curve"]
    # Asking all of the first 5 is the direct row, asking none the retriever; the stored policy is the adaptive row.
    assert numbers["first candidates"][0]["mean_average_precision"] == pytest.approx(metrics(both, "retriever")["mAP"])
    assert numbers["first candidates"][-1]["mean_average_precision"] == pytest.approx(direct.metrics()["mAP"])
    assert numbers["stored policy"][0]["mean_average_precision"] == pytest.approx(adaptive.metrics()["mAP"])
    assert any(curve.kind == "cost_curve" for curve in build_report([both], title="t", facts={}).curves)


def test_csls_gets_a_row_and_is_what_the_reasoner_is_fused_with(street: ReIDDataset) -> None:
    plain, scaled = (run(street, Scripted(0.5), csls=wanted, weight=0.5) for wanted in (False, True))
    assert plain.row("reranker", "CSLS") is None
    assert plain.ranked.local is None
    assert scaled.ranked.local is not None
    np.testing.assert_array_equal(scaled.ranked.indices, plain.ranked.indices)
    assert metrics(scaled, "retriever") == metrics(plain, "retriever")
    # A reasoner that says nothing leaves each list as it finds it: the retriever's, and the first five as scaled.
    assert metrics(plain, "reasoner", "") == metrics(plain, "retriever")
    assert scaled.fused is not None
    assert scaled.fused.local is not None
    assert (np.diff(scaled.fused.local[:, :5], axis=1) >= 0).all()
    names = [row.name for row in scaled.rows]
    assert names.index("CSLS") < names.index("k-reciprocal") < names.index("reasoner scripted")
    areas = rows_json([scaled])["pair_areas"]
    assert areas["fused"]["area"] == pytest.approx(areas["CSLS distance"]["area"])


def test_a_reasoner_with_vision_similarity_gets_a_row_of_it_and_saves_calls(street: ReIDDataset) -> None:
    class Seeing(Scripted):
        capabilities = Capabilities(vision_similarity=True)

        def vision_similarity(self, pairs: Sequence[Pair], **_: object) -> NDArray[np.float64]:
            return np.array([[1.0 if pair.label else -1.0, 0.0, 0.0] for pair in pairs])

    score_predictor = ScorePredictor((0.0, 0.0, 0.0, 20.0, 0.0, 0.0), 0.0, 3, 12)
    policy = Policy(1e9, 5, first=3, last=12, unsure=0.5)
    both = run(street, Seeing(), policy=policy, score_predictor=score_predictor, weight=1.0)
    direct, adaptive = (metrics(both, "reasoner", variant) for variant in ("", "adaptive"))
    vision_similarity = metrics(both, "reranker", "vision similarity")
    # The vision encoder knows everything, so no pair is asked about and nothing is lost.
    assert vision_similarity == direct == adaptive
    assert both.asked is not None
    assert not both.asked.any()
    verifier = Seeing()
    alone = run(street, verifier, policy=policy, score_predictor=score_predictor, weight=1.0, asking="in doubt")
    assert not verifier.pairs
    assert metrics(alone, "reasoner", "adaptive") == direct
    # Thinking about the first candidate alone takes nothing from what is expected of the others.
    alone = run(
        street, verifier, policy=policy, score_predictor=score_predictor, weight=1.0, asking="in doubt", think=1
    )
    assert metrics(alone, "reasoner", "thinking") == direct
    spent = rows_json([both])["cost_curve"]
    assert spent["first candidates"][0]["mean_average_precision"] == pytest.approx(metrics(both, "retriever")["mAP"])
    assert spent["stored policy"][0]["mean_average_precision"] == pytest.approx(direct["mAP"])


def test_after_k_reciprocal_a_perfect_verifier_is_asked_about_its_own_first_candidates(street: ReIDDataset) -> None:
    outcome = run(street, Scripted(), k_reciprocal_weight=1.0, compare=("all",))
    before, after = metrics(outcome, "reranker", "k-reciprocal"), metrics(outcome, "reasoner", "after k-reciprocal")
    row = outcome.row("reranker", "k-reciprocal")
    assert row is not None
    # Whoever had a match among the first five of that list now has it first.
    assert after["rank1"] == pytest.approx(row.result.rank(5))
    assert after["mAP"] >= before["mAP"]


def test_other_fusions_of_the_same_scores_cost_no_call(street: ReIDDataset) -> None:
    fitted = LogisticFusion(
        Logistic((0.0,) * 4, (1.0,) * 4, (0.0, 0.0, 0.0, 1.0), 0.0),
        Logistic((0.0,) * 3, (1.0,) * 3, (0.0,) * 3, 0.0),
        3,
        12,
    )  # fmt: skip
    verifier = Scripted()
    outcome = run(street, verifier, whole_weight=0.0, fitted=fitted, compare=("all",))
    assert {row.variant: row.calls for row in outcome.rows if row.role == "reasoner" and row.variant} == {
        "whole list": 0,
        "fitted": 0,
    }
    # Weight 0 changes nothing; a fusion that listens to the verifier alone does what a perfect verifier can.
    assert metrics(outcome, "reasoner", "whole list") == pytest.approx(metrics(outcome, "retriever"))
    assert metrics(outcome, "reasoner", "fitted") == pytest.approx(metrics(outcome, "oracle"))


def test_thresholds_that_were_chosen_in_a_smaller_gallery_are_fitted_to_this_one(street: ReIDDataset) -> None:
    class Stored(HistogramEmbedder):
        thresholds = {"0.01": 0.2, "0.1": 0.3}  # noqa: RUF012
        threshold_crops = 4.0

    rule = OpenSetRule("distance", {"0.01": 0.25, "0.1": 0.35}, 3)
    settings = tuned(k=5, weight=1.0, open_set=rule)
    outcome = run_experiment(street, Stored(), Scripted(), settings, silent)[0]  # type: ignore[arg-type]
    content = rows_json([outcome])
    trial = outcome.trial
    crops = (~trial.excluded()).sum(axis=1)[~trial.mated].mean()
    assert 4 < crops <= len(trial.gallery)
    stored = for_gallery(Stored.thresholds, 4, crops)
    assert {wanted: row["distance"] for wanted, row in content["open_set_at_stored_thresholds"].items()} == stored
    as_tuned = for_gallery(rule.thresholds, 3, crops)
    assert {wanted: row["threshold"] for wanted, row in content["open_set_as_tuned"].items()} == as_tuned
    # What is printed is what was applied.
    nearest = outcome.ranked.distances[~trial.mated, 0]
    for wanted, threshold in stored.items():
        assert content["open_set_at_stored_thresholds"][wanted]["FPIR"] == (nearest <= threshold).mean()


def test_the_tuned_threshold_for_absent_people_is_measured_here(street: ReIDDataset) -> None:
    absent = OpenSetRule("1 - P(same)", {"0.1": 0.5})
    content = rows_json([run(street, Scripted(), open_set=absent)])
    # A verifier that knows the truth alarms for nobody who is absent, and misses whoever is beyond the first five.
    tuned = content["open_set_as_tuned"]["0.1"]
    assert (tuned["FPIR"], tuned["threshold"]) == (0.0, 0.5)
    assert tuned["FNIR"] == content["open_set"]["1 - P(same)"]["FNIR at FPIR 0.01"]
    absent = OpenSetRule("distance", absent.thresholds)
    as_tuned = rows_json([run(street, Scripted(), open_set=absent)])["open_set_as_tuned"]["0.1"]
    assert 0.0 <= as_tuned["FPIR"] <= 1.0
