"""`find_people`: from a request to appearances over cameras and time, with all that a reader must know of them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reidr.search.appearances.grouping import appearance_of, decided_together, grouped, time_line
from reidr.search.appearances.here import NOBODY, WORDS_ALONE, by_site, entry_of
from reidr.search.appearances.types import Appearance, FoundTrack, SearchAnswer, TravelEvidence
from reidr.search.presence import Presence
from reidr.service.finding.candidates import TrackHit, listed_of, nearest_hits, tracks_of
from reidr.service.finding.confirmed import confirmed_tracks
from reidr.service.finding.models import Models, check_retriever
from reidr.service.finding.person import person_of
from reidr.service.finding.request import SearchRequest
from reidr.service.finding.scoring import Scored, scored, worth_reasons
from reidr.service.finding.site import NO_DECISIONS, NOTHING, Site
from reidr.service.finding.tracks import LooksAlike, Search, facts_of_tracks, found_tracks, stored_tracks, travel_of
from reidr.service.finding.words import Described, described, fused_tracks, told
from reidr.service.store.records import CropFilter, StoreFacts
from reidr.service.store.store import GalleryStore

MORE_TRACKS, TRACKS_OF_BOTH = 3, 200
"""Tracks looked at for each appearance that is wanted, and at least where words reorder what looks have found."""
ALIKE_FIRST = "Those who look most alike come first."
LIKELY_FIRST = "Those who are most likely the same person come first."
FOREIGN = (
    "The model that finds people and the one that compares them were not adjusted to each other, so probabilities may "
    "be off"
)
NO_PLACE = (
    "The travel times were not used: nothing says where and when the person was. Search by a track, or confirm one."
)


@dataclass(frozen=True, eq=False)
class Outcome:
    """Found tracks, the best first, and what is to be said of all of them."""

    tracks: Sequence[FoundTrack]
    by: str
    rule: str
    believed: Presence
    doubtful: Sequence[str] = ()
    notes: Sequence[str] = ()
    words: Described | None = None


def filter_of(request: SearchRequest) -> CropFilter:
    """The filters of camera and time."""
    cameras = frozenset(request.cameras) or None
    return CropFilter(cameras=cameras, since=request.since, until=request.until)


def find_people(store: GalleryStore, models: Models, request: SearchRequest, site: Site = NO_DECISIONS) -> SearchAnswer:
    """Find the appearances of a person; reasons come afterwards (`thinking.think`).

    Args:
        site: what was decided here before (`site.site_of`): it corrects probabilities and thresholds.

    Raises DataError for a gallery of another retriever, a track or word that cannot be searched for, ImageError for a
    picture that cannot be used, ReIDError where the reasoner fails.
    """
    facts = store.facts()
    check_retriever(facts, models.retriever)
    person = person_of(store, models.retriever, request)
    which = filter_of(request)
    crops = crops_among(store, which, request)
    search = Search(store, models, request, person, which, site.profile(models, crops), site, crops)
    outcome = by_looks(search) if person.vector is not None else by_words(search)
    return answer_of(search, outcome, facts)


def crops_among(store: GalleryStore, which: CropFilter, request: SearchRequest) -> int:
    """How many crops a search is among: those that pass the filters, without the query's own tracks.

    Stores count without reading vectors. Copies of the query's picture are counted too, because only the crops that are
    shown are compared with it: where there are any the thresholds are a hair stricter.
    """
    known = frozenset(request.known)
    own = store.count(replace(which, tracks=known)) if known else 0
    return store.count(which) - own


def by_looks(search: Search) -> Outcome:
    """The person's pictures or tracks, with or without words."""
    store, request, person = search.store, search.request, search.person
    own = frozenset(request.known)
    wanted = MORE_TRACKS * request.max_matches + 10
    wanted = max(wanted, TRACKS_OF_BOTH) if request.words.strip() else wanted
    hits = nearest_hits(store, person, search.which, wanted, own)
    tracks = tracks_of(hits)
    words = None
    if request.words.strip() and tracks:
        which = replace(search.which, tracks=frozenset(track.track for track in tracks))
        words = described(store, request.words, which, own)
        place = {track.track: track for track in tracks}
        tracks = [place[track] for track in fused_tracks(list(place), words)]
    first = confirmed_tracks(store, search.models, person, search.which, request.confirmed, search.profile)
    if not tracks:
        return Outcome(first, "distance", "", Presence("unknown", NOBODY), words=words)
    chosen = chosen_tracks(search, tracks[:wanted])
    listed = listed_of(store, search.models, person, hits, chosen, search.which)
    numbers = scored(listed, search.models, person, search.profile, request.adaptive, search.crops)
    travels = [travel_of(search, track) for track in chosen]
    found = found_tracks(search, chosen, numbers, travels, words)
    flags = np.array([track.doubtful for track in found], dtype=bool)
    chances = [np.nan if track.p_same is None else track.p_same for track in found]
    doubtful = worth_reasons([track.track for track in found], chances, flags, request.reasons)
    by, rule, notes = order_words(search, numbers, travels, words, len(tracks))
    return Outcome([*first, *found], by, rule, numbers.presence, doubtful, notes, words)


