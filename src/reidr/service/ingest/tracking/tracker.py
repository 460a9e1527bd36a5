"""The seam: what follows people from frame to frame; the trackers of the library `trackers`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reidr.core.extensions import is_dotted_path, make_object
from reidr.errors import MissingExtraError, WeightsError
from reidr.service.ingest.detection.detector import Detections
from reidr.service.ingest.sources.video import INSTALL

LOST = 1.0  # seconds after which somebody who is not seen is followed no longer
TRACKERS = ("bytetrack", "ocsort", "sort")
NEEDED = ("update",)
CONSECUTIVE = 2  # frames in which somebody must be seen before a track begins


class Tracker(Protocol):
    """Follows people through the frames of one camera, in their order."""

    def update(self, found: Detections, seconds: float) -> NDArray[np.int64]:
        """(N,) the number of the track to which each detection belongs, -1 where it belongs to none."""


def make_tracker(name: str, frame_rate: float, confidence: float) -> Tracker:
    """A new tracker by name, or what the factory at `module:factory` makes of frame_rate and confidence.

    Args:
        frame_rate: frames a second that it is shown. confidence: score from which a detection may begin a track.

    Raises MissingExtraError without the library, WeightsError for an unknown name.
    """
    if is_dotted_path(name) and not Path(name).exists():
        made: Tracker = make_object(name, "tracker", NEEDED, WeightsError, frame_rate=frame_rate, confidence=confidence)
        return made
    if name not in TRACKERS:
        raise WeightsError(
            f"no tracker {name!r}; there are {', '.join(TRACKERS)}, or one of your own as module:factory"
        )
    return LibraryTracker(library_tracker(name, frame_rate, confidence))


def library_tracker(name: str, frame_rate: float, confidence: float) -> Any:
    """A tracker of the library, which counts how long somebody may be lost in frames at 30 a second."""
    try:
        from trackers import ByteTrackTracker, OCSORTTracker, SORTTracker
    except ImportError:
        raise MissingExtraError(f"following people needs the packages of the extra `video`; {INSTALL}") from None
    usual: dict[str, Any] = {
        "lost_track_buffer": round(LOST * 30),
        "frame_rate": frame_rate,
        "minimum_consecutive_frames": CONSECUTIVE,
    }
    if name == "bytetrack":  # Zhang et al. 2022
        return ByteTrackTracker(**usual, track_activation_threshold=confidence, high_conf_det_threshold=confidence)
    if name == "ocsort":  # Cao et al. 2023
        return OCSORTTracker(**usual, high_conf_det_threshold=confidence)
    return SORTTracker(**usual, track_activation_threshold=confidence)  # Bewley et al. 2016


class LibraryTracker:
    """A tracker of the library as a `Tracker`."""

    def __init__(self, tracker: Any) -> None:
        self.tracker = tracker

    def update(self, found: Detections, seconds: float) -> NDArray[np.int64]:
        """See `Tracker`. The library may give detections back in another order: their places travel with them."""
        import supervision

        given = supervision.Detections(
            xyxy=found.boxes.astype(np.float64),
            confidence=found.scores.astype(np.float64),
            class_id=np.zeros(len(found), dtype=int),
            data={"place": np.arange(len(found))},
        )
        answer = self.tracker.update(given, timestamp=seconds)
        numbers = np.full(len(found), -1, dtype=np.int64)
        if len(answer):
            numbers[np.asarray(answer.data["place"], dtype=np.int64)] = answer.tracker_id
        return numbers
