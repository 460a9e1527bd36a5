"""Video files: exact times, going on in the midst, and what can be read of damaged ones."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from filming import FRAMES, HEIGHT, RATE, WIDTH, film

from reidr.errors import DataError, MissingExtraError
from reidr.service.ingest.sources.frame import Selector
from reidr.service.ingest.sources.video import VideoFile, upright


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("films") / "gate.mp4")


def test_what_a_video_says_of_itself(clip: Path) -> None:
    source = VideoFile(clip, "gate", 1000.0)
    recording = source.recording
    assert (recording.name, recording.camera, recording.width, recording.height) == ("gate.mp4", "gate", WIDTH, HEIGHT)
    assert recording.length == pytest.approx(FRAMES / RATE, abs=0.05)
    assert recording.frame_rate == pytest.approx(RATE)
    assert recording.time_at(1.5) == 1001.5
    assert VideoFile(clip, "gate").recording.time_at(1.5) is None
    assert recording.label == f"gate.mp4@{recording.key[:8]}"


def test_times_are_those_of_the_time_stamps(tmp_path: Path) -> None:
    """A camera that takes frames when it likes: the stated rate says nothing."""
    times = [0, 40, 80, 500, 510, 1700, 1740, 2500]
    source = VideoFile(film(tmp_path / "uneven.mkv", len(times), times=times), "gate")
    assert [round(frame.place.seconds * 1000) for frame in source.frames(0)] == times
    assert [frame.place.number for frame in source.frames(0)] == list(range(len(times)))
    # At most two a second: the first of each half.
    assert [round(frame.place.seconds * 1000) for frame in source.frames(2)] == [0, 500, 1700, 2500]


@pytest.mark.parametrize("per_second", [0.0, 4.0])
def test_reading_goes_on_wherever_it_was_left(clip: Path, per_second: float) -> None:
    source = VideoFile(clip, "gate")
    whole = list(source.frames(per_second))
    for begin in range(0, len(whole), 5):
        rest = list(source.frames(per_second, whole[begin].place))
        assert [frame.place for frame in rest] == [frame.place for frame in whole[begin:]]
        assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(rest, whole[begin:], strict=True))
    assert source.remarks == []


def test_a_selector_is_a_count_of_slots() -> None:
    rng = np.random.default_rng(0)
    for per_second in (0.5, 3.0, 7.5, 30.0):
        times = np.cumsum(rng.exponential(0.03, 500))
        selector = Selector(per_second)
        taken = [float(seconds) for seconds in times if selector.takes(float(seconds))]
        first_of: dict[int, float] = {}
        for seconds in times:
            first_of.setdefault(int(seconds * per_second + 1e-6), float(seconds))
        assert taken == list(first_of.values())


def test_a_truncated_video_keeps_what_can_be_read(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mkv")
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    source = VideoFile(cut, "gate")
    read = list(source.frames(0))
    assert FRAMES // 4 < len(read) < FRAMES
    assert len(source.remarks) == 1
    assert "cut.mkv: " in source.remarks[0]
    assert "truncated" in source.remarks[0] or "breaks off" in source.remarks[0]
    assert list(VideoFile(whole, "gate").frames(0))[len(read) - 1].place == read[-1].place


def test_damaged_parts_are_passed_over_and_said(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mkv")
    content = bytearray(whole.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = b"\xff" * 4000
    hurt = tmp_path / "hurt.mkv"
    hurt.write_bytes(content)
    source = VideoFile(hurt, "gate")
    frames = list(source.frames(0))
    assert FRAMES // 4 < len(frames) < FRAMES
    assert [frame.place.seconds for frame in frames] == sorted({frame.place.seconds for frame in frames})
    [remark] = source.remarks
    assert "hurt.mkv: " in remark


@pytest.mark.parametrize("case", ["text", "no index", "empty", "sound alone", "playlist"])
def test_what_is_no_video_is_said(tmp_path: Path, case: str) -> None:
    path = tmp_path / "bad.mp4"
    if case == "text":
        path.write_text("not a video " * 50)
    elif case == "no index":
        whole = film(tmp_path / "whole.mp4")  # its table of contents stands at the end
        path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    elif case == "empty":
        path.write_bytes(b"")
    elif case == "playlist":
        path = tmp_path / "list.m3u8"
        path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    else:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=8000)
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = 8000, 0, Fraction(1, 8000)
            container.mux(stream.encode(sound))
            container.mux(stream.encode())
    with pytest.raises(
        DataError, match="holds no video, only audio" if case == "sound alone" else "cannot be opened|not one frame"
    ) as error:
        VideoFile(path, "gate")
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_phone_held_sideways_gives_upright_frames() -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    for degrees in (0, 90, -90, 180, -180):
        frame = SimpleNamespace(rotation=degrees, to_ndarray=lambda format: picture)
        assert np.array_equal(upright(frame), np.rot90(picture, degrees // 90))


def test_without_the_extra_one_sentence_names_it(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'reidr\[video\]'"):
        VideoFile(clip, "gate")
