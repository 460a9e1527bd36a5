"""`reidr find --in GALLERY` and `reidr case` as they are typed: what is printed, kept, written, logged and refused."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from gallery_of_people import VISITS, crops_of, drawn

from reidr.cli.find_gallery_text import numbers
from reidr.cli.main import reidr
from reidr.errors import ReIDError
from reidr.report.case.document import CaseDocument
from reidr.retrieval.embedders.embedder import embed_crops
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.search.appearances.types import FoundTrack
from reidr.service.finding.person import crop_of
from reidr.service.records.opening import open_records
from reidr.service.security.audit import all_rows
from reidr.service.store.opening import open_store

ONES = [visit.track for visit in VISITS if visit.person == 1]


def test_a_track_s_numbers_are_words_for_whoever_looks_for_somebody() -> None:
    bare = FoundTrack(track="door-7", camera="door", recording=None, start=None, end=None, crops=1, best="a.jpg",
                      rank=1, distance=0.412, order_value=0.5, direct_score=None, p_same=None)  # fmt: skip
    said = {
        "track door-7  difference in looks 0.41 of 2": {},
        "track door-7  the model's own guess 71%": {"direct_score": 0.71},
        "track door-7  over 99% likely the same person": {"direct_score": 0.71, "p_same": 0.998},
        "track door-7  93% likely the same person  80% likely to fit the words": {"p_same": 0.93, "p_words": 0.8},
        "track door-7  93% likely the same person  confirmed": {"p_same": 0.93, "decided": "same"},
    }
    for line, numbers_of_it in said.items():
        assert numbers(bare.model_copy(update=numbers_of_it)) == line


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    histogram = HistogramEmbedder()
    crops = [crop for visit in VISITS[:12] for crop in crops_of(visit)]
    rows = embed_crops(histogram, [crop_of(crop) for crop in crops])
    store = open_store(tmp_path / "g")
    store.set_model(histogram.fingerprint, "histogram", rows.shape[1])
    store.add([replace(crop, vector=row) for crop, row in zip(crops, rows, strict=True)])
    store.close()
    drawn(1, 9).save("person.png")
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(reidr, list(words))


def find(*words: str) -> Result:
    return run("find", *words, "--in", "g", "--reasoner", "none", "--no-cache")


def test_a_search_is_printed_written_and_logged(place: Path) -> None:
    done = find("person.png", "--max-matches", "4", "--run", "r", "--json", "answer.json", "--csv", "answer.csv",
                "--by", "Ada", "--why", "a child is missing")  # fmt: skip
    assert done.exit_code == 0, (done.output, done.exception)
    assert "track " + ONES[0] in done.output
    assert "report: r/report.html" in done.output
    assert "difference in looks 1." in done.output
    assert not re.search(r"distance|fused|P\(same\)|score", done.output)
    document = CaseDocument.model_validate_json(Path("answer.json").read_text())
    assert document.case.answer is not None
    assert document.pictures == {}
    shown = [track.track for track in document.case.answer.tracks()]
    assert set(ONES) <= set(shown)
    assert len(document.case.answer.appearances) == 4
    with Path("answer.csv").open(newline="") as file:
        assert {row["track"] for row in csv.DictReader(file)} == set(shown)
    report = CaseDocument.model_validate_json(Path("r/report.json").read_text())
    assert not report.blurred
    assert {f"crop {track.best}" for track in document.case.answer.tracks()} <= set(report.pictures)
    records = open_records("g")
    (row,) = all_rows(records)
    noted = {Path(record.key).name for record in records.of_kind("export")}
    records.close()
    assert (row.value["who"], row.value["action"], row.value["why"]) == ("Ada", "search", "a child is missing")
    assert not any(track in json.dumps(row.value) for track in shown)
    assert noted == {"report.json", "matches.csv", "report.html", "answer.json", "answer.csv"}
    page = Path("r/report.html").read_text()
    Path("r/report.html").unlink()
    assert run("report", "r").exit_code == 0
    assert Path("r/report.html").read_text() == page


def test_a_case_from_the_search_to_the_export(place: Path) -> None:
    assert find("person.png", "--case", "c", "--camera", "yard", "--camera", "door").exit_code == 0
    again = find("person.png", "--case", "c")
    assert isinstance(again.exception, ReIDError)
    assert "there is a case named 'c' already" in str(again.exception)
    done = run("case", "decide", "c", "same", "--track", ONES[0], "--track", ONES[1], "--by", "Ada", "--in", "g")
    assert "2 tracks confirmed, 0 rejected" in done.output
    assert run("case", "decide", "c", "undecided", "--track", ONES[1], "--in", "g", "--by", "Bob").exit_code == 0
    repeated = find("--case", "c")
    assert "The person is here: 1 track confirmed." in repeated.output
    assert "roof" not in repeated.output.split("crops searched")[0]
    shown = run("case", "show", "c", "--in", "g")
    assert f"Ada confirmed: track {ONES[1]} (no longer counts)" in shown.output
    assert f"Bob took back what was decided: track {ONES[1]}" in shown.output
    assert "by " in run("case", "show", "--in", "g").output
    done = run("case", "export", "c", "--in", "g", "--to", "out", "--form", "html", "--form", "json", "--by", "Ada")
    assert done.exit_code == 0, (done.output, done.exception)
    document = CaseDocument.model_validate_json(Path("out/c.json").read_text())
    assert document.blurred
    assert {name.partition("/")[0] for name in document.clear} == {ONES[0]}
    records = open_records("g")
    actions = [row.value["action"] for row in all_rows(records)]
    records.close()
    assert actions == ["search", "decide", "decide", "decide", "search", "export", "export"]


def test_by_a_track_within_a_time_and_with_travel_times(place: Path) -> None:
    Path("times.csv").write_text("from,to,least,usual,most\ndoor,yard,60,110,200\n")
    done = find("--track", ONES[1], "--from", "1970-01-01T00:04:00+00:00", "--to", "1970-01-01T00:10:00Z",
                "--travel-times", "times.csv", "--json", "-")  # fmt: skip
    assert done.exit_code == 0, (done.output, done.exception)
    answer = json.loads(done.stdout)["case"]["answer"]
    tracks = [track for each in answer["appearances"] for track in each["tracks"]]
    assert {track["track"] for track in tracks} >= {ONES[2]}
    assert all(track["end"] >= 240 and track["start"] <= 600 for track in tracks)
    assert next(track["travel"] for track in tracks if track["track"] == ONES[2])["log_likelihood"] > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("person.png", "--k", "3"), "no --k: say --max-matches"),
        (("person.png", "--reranker", "csls"), "no --reranker"),
        ((), "Give a picture of the person"),
        (("person.png", "--in", "g"), "a gallery is searched alone"),
    ],
)
def test_what_a_gallery_has_not_is_refused(place: Path, words: tuple[str, ...], message: str) -> None:
    done = find(*words)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("person.png", "--from", "yesterday"), "--from 'yesterday': not a time"),
        (("person.png", "--from", "2026-11-30", "--to", "2026-11-29"), "ends before it begins"),
        (("none.png",), "none.png"),
        (("--track", "nobody"), "track nobody is not in the gallery"),
        (("--case", "none"), "there is no case none"),
        (("--words", "red top"), "cannot be searched by words"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(place: Path, words: tuple[str, ...], message: str) -> None:
    done = find(*words)
    assert isinstance(done.exception, ReIDError), (done.output, done.exception)
    assert message in str(done.exception)


def test_folders_of_crops_know_no_options_of_a_gallery(place: Path) -> None:
    Path("crops").mkdir()
    drawn(3).save("crops/3.png")
    done = run("find", "person.png", "--in", "crops", "--camera", "door")
    assert done.exit_code == 2
    assert "--camera belongs to the search of a gallery" in " ".join(done.output.split())


def test_a_gallery_as_a_data_set(place: Path) -> None:
    done = run("gallery", "export", "g", "set", "--camera", "yard", "--form", "coco", "--by", "Ada")
    assert done.exit_code == 0, (done.output, done.exception)
    labels = json.loads(Path("set/labels.json").read_text())
    store = open_store("g")
    crops = {crop.id: crop for crop in store.crops() if crop.camera == "yard"}
    store.close()
    assert {each["attributes"]["crop"] for each in labels["annotations"]} == set(crops)
    assert f"{len(crops)} crops" in done.output
    first = labels["annotations"][0]
    assert (Path("set/data") / labels["images"][0]["file_name"]).read_bytes() == crops[
        first["attributes"]["crop"]
    ].picture
    records = open_records("g")
    noted = {Path(record.key).name for record in records.of_kind("export")}
    records.close()
    assert noted == {path.name for path in Path("set").rglob("*") if path.is_file()}
