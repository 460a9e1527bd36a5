"""From frames and detections to parts of tracks with their candidates.

A recording is worked through in stretches, so that work that is cut short goes on near where it was. Where a stretch
ends while people are in the picture, the next one begins a new tracker, shows it the last frames' detections again and
lets it go on with the same track labels. Whether work was cut short there or not, the same is done, with one result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reidr.service.ingest.detection.detector import Detections
from reidr.service.ingest.sources.frame import Frame
from reidr.service.ingest.tracking.pool import Candidate, CandidatePool, encoded
from reidr.service.ingest.tracking.quality import HEIGHT, Box, crop_of, quality_of
from reidr.service.ingest.tracking.tracker import LOST, Tracker

SHOWN_AGAIN = 5  # frames before the end of a stretch
LEAST_FRAMES = 3  # in which somebody must be seen; less is a false alarm more often than a person
POOL = 4  # candidates for each crop that is kept
CLEAR_SCORE = 0.3  # of another box, to count as covering somebody


@dataclass(frozen=True, eq=False)
class TrackPart:
    """A track, or the part of it that lies in one stretch.

    Attributes:
        label: the same for all parts. start, end: of this part, in seconds of the recording. candidates: at least one.
    """

    label: str
    start: float
    end: float
    candidates: tuple[Candidate, ...]


@dataclass
class LiveTrack:
    """Somebody who is followed. frames: in which they were seen, over all parts. start: of this part."""

    label: str
    pool: CandidatePool
    start: float
    last: float
    frames: int = 0


@dataclass(frozen=True)
class FollowSettings:
    """How people are followed. key: of the recording; labels begin with it. full_height: of the retriever's input."""

    key: str
    crops_per_track: int
    full_height: int = HEIGHT


@dataclass
class Follower:
    """Follows the people of one recording through one stretch.

    Attributes:
        carried: what `carry` of the stretch before gave; empty for the first, and where nobody was in the picture.
        left_out: tracks of fewer than `LEAST_FRAMES` frames.
    """

    tracker: Tracker
    settings: FollowSettings
    carried: Mapping[str, Any] = field(default_factory=dict)
    left_out: int = 0
    live: dict[str, LiveTrack] = field(default_factory=dict)
    _labels: dict[int, str] = field(default_factory=dict)
    _recent: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=SHOWN_AGAIN))

    def __post_init__(self) -> None:
        """Show the tracker again what is carried over."""
        for label, frames in self.carried.get("tracks", {}).items():
            self.live[label] = LiveTrack(label, self._pool(), -1.0, -1.0, int(frames))
        for seen in self.carried.get("frames", ()):
            found = Detections(np.array(seen["boxes"], np.float32).reshape(-1, 4), np.array(seen["scores"], np.float32))
            numbers = self.tracker.update(found, seen["seconds"])
            for number, label in zip(numbers.tolist(), seen["labels"], strict=True):
                if number >= 0 and label in self.live and label not in self._labels.values():
                    self._labels.setdefault(number, label)
            for label in seen["labels"]:
                if label in self.live:
                    self.live[label].last = seen["seconds"]
            self._recent.append(dict(seen))

    def see(self, frame: Frame, found: Detections) -> list[TrackPart]:
        """Take the next frame; returns the tracks that have ended."""
        seconds, labels = frame.place.seconds, []
        for row, number in enumerate(self.tracker.update(found, seconds).tolist()):
            labels.append(None if number < 0 else self._seen(number, frame, found, row))
        self._recent.append(
            {"seconds": seconds, "boxes": found.boxes.tolist(), "scores": found.scores.tolist(), "labels": labels}
        )
        return self._ended(lambda track: seconds - track.last > LOST)

    def carry(self) -> tuple[list[TrackPart], dict[str, Any]]:
        """End the stretch: the parts of all who are still followed, and what the next stretch needs, as JSON."""
        tracks = {track.label: track.frames for track in self.live.values()}
        return self._ended(lambda _: True, last=False), {
            "tracks": tracks,
            "frames": list(self._recent),
        } if tracks else {}

    def finish(self) -> list[TrackPart]:
        """End the recording."""
        return self._ended(lambda _: True)

    def _seen(self, number: int, frame: Frame, found: Detections, row: int) -> str:
        """Note that a track is seen in a frame; returns its label."""
        left, top, right, bottom = found.boxes[row].tolist()
        box, seconds = (left, top, right, bottom), frame.place.seconds
        label = self._labels.get(number)
        if label is None or label not in self.live:
            label = label_of(self.settings.key, frame.place.number, box)
            self._labels[number] = label
            self.live[label] = LiveTrack(label, self._pool(), seconds, seconds)
        track = self.live[label]
        track.start = seconds if track.start < 0 else track.start
        track.last, track.frames = seconds, track.frames + 1
        others = np.delete(found.boxes, row, axis=0)[np.delete(found.scores, row) >= CLEAR_SCORE]
        score = float(found.scores[row])
        quality = quality_of(frame.pixels, box, score, others, self.settings.full_height)
        if track.pool.wants(seconds, quality):
            track.pool.add(Candidate(frame.place, box, score, quality, encoded(crop_of(frame.pixels, box))))
        return label

    def _ended(self, has_ended: Callable[[LiveTrack], bool], *, last: bool = True) -> list[TrackPart]:
        """Take out the tracks that have ended; those with a picture and frames enough are given back.

        `last`: they end for good, so that one that is too short is a false alarm.
        """
        parts = []
        for track in [track for track in self.live.values() if has_ended(track)]:
            del self.live[track.label]
            candidates = track.pool.candidates()
            if track.frames >= LEAST_FRAMES and candidates:
                parts.append(TrackPart(track.label, track.start, track.last, candidates))
            elif last and track.frames < LEAST_FRAMES:
                self.left_out += 1
        return parts

    def _pool(self) -> CandidatePool:
        return CandidatePool(POOL * self.settings.crops_per_track)


def label_of(key: str, frame: int, box: Box) -> str:
    """A label that is the same whenever the same recording is worked through: its key, the frame, the box."""
    return f"{key[:12]}-{frame:07d}-" + "-".join(str(round(side)) for side in box)
