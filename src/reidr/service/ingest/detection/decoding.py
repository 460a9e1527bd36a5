"""From what a detector gives to boxes of people in the frame."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from reidr.errors import MissingExtraError
from reidr.service.ingest.detection.detector import LEAST_SCORE, Detections, within
from reidr.service.ingest.sources.video import INSTALL

Reals = NDArray[np.float32]
OVERLAP = 0.5  # of two boxes of one person, by non-maximum suppression
FEW = 300  # boxes that are looked at: more than that is a crowd no tracker can follow


@cache
def grid_of(height: int, width: int, strides: tuple[int, ...]) -> tuple[Reals, Reals]:
    """(cells, 2) left and top of each cell counted in cells, and (cells, 1) its stride, in the order of YOLOX."""
    places, sizes = [], []
    for stride in strides:
        rows, columns = np.meshgrid(np.arange(height // stride), np.arange(width // stride), indexing="ij")
        places.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        sizes.append(np.full((rows.size, 1), stride))
    return np.concatenate(places).astype(np.float32), np.concatenate(sizes).astype(np.float32)


def is_decoded(rows: Reals, height: int, width: int, strides: tuple[int, ...]) -> bool:
    """Whether (cells, 5 + classes) of YOLOX are boxes in pixels already: their middles then lie near their cells.

    Undecoded, a middle is an offset within its cell, of a few units everywhere.
    """
    places, sizes = grid_of(height, width, strides)
    in_pixels = np.median(np.abs(rows[:, :2] - (places + 0.5) * sizes) / sizes)
    in_cells = np.median(np.abs(rows[:, :2] - 0.5))
    return bool(in_pixels < in_cells)


def yolox_boxes(rows: Reals, height: int, width: int, strides: tuple[int, ...], decoded: bool) -> Reals:
    """(cells, 4) left, top, right, bottom in pixels of the input."""
    middles, sides = rows[:, :2], rows[:, 2:4]
    if not decoded:
        places, sizes = grid_of(height, width, strides)
        middles, sides = (middles + places) * sizes, np.exp(np.minimum(sides, 20.0)) * sizes
    return np.concatenate([middles - sides / 2, middles + sides / 2], axis=1)


def yolox_detections(
    rows: Reals, boxes: Reals, people: tuple[int, ...], scale: float, size: tuple[int, int]
) -> Detections:
    """People among the rows of YOLOX. scale: input pixels per frame pixel; size: (width, height) of the frame."""
    chances = rows[:, 4] * rows[:, 5:][:, list(people)].max(axis=1)
    best = strongest(chances)
    found = within(boxes[best] / scale, chances[best], *size)
    return without_copies(found)


def detr_detections(boxes: Reals, logits: Reals, people: tuple[int, ...], size: tuple[int, int]) -> Detections:
    """People among (queries, 4) middles and sides in shares of the frame, and (queries, classes) logits.

    Each class has a sigmoid of its own; there is no suppression: each person is asked for once (Carion et al. 2020).
    """
    scores = (0.5 * (1 + np.tanh(0.5 * logits[:, list(people)]))).max(axis=1)
    best = strongest(scores)
    middles, sides = boxes[best, :2], boxes[best, 2:]
    whole = np.array([*size, *size], np.float32)
    return within(np.concatenate([middles - sides / 2, middles + sides / 2], axis=1) * whole, scores[best], *size)


def labelled_detections(
    boxes: Reals, scores: Reals, labels: NDArray[np.int64], people: tuple[int, ...], size: tuple[int, int]
) -> Detections:
    """People among (queries, 4) boxes in pixels of the frame with a score and a class each."""
    scores = np.where(np.isin(labels, people), scores, 0.0).astype(np.float32)
    best = strongest(scores)
    return within(boxes[best], scores[best], *size)


def strongest(scores: Reals) -> NDArray[np.int64]:
    """Places of the `FEW` largest scores that are high enough, the largest first."""
    places = np.flatnonzero(scores >= LEAST_SCORE)
    return np.asarray(places[np.argsort(-scores[places], kind="stable")][:FEW], dtype=np.int64)


def without_copies(found: Detections) -> Detections:
    """One box a person: of boxes that overlap by more than `OVERLAP` the one of the highest score.

    Raises MissingExtraError without the library of the trackers, which has the suppression.
    """
    if len(found) < 2:
        return found
    try:
        from supervision import box_non_max_suppression
    except ImportError:
        raise MissingExtraError(f"detecting people needs the packages of the extra `video`; {INSTALL}") from None
    kept = box_non_max_suppression(np.concatenate([found.boxes, found.scores[:, None]], axis=1), OVERLAP)
    return Detections(found.boxes[kept], found.scores[kept])
