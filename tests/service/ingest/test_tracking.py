"""Following people: quality, the crops that are kept, and stretches that join without a seam."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filming import FRAMES, HEIGHT, RATE, WIDTH, boxes_at, drawn_frame
from PIL import Image

from reidr.errors import MissingExtraError, WeightsError
from reidr.service.ingest.detection.detector import Detections
from reidr.service.ingest.sources.frame import Frame, Place
from reidr.service.ingest.tracking.choosing import choose_crops
from reidr.service.ingest.tracking.following import Follower, FollowSettings, TrackPart
from reidr.service.ingest.tracking.pool import LARGEST_HEIGHT, Candidate, CandidatePool, encoded
from reidr.service.ingest.tracking.quality import covered, quality_of, shape_of_a_person, sharpness, uncut
from reidr.service.ingest.tracking.tracker import TRACKERS, make_tracker

NOBODY = np.empty((0, 4), np.float32)
BOX = (100.0, 60.0, 140.0, 164.0)
SETTINGS = FollowSettings("f" * 64, 3, 96)


def noise(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_quality_falls_with_each_thing_that_is_wrong() -> None:
    frame = noise()
    best = quality_of(frame, BOX, 0.9, NOBODY, 100)
    assert 0.5 < best <= 1
    blurred = np.asarray(Image.fromarray(frame).resize((40, 30)).resize((WIDTH, HEIGHT)))
    worse = {
        "unsure": quality_of(frame, BOX, 0.5, NOBODY, 100),
        "blurred": quality_of(blurred, BOX, 0.9, NOBODY, 100),
        "small": quality_of(frame, BOX, 0.9, NOBODY, 200),
        "covered": quality_of(frame, BOX, 0.9, np.array([[110, 60, 150, 170]], np.float32), 100),
        "cut off": quality_of(frame, (0.0, 60.0, 40.0, 164.0), 0.9, NOBODY, 100),
        "lying": quality_of(frame, (60.0, 100.0, 164.0, 140.0), 0.9, NOBODY, 30),
    }
    assert all(0 <= value < best for value in worse.values()), worse


def test_parts_of_the_quality() -> None:
    assert sharpness(np.full((50, 20, 3), 90, np.uint8)) == 0
    assert uncut((5, 5, 50, 100), 320, 240) == 1
    assert uncut((0, 5, 50, 239), 320, 240) == pytest.approx(0.6 * 0.7)
    assert covered((0, 0, 10, 10), NOBODY) == 0
    # Half of it behind who stands lower in the picture; the same box farther away counts half.
    assert covered((0, 0, 10, 10), np.array([[5, 0, 15, 12]], np.float32)) == pytest.approx(0.5)
    assert covered((0, 0, 10, 10), np.array([[5, -5, 15, 9]], np.float32)) == pytest.approx(0.225)
    assert shape_of_a_person((0, 0, 10, 26)) == pytest.approx(1)
    assert shape_of_a_person((0, 0, 10, 20)) > shape_of_a_person((0, 0, 10, 10)) > shape_of_a_person((0, 0, 30, 10))


def test_choosing_takes_the_best_and_then_the_best_trade_of_quality_and_difference() -> None:
    """Beside a naive twin, and never two that are alike."""
    rng = np.random.default_rng(2)
    for number in (1, 3, 8):
        vectors = rng.normal(size=(12, 6)).astype(np.float32)
        vectors[7] = vectors[3]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        quality = rng.uniform(0.1, 1, 12)
        chosen = [int(np.argmax(quality))]
        while len(chosen) < number:
            gains = {
                place: quality[place] * min(1 - float(vectors[place] @ vectors[other]) for other in chosen)
                for place in range(12)
                if place not in chosen and quality[place] >= 0.4 * quality.max()
            }
            gains = {place: gain for place, gain in gains.items() if gain / quality[place] > 0.01}
            if not gains:
                break
            chosen.append(max(gains, key=lambda place: gains[place]))
        assert choose_crops(vectors, quality, number) == chosen
        assert not {3, 7} <= set(chosen)


def candidate(seconds: float, quality: float) -> Candidate:
    return Candidate(Place(round(seconds * 10), 0, seconds), BOX, 0.9, quality, b"")


def test_a_pool_is_bounded_spread_over_time_and_keeps_the_best() -> None:
    rng = np.random.default_rng(3)
    pool, offered = CandidatePool(8), []
    for place in range(2000):
        one = candidate(5 + place / 10, float(rng.uniform()))
        offered.append(one)
        if pool.wants(one.place.seconds, one.quality):
            pool.add(one)
        assert len(pool.held) <= 8
    kept = pool.candidates()
    times = [one.place.seconds for one in kept]
    assert times == sorted(times)
    assert len(kept) >= 4
    assert max(one.quality for one in kept) == max(one.quality for one in offered)
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) <= 2 * pool.stretch


def test_crops_are_kept_no_larger_than_needed() -> None:
    for height, wanted in ((900, LARGEST_HEIGHT), (120, 120)):
        import io

        picture = Image.open(io.BytesIO(encoded(noise(height, height // 3))))
        assert (picture.format, picture.height) == ("JPEG", wanted)


def frames_of(numbers: range) -> list[tuple[Frame, Detections]]:
    found = []
    for number in numbers:
        boxes = boxes_at(number)
        pixels = drawn_frame(number, boxes)
        place = Place(number, number, number / RATE)
        found.append(
            (Frame(place, pixels), Detections(np.array(boxes, np.float32), np.full(len(boxes), 0.9, np.float32)))
        )
    return found


def follow(borders: tuple[int, ...], tracker: str = "bytetrack", numbers: range = range(FRAMES)) -> list[TrackPart]:
    """The parts of all tracks, in stretches that end before the frames `borders`."""
    parts: list[TrackPart] = []
    follower = Follower(make_tracker(tracker, RATE, 0.5), SETTINGS)
    for frame, found in frames_of(numbers):
        if frame.place.number in borders:
            ended, carried = follower.carry()
            parts += ended
            follower = Follower(make_tracker(tracker, RATE, 0.5), SETTINGS, json.loads(json.dumps(carried)))
        parts += follower.see(frame, found)
    return parts + follower.finish()


def ends(parts: list[TrackPart]) -> dict[str, tuple[float, float]]:
    """From when to when each label is seen."""
    spans: dict[str, tuple[float, float]] = {}
    for part in parts:
        first, last = spans.get(part.label, (part.start, part.end))
        spans[part.label] = min(first, part.start), max(last, part.end)
    return spans


@pytest.mark.parametrize("tracker", TRACKERS)
def test_two_people_are_two_tracks_from_their_first_to_their_last_frame(tracker: str) -> None:
    parts = follow((), tracker)
    assert len(parts) == 2
    for (first, last), wanted in zip(sorted(ends(parts).values(), key=lambda span: -span[1]), (3.9, 2.9), strict=True):
        assert first <= 0.2
        assert last == pytest.approx(wanted)
    for part in parts:
        assert 1 <= len(part.candidates) <= 4 * SETTINGS.crops_per_track
        assert all(part.start <= each.place.seconds <= part.end for each in part.candidates)
        assert part.label.startswith("ffffffffffff-000000")


def test_a_track_goes_on_over_the_border_of_stretches() -> None:
    whole = ends(follow(()))
    for borders in ((7,), (20,), (10, 17, 24), tuple(range(6, FRAMES, 6))):
        assert ends(follow(borders)) == whole, borders


def test_what_is_seen_in_two_frames_only_is_left_out() -> None:
    follower = Follower(make_tracker("bytetrack", RATE, 0.5), SETTINGS)
    for frame, found in frames_of(range(3)):
        assert follower.see(frame, found) == []
    assert (follower.finish(), follower.left_out) == ([], 2)


def test_labels_are_those_of_the_recording_and_the_first_box() -> None:
    """The same whenever the same frames are seen; another recording has others."""
    assert [part.label for part in follow(())] == [part.label for part in follow(())]
    assert len({part.label for part in follow(())}) == 2


def test_unknown_trackers_and_the_missing_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(
        WeightsError, match="no tracker 'deepsort'; there are bytetrack, ocsort, sort, or one of your own"
    ):
        make_tracker("deepsort", 10, 0.5)
    (tmp_path / "own_tracker.py").write_text(
        "class Own:\n    def __init__(self, frame_rate, confidence): self.rate = frame_rate\n"
        "    def update(self, found, seconds): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert make_tracker("own_tracker:Own", 12.5, 0.5).rate == 12.5  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'reidr\[video\]'"):
        make_tracker("bytetrack", 10, 0.5)
