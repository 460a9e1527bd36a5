"""Reasons for found tracks, one after the other as they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reidr.data.types import Crop
from reidr.errors import DataError, ReIDError, WeightsError
from reidr.evaluation.explanations.masking import BANDS
from reidr.reasoning.rationales.claim_check import check_claims
from reidr.reasoning.types import Pair
from reidr.retrieval.embedders.embedder import Embedder
from reidr.search.appearances.types import Box, FoundTrack, Reason, SearchAnswer
from reidr.search.description import recogniser_of
from reidr.search.document.document import verdict_entry
from reidr.search.reasons import doubt_of
from reidr.service.finding.models import Models
from reidr.service.finding.person import crop_of, given_query
from reidr.service.finding.request import SearchRequest
from reidr.service.store.store import GalleryStore

FAMILIES_OF_REGION: Mapping[str, tuple[str, ...]] = {
    "hair": ("hair length", "hair color"),
    "headwear": ("headwear",),
    "upper clothing": ("upper garment", "upper colors"),
    "sleeves": ("sleeves", "upper garment"),
    "lower clothing": ("lower garment", "lower colors"),
    "shoes": ("shoes", "shoe colors"),
    "bag": ("carried", "bag colors"),
}
"""Where each body region of a claim is looked for: the families of the attribute vocabulary, best first."""
FLAT = 0.5
"""Of the picture: attention that is spread over more than this does not say where a region lies."""
BESIDE = 0.05
"""So far above or below its plain band the middle of a region may lie; hair may be long, and people bend."""
MIDDLE = (0.3, 0.7)
"""Across the picture the middle of whatever is worn lies between these; a bag may hang at the side."""


def think(
    store: GalleryStore,
    models: Models,
    request: SearchRequest,
    answer: SearchAnswer,
    tracks: Sequence[str] | None = None,
) -> Iterator[Reason]:
    """Reasons for tracks of an answer, each as soon as it is written, its claims checked.

    Args:
        tracks: for which; None: for those in doubt, within the budget of the request (`answer.doubtful`).

    Nothing comes of a reasoner that writes no reasons, and none at all. Raises DataError for a track that is not in
    the answer, ReIDError where the reasoner fails.
    """
    known = {track.track: track for track in answer.tracks()}
    wanted = list(answer.doubtful if tracks is None else tracks)
    strange = [track for track in wanted if track not in known]
    if strange:
        raise DataError(f"track {strange[0]} is not in this answer; name one that was found")
    reasoner = models.reasoner
    if reasoner is None or not reasoner.capabilities.think or not answer.query_shown:
        return
    query = shown_crop(store, request, answer.query_shown)
    reliable = not all(picture.doubt for picture in answer.query)
    places = regions_in(models.retriever, query)
    for track in wanted:
        yield reason_of(store, models, query, known[track], reliable, places)


def reason_of(
    store: GalleryStore,
    models: Models,
    query: Crop,
    track: FoundTrack,
    reliable: bool,
    places: dict[str, Box],
) -> Reason:
    """The reason for one track. `places`: the regions of the query's picture; `reliable`: it can show a person."""
    reasoner = models.reasoner
    assert reasoner is not None
    candidate = crop_of(store.get([track.best])[0])
    pair = Pair(query, candidate, track.distance)
    (verdict,) = reasoner.think([pair])
    looks = check_claims(reasoner, [pair], [verdict])[0] if reasoner.capabilities.ask_about_crops else ()
    found = regions_in(models.retriever, candidate)
    return Reason(
        track=track.track,
        crop=candidate.id,
        query=query.id,
        verdict=verdict_entry(verdict, looks, reliable and not doubt_of(candidate)),
        regions={"query": places, "candidate": found} if places or found else {},
    )


def shown_crop(store: GalleryStore, request: SearchRequest, name: str) -> Crop:
    """The picture of the query that a reasoner is shown. Raises ReIDError where it is there no longer."""
    query = given_query(request)
    for crop in () if query is None else query.crops:
        if crop.id == name:
            return crop
    try:
        return crop_of(store.get([name])[0])
    except DataError:
        raise ReIDError(f"the query's picture {name} is no longer in the gallery; search again") from None


def regions_in(retriever: Embedder, crop: Crop) -> dict[str, Box]:
    """Where each body region lies in a picture, as the retriever's attribute recognition looks for it.

    A region whose place cannot be trusted is left out (`is_plausible`). Empty for a retriever that recognises no
    attributes: nothing then says where it looked.
    """
    try:
        boxes = recogniser_of(retriever).boxes(crop.open())
    except WeightsError:
        return {}
    found = {}
    for region, families in FAMILIES_OF_REGION.items():
        box = next((boxes[family] for family in families if family in boxes), None)
        if box is not None and is_plausible(region, box):
            found[region] = box
    return found


def is_plausible(region: str, box: Box) -> bool:
    """Whether a box can be where a region lies in a crop of an upright person: attention may be flat, or be elsewhere.

    It must not cover more than half of the picture, and its middle must lie in the plain band of the region
    (`masking.BANDS`). Where it does not, whoever shows the region says "about here" of the band.
    """
    left, top, right, bottom = box
    if (right - left) * (bottom - top) > FLAT:
        return False
    highest, lowest, first, last = BANDS[region]
    if region != "bag":
        first, last = max(first, MIDDLE[0]), min(last, MIDDLE[1])
    across, down = (left + right) / 2, (top + bottom) / 2
    return first <= across <= last and highest - BESIDE <= down <= lowest + BESIDE
