"""A page with the tracks of a gallery, each with its kept crops and its times: to look at what was indexed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reidr.core.storage.files import write_text
from reidr.core.text import shown_lines
from reidr.core.times import length_in_words, time_in_words
from reidr.data.pictures.images import read_picture
from reidr.report.page import environment
from reidr.report.pictures import Thumbnail, thumbnail
from reidr.service.ingest.indexing import all_tracks
from reidr.service.records.records import RecordStore
from reidr.service.store.records import CropFilter, StoredCrop, StoredTrack
from reidr.service.store.store import GalleryStore

SIDE = 160  # pixels of a picture
MOST_TRACKS = 500  # on one page, which holds its pictures: some ten megabytes


@dataclass(frozen=True)
class SheetTrack:
    """One track as the page shows it: when, how long, and (picture, what is known of it) of each kept crop."""

    track: StoredTrack
    when: str
    length: str
    pictures: tuple[tuple[Thumbnail, str], ...]


def write_contact_sheet(
    path: Path, title: str, store: GalleryStore, records: RecordStore, which: CropFilter
) -> tuple[int, int]:
    """Write the page; returns how many tracks are on it, and how many there are.

    It is noted in the records as an export, so that an erasure finds it. Raises ReIDError where it cannot be written.
    """
    tracks = all_tracks(store, which)
    on_page = tracks[:MOST_TRACKS]
    cameras: dict[str, list[SheetTrack]] = {}
    ids: list[str] = []
    for track in on_page:
        crops = store.crops(CropFilter(tracks=frozenset({track.id})))
        ids += [crop.id for crop in crops]
        cameras.setdefault(track.camera, []).append(shown_track(track, crops))
    page = (
        environment()
        .get_template("contact_sheet.html.j2")
        .render(title=title, cameras=cameras, tracks=len(tracks), on_page=len(on_page), crops=len(ids))
    )
    records.put("export", str(path.resolve()), {"what": "contact sheet", "crops": ids})
    write_text(path, shown_lines(page))
    return len(on_page), len(tracks)


def shown_track(track: StoredTrack, crops: Sequence[StoredCrop]) -> SheetTrack:
    """One track, its crops in the order of time."""
    pictures = []
    for crop in sorted(crops, key=lambda crop: (crop.time or 0.0, crop.frame or 0, crop.id)):
        small = thumbnail(read_picture(crop.picture, crop.id), SIDE)
        if small is not None:
            quality = "" if crop.quality is None else f"quality {crop.quality:.2f}"
            when = "" if crop.time is None else time_in_words(crop.time)[11:]
            frame = "" if crop.frame is None else f"frame {crop.frame}"
            pictures.append((small, ", ".join(each for each in (when, frame, quality) if each)))
    length = "" if track.start is None or track.end is None else length_in_words(track.end - track.start)
    when = time_in_words(track.start) if track.start is not None else "time unknown"
    return SheetTrack(track, when, length, tuple(pictures))
