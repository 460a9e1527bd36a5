"""Folders of frames, live streams, and the plan of what is to be indexed."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filming import boxes_at, drawn_frame, film
from PIL import Image

from reidr.data.reading.path_pattern import PathPattern
from reidr.errors import DataError, ReIDError
from reidr.service.ingest.plan import Asked, plan_of
from reidr.service.ingest.sources.frame import Place
from reidr.service.ingest.sources.frame_folder import FrameFacts, frame_folders
from reidr.service.ingest.sources.stream import LiveStream, put_newest, without_secrets


def write_frames(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(drawn_frame(number, boxes_at(number))).save(folder / name)
    return folder


def test_frames_by_number_come_in_their_order(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "gate", [f"{number}.png" for number in range(12)])  # 10.png sorts before 2.png
    [source] = frame_folders(folder, FrameFacts(start=500.0, frame_rate=4))
    frames = list(source.frames(0))
    assert [frame.place.seconds for frame in frames] == [number / 4 for number in range(12)]
    assert all(
        np.array_equal(frame.pixels, drawn_frame(number, boxes_at(number))) for number, frame in enumerate(frames)
    )
    assert (source.recording.camera, source.recording.name, source.recording.start) == ("gate", "gate", 500.0)
    assert [frame.place.number for frame in source.frames(2, frames[4].place)] == [4, 6, 8, 10]


def test_frames_by_the_time_in_their_names_and_by_camera(tmp_path: Path) -> None:
    names = [f"{camera}/2026-11-30/09-15-0{second}.5.png" for camera in ("a", "b") for second in (3, 1, 2)]
    folder = write_frames(tmp_path / "frames", names)
    sources = frame_folders(folder, FrameFacts(pattern=PathPattern("{camera}/{date}/{time}.png")))
    assert [source.recording.name for source in sources] == ["frames/a", "frames/b"]
    for source in sources:
        assert source.recording.start == datetime(2026, 11, 30, 9, 15, 1, 500_000).timestamp()
        assert [frame.place.seconds for frame in source.frames(0)] == pytest.approx([0, 1, 2])
    assert sources[0].recording.key != sources[1].recording.key


def test_frames_with_gaps_in_their_numbers_keep_their_times(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "gate", ["f000100.png", "f000110.png", "f000150.png"])
    [source] = frame_folders(folder, FrameFacts(pattern=PathPattern("f{frame}.png"), frame_rate=10))
    assert [frame.place.seconds for frame in source.frames(0)] == [0, 1, 5]


def test_a_frame_that_cannot_be_read_is_passed_over_and_said(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "gate", [f"{number}.png" for number in range(4)])
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:200])
    [source] = frame_folders(folder, FrameFacts(frame_rate=1))
    assert [frame.place.number for frame in source.frames(0)] == [0, 1, 3]
    assert "1 frame cannot be read: " in source.remarks[0]
    with pytest.raises(
        DataError, match="its names tell no time; say how many frames a second were taken with --frame-rate"
    ):
        frame_folders(folder, FrameFacts())


@pytest.fixture
def address(tmp_path: Path, start: Callable[[Any], Any]) -> str:
    """A video behind an address."""
    film(tmp_path / "live.mp4", 30)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = start(ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))))
    return f"http://127.0.0.1:{server.server_address[1]}/live.mp4"


def test_what_lies_behind_an_address_is_looked_at_for_a_stated_time(address: str) -> None:
    source = LiveStream(address, "gate", 1.95)
    began = time.time()
    frames = list(source.frames(0))
    assert [frame.place.number for frame in frames] == list(range(20))
    assert [frame.place.seconds for frame in frames] == pytest.approx([number / 10 for number in range(20)], abs=2e-3)
    assert abs((source.recording.start or 0) - began) < 5
    assert (source.recording.resumable, source.remarks) == (False, [])
    with pytest.raises(ReIDError, match="cannot be read again"):
        next(source.frames(0, Place(3, 3, 0.3)))


def test_a_stream_of_which_not_all_is_wanted_lets_its_thread_go(address: str) -> None:
    frames = LiveStream(address, "gate", 60.0).frames(0)
    assert next(frames).place.number == 0
    frames.close()
    deadline = time.monotonic() + 10
    while any("_read" in thread.name for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any("_read" in thread.name for thread in threading.enumerate())


def test_who_is_too_slow_sees_the_newest_frames() -> None:
    waiting: queue.Queue[Any] = queue.Queue(3)
    assert [put_newest(waiting, number) for number in range(6)] == [0, 0, 0, 1, 1, 1]  # type: ignore[arg-type]
    assert [waiting.get() for _ in range(3)] == [3, 4, 5]


def test_passwords_are_neither_kept_nor_shown() -> None:
    assert without_secrets("rtsp://anna:secret@10.0.0.7:554/ch1?token=x#y") == "rtsp://10.0.0.7:554/ch1"
    with pytest.raises(DataError) as error:
        LiveStream("rtsp://anna:secret@127.0.0.1:9/ch1", "gate", 1.0)
    assert "rtsp://127.0.0.1:9/ch1: cannot be opened" in str(error.value)
    assert str(error.value).endswith("check the address, and that the camera is on")
    assert "secret" not in str(error.value)


def test_the_plan_opens_everything_in_its_order(tmp_path: Path) -> None:
    one, two = film(tmp_path / "gate.mp4", 12), film(tmp_path / "yard_2026-11-30_09-15-00.mp4", 15)
    plan = plan_of(Asked((str(one), str(two)), detector=True))
    assert [source.recording.camera for source in plan.recordings] == ["gate", "yard_2026-11-30_09-15-00"]
    plan = plan_of(Asked((str(one), str(two)), ("a", "b"), (5.0,), detector=True))
    assert [(each.recording.camera, each.recording.start) for each in plan.recordings] == [("a", 5.0), ("b", 5.0)]
    [named] = plan_of(Asked((str(two),), pattern=PathPattern("{camera}_{date}_{time}.mp4"), detector=True)).recordings
    assert (named.recording.camera, named.recording.start) == ("yard", datetime(2026, 11, 30, 9, 15).timestamp())
    frames = write_frames(tmp_path / "frames", ["0.png", "1.png"])
    mixed = plan_of(Asked((str(frames), str(one)), frame_rate=2, detector=True))
    assert [source.recording.name for source in mixed.recordings] == ["frames", "gate.mp4"]
    assert plan_of(Asked((str(frames),), ("a",))).crops[0].crops[0].camera == "a"


@pytest.mark.parametrize(
    ("sources", "more", "sentence"),
    [
        (("nowhere.mp4",), {"detector": True}, "no such video, folder or manifest"),
        (("gate.mp4",), {}, "people have to be found in it; name a detector with --detector"),
        (("gate.mp4",) * 3, {"cameras": ("a", "b"), "detector": True}, "--camera is given 2 times for 3 sources"),
        (("gate.mp4",), {"duration": 5.0, "detector": True}, "--duration is for live streams"),
        (("gate.mp4",), {"pattern": PathPattern("{camera}_{date}.mp4"), "detector": True}, "gate.mp4 does not follow"),
        (("one.png",), {"detector": True}, "is a single picture; give the folder of frames or crops"),
        (("list.csv",), {"detector": True}, "is a manifest of ready crops.*leave out --detector"),
        (("rtsp://127.0.0.1:9/x",), {"detector": True}, "is a live stream; say with --duration how long to look"),
        (("rtsp://127.0.0.1:9/x",), {"detector": True, "duration": 5.0, "starts": (1.0,)}, "leave out --start"),
    ],
)
def test_slips_are_said_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: tuple[str, ...], more: dict[str, Any], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if "gate.mp4" in sources:
        film(tmp_path / "gate.mp4", 12)
    (tmp_path / "list.csv").write_text("image,person,camera,split\n")
    (tmp_path / "one.png").write_bytes(b"")
    with pytest.raises(DataError, match=sentence):
        plan_of(Asked(sources, **more))
