"""The pictures of a case for its page and its files: as they are for those who decide, blurred for those outside."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image

from reidr.data.pictures.images import read_picture
from reidr.errors import DataError
from reidr.report.case.blurring import Box, blurred, without_others
from reidr.report.case.document import SIDE, CaseDocument
from reidr.report.pictures import thumbnail
from reidr.search.appearances.case import Case
from reidr.service.finding.request import SearchRequest
from reidr.service.store.records import CropFilter, StoredCrop
from reidr.service.store.store import GalleryStore

AT_ONCE = 1.0  # seconds within which the box of another track tells where somebody stands in a frame
PAGE = 1000


@dataclass
class Shown:
    """The pictures that are shown, and what is to be said of them.

    Attributes:
        pictures: by crop id. clear, unknown_others, missing: as of `CaseDocument`.
    """

    pictures: dict[str, Image.Image] = field(default_factory=dict)
    clear: list[str] = field(default_factory=list)
    unknown_others: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def document_of(
    store: GalleryStore, case: Case, request: SearchRequest, facts: dict[str, str | int | float], *, blur: bool
) -> CaseDocument:
    """A case with its pictures inside.

    Args:
        request: holds the given pictures of the query. blur: blur everybody but the query and confirmed people.
    """
    wanted = [] if case.answer is None else [track.best for track in case.answer.tracks()]
    wanted += [] if case.answer is None else [each.id for each in case.answer.query if each.stored]
    shown = shown_pictures(store, case, list(dict.fromkeys(wanted)), blur=blur)
    small = {f"crop {name}": thumbnail(picture, SIDE) for name, picture in shown.pictures.items()}
    names = [] if case.answer is None else [each.id for each in case.answer.query if not each.stored]
    for name, given in zip(names, request.pictures, strict=False):
        small[f"query {name}"] = thumbnail(read_picture(given.content, given.name), SIDE)
    return CaseDocument(
        created=time.time(),
        facts=facts,
        case=case,
        blurred=blur,
        clear=shown.clear,
        unknown_others=shown.unknown_others,
        missing=shown.missing,
        pictures={name: each.uri for name, each in small.items() if each is not None},
    )


def shown_pictures(store: GalleryStore, case: Case, ids: Sequence[str], *, blur: bool) -> Shown:
    """Pictures of crops, as far as they are still in the gallery."""
    confirmed = {track for track, decision in case.standing().items() if decision.decided == "same"}
    # The tracks of the query itself were named by those who asked: they show the person, as a given picture does.
    named = case.request.get("tracks")
    confirmed |= {str(track) for track in named} if isinstance(named, list | tuple) else set()
    shown = Shown()
    for name in ids:
        try:
            (crop,) = store.get([name])
        except DataError:
            shown.missing.append(name)
            continue
        picture = read_picture(crop.picture, f"crop {crop.id}")
        if not blur:
            shown.pictures[name] = picture
        elif crop.track not in confirmed:
            shown.pictures[name] = blurred(picture)
        else:
            shown.clear.append(name)
            if crop.box is None or crop.recording is None or crop.time is None:
                shown.unknown_others.append(name)
                shown.pictures[name] = picture
            else:
                shown.pictures[name] = without_others(picture, crop.box, others_at(store, crop))
    return shown


def others_at(store: GalleryStore, crop: StoredCrop) -> list[Box]:
    """Boxes of the other tracks of the crop's recording that were seen within `AT_ONCE` of it."""
    assert crop.recording is not None
    assert crop.time is not None
    which = CropFilter(
        recordings=frozenset((crop.recording,)),
        cameras=frozenset((crop.camera,)),
        since=crop.time - AT_ONCE,
        until=crop.time + AT_ONCE,
    )
    found: list[Box] = []
    after = None
    while page := store.crops(which, after=after, limit=PAGE):
        after = page[-1].id
        found += [
            other.box
            for other in page
            if other.track != crop.track
            and other.box is not None
            and other.time is not None
            and abs(other.time - crop.time) <= AT_ONCE
        ]
    return found
