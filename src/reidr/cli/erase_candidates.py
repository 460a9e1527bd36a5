"""`reidr erase --picture`: the tracks most like a picture, on a page for a human who says which show the person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from reidr.service.records.records import RecordStore
    from reidr.service.store.records import CropFilter, StoredCrop, StoredTrack
    from reidr.service.store.store import GalleryStore

HITS_PER_TRACK = 5  # crops of one track that a search may find, so that enough tracks are among them


@dataclass(frozen=True)
class Candidate:
    """A track, its best crop, and the least distance of its crops to the pictures."""

    track: StoredTrack
    crop: StoredCrop
    distance: float

    def line(self) -> str:
        """For a list."""
        from reidr.core.text import number_of, shown
        from reidr.core.times import time_in_words

        when = time_in_words(self.track.start)
        return (
            f"{shown(self.track.id)}  camera {shown(self.track.camera)}  {when}  "
            f"{number_of(self.track.crops, 'crop')}  distance {self.distance:.3f}"
        )


def candidates_of(store: GalleryStore, within: CropFilter, options: dict[str, Any]) -> list[Candidate]:
    """The tracks most like the pictures, nearest first. Raises ReIDError for an unusable picture or another model."""
    from dataclasses import replace

    from reidr.data.pictures.images import read_picture
    from reidr.service.finding.models import retriever_of

    embedder = retriever_of(store, options["retriever"])
    vectors = embedder.embed_pictures([read_picture(path) for path in options["pictures"]])
    distances: dict[str, float] = {}
    for hits in store.search(vectors, options["matches"] * HITS_PER_TRACK, within):
        for hit in hits:
            distances[hit.track] = min(hit.distance, distances.get(hit.track, hit.distance))
    order = sorted(distances, key=lambda track: (distances[track], track))[: options["matches"]]
    found = {}
    for name in order:  # one at a time: a page of tracks has its own order
        found[name] = store.tracks(replace(within, tracks=frozenset({name})))[0]
    crops = {crop.id: crop for crop in store.get([track.best for track in found.values()])}
    return [Candidate(found[name], crops[found[name].best], distances[name]) for name in order]


@contextmanager
def written_sheet(records: RecordStore, path: Path, candidates: Sequence[Candidate]) -> Iterator[None]:
    """A page with the candidates' pictures for as long as the block lasts; noted, should the process be killed."""
    from reidr.core.run import prepare_file
    from reidr.core.storage.files import write_text
    from reidr.data.pictures.images import read_picture
    from reidr.report.kept.forget import remove
    from reidr.report.pictures import thumbnail
    from reidr.service.security.erasure.kept_records import EXPORT, note_export

    prepare_file(path)
    note_export(
        records,
        path,
        crops=[candidate.crop.id for candidate in candidates],
        tracks=[candidate.track.id for candidate in candidates],
    )
    figures = []
    for number, candidate in enumerate(candidates, start=1):
        small = thumbnail(read_picture(candidate.crop.picture), 256)
        image = "" if small is None else f'<img src="{small.uri}" alt="best crop of track {number}">'
        figures.append(f"<figure>{image}<figcaption>{number}. {escape(candidate.line())}</figcaption></figure>")
    style = "figure{display:inline-block;vertical-align:top;width:13rem;margin:.5rem}img{height:16rem}"
    write_text(
        path,
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Whom to erase</title><style>{style}</style>'
        f"<h1>Which of these show the person?</h1>{''.join(figures)}</html>\n",
    )
    try:
        yield
    finally:
        remove(path)
        records.remove(EXPORT, str(path.resolve()))


def read_choice(text: str, candidates: Sequence[Candidate]) -> list[str]:
    """Tracks of the numbers that a human wrote. Raises click.UsageError for what is no number of the list."""
    if text.strip().lower() in ("none", "no", "0"):
        return []
    numbers = text.replace(",", " ").split()
    wrong = [part for part in numbers if not part.isdecimal() or not 1 <= int(part) <= len(candidates)]
    if wrong or not numbers:
        raise click.UsageError(f"{' '.join(wrong) or 'nothing'}: not in the list; nothing was erased")
    return [candidates[int(part) - 1].track.id for part in numbers]
