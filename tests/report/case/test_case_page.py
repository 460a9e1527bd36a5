"""The page of a case: its time line is drawn to scale, whoever wrote a name, and a damaged file is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from reidr.errors import ReIDError
from reidr.report.case.document import CaseDocument, camera_words, case_csv, moment
from reidr.report.case.page import decision_lines, is_case, lanes_of, load_case, render_case, ticks_of, write_case
from reidr.search.appearances.case import Case, Decision
from reidr.search.appearances.grouping import appearance_of, time_line
from reidr.search.appearances.types import FoundTrack, SearchAnswer, SiteThresholds
from reidr.search.document.schema import PresenceEntry

EVIL = '<script>alert("x")</script>\u202e'


def track(name: str, camera: str, rank: int, start: float | None = None, end: float | None = None) -> FoundTrack:
    return FoundTrack(track=name, camera=camera, recording=None, start=start, end=end, crops=1, best=f"{name}.jpg",
                      rank=rank, distance=0.5, order_value=0.5, direct_score=None, p_same=None)  # fmt: skip


def document(*tracks: FoundTrack, name: str = "c") -> CaseDocument:
    appearances = [appearance_of([each], number, None) for number, each in enumerate(tracks, start=1)]
    presence = PresenceEntry(belief="unknown", sentence=EVIL, score="", value=None, thresholds={})
    nothing = SiteThresholds(score="", decisions=0, searches=0, thresholds=[], shipped={}, sentence="")
    answer = SearchAnswer(
        token="t", created=0.0, gallery="g", gallery_version=1, retriever="r", retriever_key="k", query=[], words="w",
        searched=3, order_by="distance", order_rule="By distance.", presence=presence, thresholds=nothing,
        appearances=appearances, time_line=time_line(appearances),
    )  # fmt: skip
    case = Case(id=name, created=0.0, by="Ada", gallery="g", request={}, answer=answer)
    return CaseDocument(created=0.0, facts={"version": 1}, case=case, blurred=False)


def test_bars_stand_where_their_times_are() -> None:
    made = document(track("a", "door", 1, 0.0, 50.0), track("b", "door", 2, 150.0, 200.0), track("n", "roof", 3))
    answer = made.case.answer
    assert answer is not None
    (door, bars), (roof, none) = lanes_of(answer.time_line, answer.appearances)
    assert [(bar.left, bar.width) for bar in bars] == [(0.0, 25.0), (75.0, 25.0)]
    assert (door, roof, none) == ("door", "roof", [])
    assert ticks_of(answer.time_line) == [moment(0.0), moment(100.0), moment(200.0)]
    timeless = document(track("n", "roof", 1)).case.answer
    assert timeless is not None
    assert lanes_of(timeless.time_line, timeless.appearances) == []
    assert ticks_of(timeless.time_line) == []


def test_names_cannot_write_into_the_page() -> None:
    page = render_case(document(track(EVIL, EVIL, 1, 0.0, 0.0)))
    assert "<script" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page


def test_a_run_folder_gives_back_its_document(tmp_path: Path) -> None:
    made = document(track("a", "door", 1, 0.0, 50.0))
    assert not is_case(tmp_path)
    page = write_case(made, tmp_path)
    assert is_case(tmp_path)
    assert render_case(load_case(tmp_path)) == page.read_text()
    (tmp_path / "report.json").write_text('{"kind": "case", "version": 7}')
    with pytest.raises(ReIDError, match="not a search of this version"):
        load_case(tmp_path)


def test_an_empty_case_is_a_page_and_a_table() -> None:
    empty = document().model_copy(update={"case": Case(id="c", created=0, by="Ada", gallery="g", request={})})
    assert "no answer yet" in render_case(empty)
    assert case_csv(empty.case).count("\n") == 1


def test_a_decision_that_was_taken_back_no_longer_counts() -> None:
    made = [
        Decision(number=number, track=name, decided=decided, by="Ada", why="", time=0.0, crops=[])
        for number, (name, decided) in enumerate([("a", "same"), ("b", "different"), ("a", "undecided")], start=1)
    ]
    assert [(words, counts) for _, words, counts in decision_lines(made)] == [
        ("confirmed", False), ("rejected", True), ("took back what was decided", True),
    ]  # fmt: skip


def test_cameras_are_called_cameras_once() -> None:
    assert (camera_words("door"), camera_words("Camera 1")) == ("camera door", "Camera 1")
