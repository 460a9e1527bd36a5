"""The seam: what finds people in frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reidr.errors import DataError
from reidr.service.ingest.sources.frame import Pixels

LEAST_SCORE = 0.1  # below it a box is no evidence of anything; between it and the tracker's own mark it may go on


@dataclass(frozen=True, eq=False)
class Detections:
    """People in one frame.

    Attributes:
        boxes: (N, 4) float32: left, top, right, bottom in pixels of the frame, within it.
        scores: (N,) float32 in [0, 1].
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.boxes)


class PersonDetector(Protocol):
    """Frames → people. `fingerprint` is a hash of all that decides its answers; `batch`: how many frames at a time."""

    name: str
    fingerprint: str
    batch: int

    def detect(self, frames: Sequence[Pixels]) -> list[Detections]:
        """The people in each frame with a score of at least `LEAST_SCORE`."""


def within(boxes: NDArray[np.float32], scores: NDArray[np.float32], width: int, height: int) -> Detections:
    """Boxes cut at the frame's border; without those of a low score, without an area, or that are no numbers."""
    boxes = boxes.reshape(-1, 4).astype(np.float32)
    fine = np.isfinite(boxes).all(axis=1) & (scores >= LEAST_SCORE)
    boxes, scores = boxes[fine], scores[fine].astype(np.float32)
    boxes = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    fine = (boxes[:, 2] - boxes[:, 0] >= 2) & (boxes[:, 3] - boxes[:, 1] >= 4)
    return Detections(boxes[fine], np.clip(scores[fine], 0.0, 1.0))


def check_detections(found: Sequence[Detections], frames: int, name: str) -> Sequence[Detections]:
    """`found`, one for each frame. Raises DataError for another number: somebody's own detector may give anything."""
    if len(found) != frames:
        raise DataError(f"detector {name}: gave {len(found)} answers for {frames} frames")
    return found