def by_words(search: Search) -> Outcome:
    """Words alone: tracks in the order of how probable it is that all that they ask for holds."""
    store, request = search.store, search.request
    words = described(store, request.words, search.which, frozenset())
    rule = "Those whom everything in the words fits best come first."
    if not words.tracks:
        return Outcome((), "probability of the words", rule, Presence("unknown", NOBODY), words=words)
    order = words.order()[: MORE_TRACKS * request.max_matches + 10]
    facts = stored_tracks(store, [words.tracks[row] for row in order])
    rows = {words.tracks[row]: row for row in order}
    hits = [
        TrackHit(each.id, each.camera, each.start, each.end, each.best, np.nan, 0, each.crops)
        for each in (facts[words.tracks[row]] for row in order)
    ]
    chosen = chosen_tracks(search, hits)
    known = facts_of_tracks(search, chosen)
    tracks = [
        FoundTrack(
            **known[hit.track],
            rank=rank,
            distance=None,
            order_value=float(words.scores[rows[hit.track]]),
            direct_score=None,
            p_same=None,
            p_words=words.probability(rows[hit.track]),
            terms=words.terms(rows[hit.track]),
            decided="different" if hit.track in request.rejected else "undecided",
        )
        for rank, hit in enumerate(chosen, start=1)
    ]
    return Outcome(tracks, "probability of the words", rule, Presence("unknown", WORDS_ALONE), words=words)


def chosen_tracks(search: Search, tracks: Sequence[TrackHit]) -> list[TrackHit]:
    """The tracks of the first `max_matches` appearances."""
    groups = grouped(tracks, search.request.gap, LooksAlike(search, tracks), search.request.max_matches)
    chosen = {track.track for group in groups for track in group}
    return [track for track in tracks if track.track in chosen]


def wanted_groups(groups: Sequence[list[FoundTrack]], most: int) -> list[list[FoundTrack]]:
    """The first `most` groups about which nothing is decided, and all others: a decision is always shown."""
    open_ = [group for group in groups if decided_together([track.decided for track in group]) == "undecided"]
    return [group for group in groups if not any(group is late for late in open_[most:])]


def order_words(
    search: Search,
    numbers: Scored,
    travels: Sequence[TravelEvidence | None],
    words: Described | None,
    compared: int,
) -> tuple[str, str, list[str]]:
    """The name of what decides the order, how it is made, and notes on it."""
    by, notes = numbers.by, []
    rule = ALIKE_FIRST if by == "distance" else LIKELY_FIRST
    if words is not None:
        by = "looks and words"
        rule = f"Of the {compared:,} tracks that look most alike, those that fit the words too come first."
    if any(travel is not None for travel in travels) and words is None:
        by = f"{by} with travel times"
        rule = f"{rule} How long people take between the cameras counts too."
    elif search.request.travel_times and not search.person.sightings:
        notes.append(NO_PLACE)
    return by, rule, notes


def answer_of(search: Search, outcome: Outcome, facts: StoreFacts) -> SearchAnswer:
    """All that was found, as appearances on a time line."""
    request, person, models = search.request, search.person, search.models
    ranked = [track.model_copy(update={"rank": rank}) for rank, track in enumerate(outcome.tracks, start=1)]
    alike = LooksAlike(search, ranked, {track.track: track.p_same for track in ranked})
    groups = wanted_groups(grouped(ranked, request.gap, alike), request.max_matches)
    words_alone, kept = person.vector is None, {track.track for group in groups for track in group}
    appearances: list[Appearance] = [
        appearance_of(group, rank, group[0].p_words if words_alone else group[0].p_same)
        for rank, group in enumerate(groups, start=1)
    ]
    thresholds = NOTHING if words_alone else search.site.thresholds(models, outcome.believed, search.crops)
    believed = by_site(outcome.believed, {f"{each.false_alarms:g}": each.value for each in thresholds.thresholds})
    profile = models.profile
    foreign = profile is not None and bool(profile.mismatch(models.retriever.fingerprint))
    description = outcome.words
    return SearchAnswer(
        token=secrets.token_urlsafe(16),
        created=time.time(),
        gallery=facts.address,
        gallery_version=facts.version,
        retriever=models.retriever.name,
        retriever_key=models.retriever.fingerprint,
        reasoner_key=models.reasoner_key,
        reasoner="" if models.reasoner is None else models.reasoner.name,
        query=list(person.pictures),
        query_shown="" if person.shown is None else person.shown.id,
        words=request.words,
        terms=[] if description is None else [str(term) for term in description.query.terms],
        words_sentences=[] if description is None else told(description.query, description.unknown),
        searched=search.store.count(search.which),
        order_by=outcome.by,
        order_rule=outcome.rule,
        presence=entry_of(believed, thresholds, ranked),
        thresholds=thresholds,
        warnings=[*person.warnings, *([FOREIGN] if foreign else [])],
        notes=[*person.notes, *outcome.notes],
        notice="" if profile is None else profile.notice,
        appearances=appearances,
        time_line=time_line(appearances),
        doubtful=[track for track in outcome.doubtful if track in kept],
    )
