"""Candidate tracks with all their numbers: of the gallery, the profile, the words and the travel times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.errors import DataError
from reidr.fusion.profile import InferenceProfile
from reidr.search.appearances.travel import Sighting, travel_evidence
from reidr.search.appearances.types import FoundTrack, TravelEvidence
from reidr.service.finding.candidates import TrackHit, looks_limit
from reidr.service.finding.models import Models
from reidr.service.finding.person import Person
from reidr.service.finding.request import SearchRequest
from reidr.service.finding.scoring import Scored, likelier, shifted
from reidr.service.finding.site import Site
from reidr.service.finding.words import Described
from reidr.service.store.records import CropFilter, StoredTrack
from reidr.service.store.store import GalleryStore


@dataclass(frozen=True, eq=False)
class Search:
    """One search on its way, with all that its steps need.

    Attributes:
        profile: the reasoner's, as corrected by `site`. crops: how many crops it is among: those that pass the filters,
            without the tracks of the query.
    """

    store: GalleryStore
    models: Models
    request: SearchRequest
    person: Person
    which: CropFilter
    profile: InferenceProfile | None
    site: Site
    crops: int


class LooksAlike:
    """Whether two tracks may be one appearance: by what was decided about them, by P(same), and by their looks.

    What was decided differently never belongs together, and what was confirmed always does. Otherwise two tracks must
    be alike, and where P(same) is known both must be likely, or both unlikely: somebody else who passes must not
    lengthen an appearance.
    """

    def __init__(
        self,
        search: Search,
        tracks: Sequence[TrackHit | FoundTrack],
        chances: Mapping[str, float | None] = MappingProxyType({}),
    ) -> None:
        """`chances`: P(same) by track, where it is known already."""
        ids = [track.best for track in tracks]
        stored = search.store.get(ids) if ids else []
        self.vectors = {track.track: crop.vector for track, crop in zip(tracks, stored, strict=True)}
        self.chances = chances
        self.limit = looks_limit(search.models.retriever)
        self.confirmed, self.rejected = frozenset(search.request.confirmed), frozenset(search.request.rejected)

    def __call__(self, one: str, other: str) -> bool:
        if (one in self.rejected) != (other in self.rejected):
            return False
        if one in self.confirmed and other in self.confirmed:
            return True
        likely = [self.likely(track) for track in (one, other)]
        if None not in likely and likely[0] != likely[1]:
            return False
        cosine = float(self.vectors[one] @ self.vectors[other])
        return float(np.sqrt(max(0.0, 2.0 - 2.0 * cosine))) <= self.limit

    def likely(self, track: str) -> bool | None:
        """Whether a track rather shows the person than not; None where nothing says so."""
        chance = self.chances.get(track)
        return True if track in self.confirmed else None if chance is None else chance >= 0.5


def travel_of(search: Search, track: TrackHit) -> TravelEvidence | None:
    """What the travel times say of a track; None where they say nothing."""
    if not search.request.travel_times or track.start is None or track.end is None:
        return None
    own = Sighting(track.track, track.camera, track.start, track.end)
    return travel_evidence(own, search.person.sightings, search.request.travel_times, search.request.window)


def facts_of_tracks(search: Search, hits: Sequence[TrackHit]) -> dict[str, dict[str, Any]]:
    """What the gallery knows of each track, by its id."""
    known = stored_tracks(search.store, [hit.track for hit in hits])
    return {
        hit.track: {
            "track": hit.track,
            "camera": known[hit.track].camera,
            "recording": known[hit.track].recording,
            "start": known[hit.track].start,
            "end": known[hit.track].end,
            "crops": known[hit.track].crops,
            "best": hit.best,
            "person": known[hit.track].person,
        }
        for hit in hits
    }


def stored_tracks(store: GalleryStore, tracks: Sequence[str]) -> dict[str, StoredTrack]:
    """Tracks that were found, by id. Raises DataError where one has been erased or merged since."""
    ids = frozenset(tracks)
    known = {track.id: track for track in store.tracks(CropFilter(tracks=ids), limit=len(ids))} if ids else {}
    if len(known) < len(ids):
        raise DataError("the gallery was changed while it was searched; search again")
    return known


def found_tracks(
    search: Search,
    chosen: Sequence[TrackHit],
    numbers: Scored,
    travels: Sequence[TravelEvidence | None],
    words: Described | None,
) -> list[FoundTrack]:
    """The chosen tracks with all their numbers, in their final order; those that were rejected last."""
    evidence = np.array([0.0 if travel is None else travel.log_likelihood for travel in travels])
    values = shifted(numbers.values, evidence, numbers.rising, numbers.spread)
    chances = likelier(numbers.probabilities, evidence)
    rejected = np.array([track.track in search.request.rejected for track in chosen])
    # By words and looks the order is that in which the tracks were given.
    keys = np.arange(len(chosen)) if words is not None else (-values if numbers.rising else values)
    order = np.lexsort((np.arange(len(chosen)), keys, rejected))
    calibrated = search.profile is not None and search.profile.calibration is not None
    rows = {} if words is None else {track: row for row, track in enumerate(words.tracks)}
    facts = facts_of_tracks(search, chosen)
    tracks = []
    for rank, place in enumerate(order.tolist(), start=1):
        hit = chosen[place]
        row = rows.get(hit.track)
        tracks.append(
            FoundTrack(
                **facts[hit.track],
                rank=rank,
                distance=hit.distance,
                order_value=float(values[place]),
                score=number(numbers.scores[place]),
                direct_score=number(numbers.direct[place]),
                p_same=number(chances[place]) if calibrated else None,
                p_words=None if words is None or row is None else words.probability(row),
                terms=[] if words is None or row is None else words.terms(row),
                travel=travels[place],
                doubtful=bool(numbers.in_doubt[place]) and not rejected[place] and not numbers.doubts[place],
                doubt=numbers.doubts[place],
                identical_to_query=bool(numbers.identical[place]),
                decided="different" if rejected[place] else "undecided",
            )
        )
    return tracks


def number(value: float | NDArray[np.float64]) -> float | None:
    """None for what is not there."""
    return float(value) if np.isfinite(value) else None
