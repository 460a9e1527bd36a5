"""The seam: what gives frames of one camera, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""(height, width, 3), RGB."""


@dataclass(frozen=True)
class Place:
    """Where a frame stands in its recording, so that reading can go on there.

    Attributes:
        number: 0, 1, 2 … counted over all frames of the recording. mark: how the source finds it again (a time stamp in
            the stream's own unit, the place in a list of files). seconds: since the recording's first frame.
    """

    number: int
    mark: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame, upright."""

    place: Place
    pixels: Pixels


@dataclass(frozen=True)
class Recording:
    """One recording of one camera.

    Attributes:
        key: hash of its content: the same file has the same key, wherever it lies.
        name: for people. camera: label. start: when its first frame was taken, seconds since 1970; None: unknown.
        length: seconds; None: unknown. frame_rate: frames a second, of a video of varying rate its mean.
        resumable: whether the same frames can be read again. width, height: of a frame.
    """

    key: str
    name: str
    camera: str
    start: float | None
    length: float | None
    frame_rate: float
    width: int
    height: int
    resumable: bool = True

    @property
    def label(self) -> str:
        """What crops name as their recording: two files of one name are told apart."""
        return f"{self.name}@{self.key[:8]}"

    def time_at(self, seconds: float) -> float | None:
        """When a frame was taken, seconds since 1970; None where the start is unknown."""
        return None if self.start is None else self.start + seconds


class FrameSource(Protocol):
    """Frames of one recording. `remarks` grow while it is read: what could not be read, and what was done about it."""

    recording: Recording
    remarks: list[str]

    def frames(self, per_second: float, begin: Place | None = None) -> Iterator[Frame]:
        """The frames to look at, at most `per_second` (0: all), from `begin` on (None: from the first).

        From `begin` on they are the same frames as of a reading that has passed there.
        """


class Selector:
    """Which frames to look at: the first of each 1/`per_second` of the recording, whatever its frame rate."""

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._slot = -1

    def takes(self, seconds: float) -> bool:
        """Whether to look at the frame of this time; asked once per frame, in their order."""
        if not self.per_second:
            return True
        # A millionth of a slot: times are sums of fractions that have no exact binary form.
        slot = int(seconds * self.per_second + 1e-6)
        if slot <= self._slot:
            return False
        self._slot = slot
        return True
