"""`reidr index` as a user types it: what it says, what it writes, and what it refuses in one sentence."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from filming import constant_detector, film, knowing_detector

from reidr.cli.main import reidr
from reidr.errors import ReIDError
from reidr.service.ingest.contact_sheet import MOST_TRACKS
from reidr.service.records.opening import open_records
from reidr.service.store.opening import open_store


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    film(folder / "gate.mp4")
    film(folder / "yard.mp4", 24)
    knowing_detector(folder / "knowing.onnx")
    return folder


def index(*words: object, films: Path, gallery: Path) -> Result:
    usual = ["--gallery", gallery, "--detector", films / "knowing.onnx", "--retriever", "histogram"]
    return CliRunner().invoke(reidr, ["index", *map(str, (*words, *usual))])


def test_two_videos_and_a_contact_sheet(films: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.html"
    words = (films / "gate.mp4", films / "yard.mp4", "--camera", "gate", "--camera", "yard")
    more = ("--start", "2026-11-30T09:15:00+00:00", "--contact-sheet", sheet)
    done = index(*words, *more, films=films, gallery=tmp_path / "gallery")
    assert done.exit_code == 0, done.output
    assert "gate.mp4, camera gate: 2 tracks with" in done.stdout
    assert re.search(r"gallery .*gallery: \d+ crops in 4 tracks of 2 cameras \(gate, yard\)", done.stdout)
    page = sheet.read_text(encoding="utf-8")
    store, records = open_store(tmp_path / "gallery"), open_records(tmp_path / "gallery")
    tracks, ids = store.tracks(), {crop.id for crop in store.crops()}
    assert all(track.id in page for track in tracks)
    assert page.count("<img ") == page.count("data:image/jpeg") == len(ids)
    assert "http" not in page.replace("http-equiv", "")  # nothing is loaded from elsewhere
    [export] = records.of_kind("export")
    assert (export.key, set(export.value["crops"])) == (str(sheet), ids)
    store.close()
    records.close()
    assert MOST_TRACKS >= 100
    again = index(*words, "--start", "2026-11-30T09:15:00+00:00", films=films, gallery=tmp_path / "gallery")
    assert "gate.mp4, camera gate: was indexed already: 2 tracks" in again.stdout


def test_a_dry_run_writes_nothing(films: Path, tmp_path: Path) -> None:
    done = index(films / "gate.mp4", "--dry-run", films=films, gallery=tmp_path / "gallery")
    assert done.exit_code == 0, done.output
    assert "detector knowing: usable, " in done.stdout
    assert re.search(
        r"gate.mp4: camera gate, 320x240, 10 frames a second, 4.0 s, 40 frames to look at in about", done.stdout
    )
    assert "dry run: nothing was written" in done.stdout
    assert not (tmp_path / "gallery").exists()


def test_ready_crops_need_no_detector(films: Path, tmp_path: Path) -> None:
    from filming import drawn_people

    (tmp_path / "crops" / "gate").mkdir(parents=True)
    for place, picture in enumerate(drawn_people()[0]):
        picture.save(tmp_path / "crops" / "gate" / f"{place}.png")
    words = ["index", tmp_path / "crops", "--pattern", "{camera}/{frame}.png", "--gallery", tmp_path / "g"]
    words += ["--retriever", "histogram"]
    done = CliRunner().invoke(reidr, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert re.search(r"crops: \d crops added", done.stdout)
    assert "without a known time; searches by time do not find them" in done.stdout
    dry = CliRunner().invoke(reidr, [*map(str, words), "--dry-run"])
    assert re.search(r"crops: \d crops of 1 camera \(gate\), each a track of its own", dry.stdout)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["gate.mp4", "--start", "half past nine"],
            "--start 'half past nine': not a time; write it like 2026-11-30T09:15",
        ),
        (["gate.mp4", "--detector", "cars.onnx"], "none of its classes is a person"),
        (["gate.mp4", "--tracker", "deepsort"], "no tracker 'deepsort'"),
        (["notes.mp4"], "notes.mp4: cannot be opened as a video"),
        (["gate.mp4", "--retriever", "nowhere"], "nowhere: neither a shipped retriever"),
        (["gate.mp4", "--contact-sheet", "gate.mp4"], "gate.mp4: is read by this command and would be written over"),
        (["rtsp://127.0.0.1:9/x", "--duration", "soon"], "--duration 'soon': not a length of time"),
    ],
)
def test_slips_are_one_sentence_and_leave_no_gallery(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    import numpy as np

    monkeypatch.chdir(tmp_path)
    (tmp_path / "gate.mp4").write_bytes((films / "gate.mp4").read_bytes())
    (tmp_path / "notes.mp4").write_text("no video")
    outputs = {"logits": np.zeros((1, 3, 2), np.float32), "boxes": np.zeros((1, 3, 4), np.float32)}
    constant_detector(tmp_path / "cars.onnx", {"x": [1, 3, 64, 64]}, outputs, {"names": "['car', 'bus']"})
    given = ["index", *words, "--gallery", "gallery"]
    for option, value in (("--detector", str(films / "knowing.onnx")), ("--retriever", "histogram")):
        given += [] if option in words else [option, value]
    done = CliRunner().invoke(reidr, given)
    assert isinstance(done.exception, ReIDError)
    assert sentence in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not (tmp_path / "gallery").exists()


SLOW = """
import sys, time
from reidr.service.ingest import indexing
from reidr.service.ingest.detection.onnx_detector import OnnxDetector
indexing.STRETCH = indexing.LONGEST_STRETCH = 4
look = OnnxDetector.detect
def slowly(self, frames):
    time.sleep(0.05)
    return look(self, frames)
OnnxDetector.detect = slowly
from reidr.cli.main import main
main()
"""


@pytest.mark.whole
def test_kill_9_in_the_midst_loses_nothing_that_was_kept_and_doubles_nothing(films: Path, tmp_path: Path) -> None:
    """The command is killed again and again at other moments; in the end the gallery is that of an unbroken run."""

    def started(gallery: Path) -> subprocess.Popen[Any]:
        words = ["index", films / "gate.mp4", "--camera", "gate", "--start", "2026-11-30T09:15:00+00:00", "--fps", "0",
                 "--gallery", gallery, "--detector", films / "knowing.onnx", "--retriever", "histogram"]  # fmt: skip
        return subprocess.Popen([sys.executable, "-c", SLOW, *map(str, words)], stderr=subprocess.DEVNULL)

    assert started(tmp_path / "whole").wait(90) == 0
    kills = 0
    for moment in (0.0, 0.3, 0.7, 0.15, 0.5):
        process = started(tmp_path / "cut")
        deadline = time.monotonic() + 60
        while not (tmp_path / "cut" / "gallery.sqlite").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        kills += process.wait(30) == -signal.SIGKILL
    assert kills >= 3
    assert started(tmp_path / "cut").wait(90) == 0
    contents = []
    for name in ("whole", "cut"):
        store = open_store(tmp_path / name)
        contents.append([(crop.id, crop.track, crop.start, crop.end, crop.picture) for crop in store.crops()])
        store.close()
    assert contents[0] == contents[1]
    assert len(contents[0]) > 4
