"""Tracks that were confirmed: part of the query now, and still part of the answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reidr.fusion.calibration import margin_of
from reidr.fusion.profile import InferenceProfile
from reidr.reasoning.types import Pair
from reidr.search.appearances.types import FoundTrack
from reidr.service.finding.models import Models
from reidr.service.finding.person import Person, crop_of
from reidr.service.store.records import CropFilter
from reidr.service.store.store import GalleryStore


def confirmed_tracks(
    store: GalleryStore,
    models: Models,
    person: Person,
    which: CropFilter,
    confirmed: Sequence[str],
    profile: InferenceProfile | None,
) -> list[FoundTrack]:
    """The confirmed tracks that pass the filter, in the order given, scored against the query's own picture.

    They have no place in the order: their crops are part of what is searched with.
    """
    crops = {track: own for track, own in (person.crops or {}).items() if track in set(confirmed) and own}
    if not crops or person.vector is None or person.shown is None:
        return []
    vector = person.vector[0]
    passing = {
        track.id: track
        for track in store.tracks(CropFilter(tracks=frozenset(crops), cameras=which.cameras, since=which.since,
                                             until=which.until), limit=len(crops))
    }  # fmt: skip
    shown = [track for track in confirmed if track in passing]
    best = {track: max(crops[track], key=lambda crop: float(crop.vector @ vector)) for track in shown}
    direct = np.full(len(shown), np.nan)
    if models.reasoner is not None and shown:
        pairs = [Pair(person.shown, crop_of(best[track])) for track in shown]
        direct = np.asarray(models.reasoner.score(pairs), dtype=np.float64)
    calibration = None if profile is None else profile.calibration
    chances = None if calibration is None else calibration.apply(margin_of(direct))
    return [
        FoundTrack(
            track=track,
            camera=passing[track].camera,
            recording=passing[track].recording,
            start=passing[track].start,
            end=passing[track].end,
            crops=passing[track].crops,
            best=best[track].id,
            rank=rank,
            distance=float(np.sqrt(max(0.0, 2.0 - 2.0 * float(best[track].vector @ vector)))),
            order_value=None,
            direct_score=float(direct[rank - 1]) if np.isfinite(direct[rank - 1]) else None,
            p_same=float(chances[rank - 1]) if chances is not None and np.isfinite(chances[rank - 1]) else None,
            person=passing[track].person,
            decided="same",
        )
        for rank, track in enumerate(shown, start=1)
    ]
