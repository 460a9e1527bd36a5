"""Crops of a track while it lasts: a bounded number, spread over its time, the best of each stretch."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from reidr.service.ingest.sources.frame import Pixels, Place
from reidr.service.ingest.tracking.quality import Box

FIRST_STRETCH = 0.2  # seconds, of which one crop is kept; twice as long whenever there is no more room
LARGEST_HEIGHT, JPEG_QUALITY = 384, 92  # of a kept crop; retrievers see less, people need no more


@dataclass(frozen=True, eq=False)
class Candidate:
    """One crop that may be kept. picture: JPEG. box: in pixels of the frame. quality, score: in [0, 1]."""

    place: Place
    box: Box
    score: float
    quality: float
    picture: bytes


class CandidatePool:
    """At most `room` candidates of one track."""

    def __init__(self, room: int) -> None:
        self.room, self.stretch = max(room, 2), FIRST_STRETCH
        self.begun: float | None = None
        self.held: dict[int, Candidate] = {}

    def wants(self, seconds: float, quality: float) -> bool:
        """Whether a crop of this time and quality would be kept."""
        own = None if self.begun is None else self.held.get(self._slot(seconds))
        return own is None or quality > own.quality

    def add(self, candidate: Candidate) -> None:
        """Keep a candidate that is wanted, in the place of the one of its stretch of time."""
        if self.begun is None:
            self.begun = candidate.place.seconds
        self.held[self._slot(candidate.place.seconds)] = candidate
        while len(self.held) > self.room:
            self.stretch *= 2
            before, self.held = list(self.held.values()), {}
            for each in before:
                if self.wants(each.place.seconds, each.quality):
                    self.held[self._slot(each.place.seconds)] = each

    def candidates(self) -> tuple[Candidate, ...]:
        """What is kept, in the order of time."""
        return tuple(self.held[slot] for slot in sorted(self.held))

    def _slot(self, seconds: float) -> int:
        return int((seconds - (self.begun or 0.0)) / self.stretch + 1e-6)


def encoded(crop: Pixels) -> bytes:
    """A crop as JPEG, at most `LARGEST_HEIGHT` high, never enlarged."""
    picture = Image.fromarray(crop)
    if picture.height > LARGEST_HEIGHT:
        width = max(1, round(picture.width * LARGEST_HEIGHT / picture.height))
        picture = picture.resize((width, LARGEST_HEIGHT), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()
