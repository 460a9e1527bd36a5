"""Tracks as their crops tell them, for a database that cannot put rows together itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from reidr.service.store.records import StoredTrack
from reidr.service.store.rules import whole_span


def tracks_of(crops: Sequence[dict[str, Any]]) -> list[StoredTrack]:
    """Tracks in the order of their ids, from all their crops.

    Args:
        crops: id, track, camera, recording, quality, person, begins and ends of each, in the order of their ids.
    """
    ordered = sorted(crops, key=lambda crop: crop["track"])  # stable: within a track by id
    return [_track(name, list(own)) for name, own in groupby(ordered, key=lambda crop: crop["track"])]


def _track(name: str, crops: list[dict[str, Any]]) -> StoredTrack:
    """One track."""
    start, end = whole_span((crop["begins"], crop["ends"]) for crop in crops)
    best = max(crops, key=lambda crop: -1.0 if crop["quality"] is None else crop["quality"])
    recordings, persons = {crop["recording"] for crop in crops}, {crop["person"] for crop in crops}
    return StoredTrack(
        name,
        crops[0]["camera"],
        recordings.pop() if len(recordings) == 1 else None,
        start,
        end,
        len(crops),
        best["id"],
        persons.pop() if len(persons) == 1 else None,
    )
