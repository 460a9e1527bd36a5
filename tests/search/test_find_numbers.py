"""The numbers of a search: one name each, the one that decides is shown, and no more is said than they say."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finding import Bands, Scores, drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reidr.cli.find_text import match_lines, numbers
from reidr.data.types import Crop
from reidr.fusion.calibration import Calibration
from reidr.fusion.gallery_size import for_gallery
from reidr.fusion.profile import InferenceProfile, OpenSetRule
from reidr.reasoning.types import Verdict
from reidr.report.search import headline_of, render
from reidr.search import Found, search
from reidr.search.document.document import csv_of, document_of
from reidr.search.presence import judged
from reidr.search.query.plausibility import why_no_person
from reidr.search.task import SearchOptions

GALLERY = [Crop(name, drawn(number)) for name, number in (("a", 1), ("b", 2), ("c", 3), ("d", 4))]
CALIBRATED = InferenceProfile(0.5, "this test", calibration=Calibration("temperature", 2.0))


def look(reasoner: Any = None, person: Any = None, gallery: Any = GALLERY, k: int = 10, **words: Any) -> Found:
    options = SearchOptions(**{"retriever": Bands(), "reasoner": reasoner, **words})
    return search(drawn(1, 9) if person is None else person, gallery, k, options, keep=False)


def page_of(found: Found) -> str:
    return render(document_of(found, created="now", facts={}, notice=""))


def test_without_a_reasoner_distance_decides() -> None:
    found = look()
    assert found.order_by == "distance"
    assert [m.order_value for m in found.matches] == [m.distance for m in found.matches]
    assert numbers(found.matches[0], found) == f"distance {found.matches[0].distance:.3f}"


def test_the_fused_distance_decides_and_is_the_formula_of_muse() -> None:
    scores = {"a": 0.1, "b": 0.9, "c": 0.4, "d": 0.5}
    found = look(Scores(scores))
    assert found.order_by == "fused distance"
    for match in found.matches:
        assert match.order_value == pytest.approx(0.5 * match.distance + 0.5 * 2 * (1 - scores[match.crop.id]))
        assert match.direct_score == scores[match.crop.id]
    values = [match.order_value for match in found.matches]
    assert values == sorted(values)
    assert "0.5 x distance + 0.5 x 2 x (1 - direct score)" in found.order_rule
    for text in (match_lines(found.matches[0], 1, found)[1], page_of(found)):
        assert "fused distance" in text
        assert f"{values[0]:.3f}" in text


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.01, 0.99), min_size=4, max_size=4), st.floats(0.0, 1.0))
def test_no_match_beats_the_one_before_it_on_the_number_that_decides(scores: list[float], weight: float) -> None:
    found = look(Scores(dict(zip("abcd", scores, strict=True)), InferenceProfile(weight, "this test")), think=0)
    values = [match.order_value for match in found.matches]
    assert values == sorted(values)
    assert {match.rank_before for match in found.matches} == {1, 2, 3, 4}


def test_p_same_is_the_calibrated_direct_score_and_nothing_else_is_called_so() -> None:
    scores = {"a": 0.7, "b": 0.5, "c": 0.2, "d": 0.1}
    found = look(Scores(scores, CALIBRATED))
    for match in found.matches:
        odds = scores[match.crop.id] / (1 - scores[match.crop.id])
        assert match.calibrated
        assert match.probability == pytest.approx(odds**2 / (1 + odds**2))  # slope 2 doubles the log odds
    assert numbers(found.matches[0], found).count("P(same)") == 1
    plain = look(Scores(scores))
    assert all(match.probability == match.direct_score and not match.calibrated for match in plain.matches)
    assert "P(same)" not in numbers(plain.matches[0], plain)
    assert f"direct score {plain.matches[0].direct_score:.2f}" in numbers(plain.matches[0], plain)
    (entry, *_) = document_of(plain, created="", facts={}, notice="").matches
    assert entry.p_same is None
    assert entry.direct_score == plain.matches[0].direct_score


def test_a_pair_without_a_score_has_none_anywhere_and_keeps_its_distance() -> None:
    found = look(Scores({"b": 0.5, "c": 0.5, "d": 0.5}, CALIBRATED, without_score=1, requests=9))
    match = next(match for match in found.matches if match.crop.id == "a")
    assert match.direct_score is match.probability is None
    assert match.order_value == match.distance
    assert "no score" in numbers(match, found)
    document = document_of(found, created="", facts={}, notice="")
    entry = next(entry for entry in document.matches if entry.id == "a")
    assert entry.direct_score is entry.p_same is None
    assert document.requests.requests == 9
    assert document.requests.without_score == 1
    assert "<dd>no score</dd>" in page_of(found)
    assert "1 result has no score" in page_of(found)


@pytest.mark.parametrize(("how", "mark"), [("sampled", "sampled"), ("bounded", "a bound")])
def test_estimates_are_marked_everywhere(how: str, mark: str) -> None:
    found = look(Scores(dict.fromkeys("abcd", 0.5), CALIBRATED, **{how: 4}))
    assert all(getattr(match, how) for match in found.matches)
    assert f"({mark})" in numbers(found.matches[0], found)
    assert f"<small>{mark}</small>" in page_of(found)
    document = document_of(found, created="", facts={}, notice="")
    assert all(getattr(entry, how) for entry in document.matches)
    assert csv_of(document).splitlines()[1].split(",")[csv_of(document).splitlines()[0].split(",").index(how)] == "yes"
    assert not any(getattr(match, how) for match in look(Scores(dict.fromkeys("abcd", 0.5))).matches)


def test_a_verdict_without_a_score_or_an_answer_says_so() -> None:
    class Mute(Scores):
        def think(self, pairs: Any, *_: Any, **__: Any) -> list[Verdict]:
            made = {"reasoning": "Both have red shoes.", "cues": (), "tokens": 1, "seconds": 0.1}
            rest = {"model": "m", "prompt": "p", "key": "k"}
            kinds = [
                Verdict("same", None, problem="no evidence", **made, **rest),  # type: ignore[arg-type]
                Verdict("same", 0.6, sampled=True, **made, **rest),  # type: ignore[arg-type]
                Verdict("insufficient", None, parsable=False, problem="refused", **made, **rest),  # type: ignore[arg-type]
            ]
            return [kinds[place % 3] for place in range(len(pairs))]

    found = look(Mute(dict.fromkeys("abcd", 0.5)))
    said = [numbers(match, found) for match in found.matches[:3]]
    assert "says same, no score" in said[0]
    assert "score 0.60 (sampled)" in said[1]
    assert "its reasoning gave no answer (refused)" in said[2]
    first, second, third = (entry.verdict for entry in document_of(found, created="", facts={}, notice="").matches[:3])
    assert first is not None and first.score is None and first.readable  # noqa: PT018
    assert second is not None and second.sampled  # noqa: PT018
    assert third is not None and not third.readable and third.problem == "refused"  # noqa: PT018
    page = page_of(found)
    for sentence in ("no score", "<small>sampled</small>", "its answer could not be read: refused"):
        assert sentence in page


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        (Image.new("RGB", (64, 128), (128, 128, 128)), "blank"),
        (Image.new("L", (64, 128), 3), "blank"),
        (drawn(1, size=(640, 360)), "wider than a person is high"),
        (drawn(1, size=(20, 198)), "too narrow"),
        (drawn(1, size=(8, 24)), "too small"),
        (drawn(1), ""),
        (drawn(1, size=(60, 60)), ""),
    ],
)
def test_what_can_hardly_be_a_person(picture: Image.Image, why: str) -> None:
    found = why_no_person(picture)
    assert bool(found) == bool(why)
    assert why in found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 255), st.integers(0, 2), st.integers(0, 10**6))
def test_a_blank_picture_stays_blank_under_noise(level: int, noise: int, seed: int) -> None:
    grain = np.random.default_rng(seed).integers(-noise, noise + 1, (128, 64, 3))
    assert "blank" in why_no_person(Image.fromarray(np.clip(level + grain, 0, 255).astype(np.uint8)))


@pytest.mark.parametrize(
    "person", [Image.new("RGB", (64, 128), (128, 128, 128)), drawn(1, size=(640, 360))], ids=["grey", "frame"]
)
def test_a_query_that_shows_nobody_gets_a_warning_and_no_confident_words(person: Image.Image) -> None:
    reasoner = Scores(dict.fromkeys("abcd", 0.9), CALIBRATED)
    found = look(reasoner, person)
    assert reasoner.thought == []
    assert len(found.warnings) == 1
    assert "can hardly be a crop of one person" in found.warnings[0]
    assert found.presence.belief == "unknown"
    page = page_of(found)
    assert 'role="alert"' in page
    assert "red shoes" not in page
    # Who insists gets words, and is told what they are worth, everywhere.
    found = look(reasoner, person, think=1)
    assert reasoner.thought == [found.matches[0].crop.id]
    assert any("not to be relied on" in line for line in match_lines(found.matches[0], 1, found))
    assert "not to be relied on" in page_of(found)
    verdict = document_of(found, created="", facts={}, notice="").matches[0].verdict
    assert verdict is not None
    assert not verdict.reliable


def test_candidates_that_show_nobody_get_no_words_either() -> None:
    reasoner = Scores({"a": 0.9, "blank": 0.9})
    found = look(reasoner, gallery=[GALLERY[0], Crop("blank", Image.new("RGB", (24, 48), (90, 80, 10)))])
    assert reasoner.thought == ["a"]
    doubts = {match.crop.id: match.doubt for match in found.matches}
    assert "blank" in doubts["blank"]
    assert doubts["a"] == ""


def test_one_good_picture_among_doubtful_ones_is_the_one_that_is_shown() -> None:
    frame = drawn(1, size=(640, 360))
    reasoner = Scores(dict.fromkeys("abcd", 0.5))
    found = look(reasoner, [frame, drawn(1, 9), frame])
    assert found.query.id == "query 2"
    assert len(found.warnings) == 2
    assert reasoner.thought


@pytest.mark.parametrize(
    ("value", "belief", "opens"),
    [
        (
            0.3,
            "probably there",
            "Probably in the gallery: at most about 1 in 100 people who are not there come as near, as measured",
        ),
        (0.4, "probably there", "Probably"),
        (0.45, "perhaps there", "Perhaps in the gallery"),
        (0.7, "perhaps there", "Perhaps in the gallery"),
        (0.8, "perhaps absent", "Perhaps not in the gallery"),
    ],
)
def test_whether_the_person_is_there_is_one_line(value: float, belief: str, opens: str) -> None:
    found = judged("distance", value, {"0.1": 0.7, "0.01": 0.4, "0.05": 0.6})
    assert found.belief == belief
    assert found.sentence.startswith(opens)
    within = {0.45: "at most about 1 in 20 ", 0.7: "at most about 1 in 10 ", 0.8: "more than 1 in 10 "}
    assert within.get(value, "") in found.sentence
    assert not re.search(r"\d\.\d|distance", found.sentence)  # words for people, not numbers for engineers


def test_presence_goes_by_the_score_that_was_chosen_for_the_reasoner() -> None:
    scores = {"a": 0.9, "b": 0.5, "c": 0.2, "d": 0.1}
    chosen = {"score": "fused distance", "thresholds": {"0.01": 0.3, "0.1": 0.6}}
    found = look(Scores(scores, InferenceProfile(0.5, "this test", open_set=chosen)), retriever=Bands(0.01, 0.02))
    assert found.presence.score == "fused distance"
    assert found.presence.value == pytest.approx(min(match.order_value for match in found.matches))
    assert found.presence.belief == "probably there"
    # Where a pair has no score it cannot be computed: the retriever's distance tells.
    found = look(Scores({"a": 0.9}, InferenceProfile(0.5, "this test", open_set=chosen)), retriever=Bands(0.01, 0.02))
    assert found.presence.score == "distance"
    # Where nothing is stored, nothing is claimed.
    assert look(Scores(scores)).presence.belief == "unknown"
    assert "cannot be said" in headline_of(document_of(look(), created="", facts={}, notice=""))


def test_thresholds_are_fitted_to_the_size_of_the_gallery_and_the_line_says_so() -> None:
    gallery = [Crop(f"{number:03d}", drawn(number)) for number in range(1, 42)]
    plain = look(gallery=gallery, retriever=Bands(0.6, 0.9), k=3)
    assert plain.presence.thresholds == {"0.01": 0.6, "0.1": 0.9}
    assert plain.presence.sentence.endswith("as measured on people held out of the training.")
    found = look(gallery=gallery, retriever=Bands(0.6, 0.9, crops=8.2), k=3)
    assert found.presence.thresholds == for_gallery({"0.01": 0.6, "0.1": 0.9}, 8.2, 41)
    assert found.presence.sentence.endswith(
        "come as near, as measured on people held out of the training and reckoned for a gallery of 41 crops."
    )
    shown = document_of(found, created="", facts={}, notice="").presence
    assert shown.thresholds == found.presence.thresholds  # in the file as well: those it was compared with
    # The query's own picture is nobody whom it is compared with.
    copied = look(gallery=[*gallery, Crop("copy", drawn(1, 9))], retriever=Bands(0.6, 0.9, crops=8.2), k=3, fold=False)
    assert copied.presence.thresholds == found.presence.thresholds
    # Where it was measured among more crops than these, it holds all the more, and nothing is reckoned.
    small = look(retriever=Bands(0.6, 0.9, crops=500))
    assert small.presence.thresholds == {"0.01": 0.6, "0.1": 0.9}
    assert "reckoned" not in small.presence.sentence


def test_somebody_near_in_a_small_gallery_may_be_far_in_a_large_one() -> None:
    gallery = [Crop(f"{number:03d}", drawn(number)) for number in range(2, 200)]
    nearest = min(match.distance for match in look(gallery=gallery, k=1).matches)
    by_size = [look(gallery=gallery, retriever=Bands(nearest - 0.2, nearest + 0.01, crops=crops), k=1).presence.belief
               for crops in (None, 500, 20)]  # fmt: skip
    assert by_size == ["perhaps there", "perhaps there", "perhaps absent"]


@pytest.mark.parametrize("score", ["distance", "fused distance", "1 - P(same)"])
def test_the_profile_s_thresholds_are_fitted_where_they_are_of_distances(score: str) -> None:
    shipped = {"0.01": 0.2, "0.1": 0.3}
    rule = OpenSetRule(score, shipped, 2)
    found = look(Scores(dict.fromkeys("abcd", 0.5), InferenceProfile(0.5, "this test", open_set=rule)))
    fitted = score != "1 - P(same)"
    assert found.presence.score == score
    assert found.presence.thresholds == (for_gallery(shipped, 2, 4) if fitted else shipped)
    assert ("reckoned for a gallery of 4 crops" in found.presence.sentence) == fitted


def test_a_copy_of_the_query_is_no_sign_that_the_person_is_there(tmp_path: Path) -> None:
    copy = Crop("copy", drawn(1, 9))
    found = look(gallery=[copy], retriever=Bands(0.5))
    assert found.matches[0].identical
    assert found.presence.belief == "unknown"
    found = look(gallery=[copy, Crop("other", drawn(1, 30)), GALLERY[1]], retriever=Bands(0.001, 0.002), fold=False)
    assert [match.identical for match in found.matches] == [True, False, False]
    assert found.presence.value == pytest.approx(found.matches[1].distance)
    assert math.isclose(found.matches[0].distance, 0.0, abs_tol=1e-3)
