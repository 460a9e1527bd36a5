"""`export_case`: a case as files that may leave the house."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

from reidr.core.run import prepare_folder
from reidr.core.storage.files import write_text
from reidr.errors import DataError
from reidr.report.case.document import case_csv
from reidr.report.case.page import render_case
from reidr.report.search import json_of
from reidr.search.appearances.case import Case
from reidr.service.finding.cases import case_of, request_of
from reidr.service.finding.exports.data_sets import LABELS, Form, Labelled, Note, write_data_set
from reidr.service.finding.exports.pictures import document_of, shown_pictures
from reidr.service.records.records import RecordStore
from reidr.service.security.erasure.kept_records import note_export
from reidr.service.store.records import CropFilter, StoredCrop
from reidr.service.store.store import GalleryStore

ExportForm = Literal["html", "csv", "json", "coco", "fiftyone"]
FORMS: tuple[ExportForm, ...] = get_args(ExportForm)


def export_text(store: GalleryStore, records: RecordStore, name: str, form: Literal["html", "csv", "json"]) -> str:
    """A case as one text, for a browser: everybody but the query and confirmed people blurred.

    Raises DataError where there is no such case.
    """
    case = case_of(records, name)
    if form == "csv":
        return case_csv(case)
    document = document_of(store, case, request_of(records, case), {}, blur=True)
    return render_case(document) if form == "html" else json_of(document)


def export_case(store: GalleryStore, records: RecordStore, name: str, form: ExportForm, folder: Path) -> Path:
    """Write a case into a folder, everybody but the query and confirmed people blurred; returns the file to open.

    What was written is noted, so that an erasure finds it again. Raises DataError where there is no such case or form,
    ReIDError where the folder cannot be written.
    """
    if form not in FORMS:
        raise DataError(f"{form!r} is no form of export; take one of {', '.join(FORMS)}")
    case = case_of(records, name)
    prepare_folder(folder)
    tracks = [] if case.answer is None else [track.track for track in case.answer.tracks()]
    if form == "coco" or form == "fiftyone":
        path = folder / f"{name}-{form}"

        write_data_set(form, labelled(store, case), path, f"case {name}", noting(records, name))
        return path / LABELS
    path = folder / f"{name}.{form}"
    note_export(records, path, crops=crops_named(case), tracks=tracks, case=name)
    write_text(path, export_text(store, records, name, form))
    return path


def export_gallery(store: GalleryStore, records: RecordStore, which: CropFilter, form: Form, folder: Path) -> int:
    """Write the crops of a gallery that pass a filter as a data set, as they are stored; returns how many.

    Nobody is blurred: this is for those who may see the recordings. Errors as `export_case`.
    """

    def crops() -> Iterator[Labelled]:
        after = None
        while page := store.crops(which, after=after):
            yield from (Labelled(crop, None, {}) for crop in page)
            after = page[-1].id

    return write_data_set(form, crops(), folder, f"gallery {store.facts().address}", noting(records, None))


def noting(records: RecordStore, case: str | None) -> Note:
    """What keeps, of every file that is written, which crops it shows or names."""

    def note(file: Path, crops: Sequence[StoredCrop]) -> None:
        tracks = {crop.track for crop in crops}
        note_export(records, file, crops=[crop.id for crop in crops], tracks=tracks, case=case)

    return note


def crops_named(case: Case) -> list[str]:
    """Crops that a case shows or names: where one of them is erased, what was written of the case goes too."""
    answer = case.answer
    shown = [] if answer is None else [track.best for track in answer.tracks()]
    shown += [] if answer is None else [picture.id for picture in answer.query if picture.stored]
    return [*shown, *(crop for decision in case.decisions for crop in decision.crops)]


def labelled(store: GalleryStore, case: Case) -> Iterator[Labelled]:
    """All crops of the tracks that a case found, with what was decided about them."""
    standing = case.standing()
    for track in () if case.answer is None else case.answer.tracks():
        decision = standing.get(track.track)
        crops = store.crops(CropFilter(tracks=frozenset((track.track,))))
        shown = shown_pictures(store, case, [crop.id for crop in crops], blur=True)
        for crop in crops:
            if crop.id in shown.pictures:
                more: dict[str, str | float | None] = {
                    "decided": "undecided" if decision is None else decision.decided,
                    "decided_by": None if decision is None else decision.by,
                    "p_same": track.p_same,
                    "rank": track.rank,
                }
                yield Labelled(crop, shown.pictures[crop.id], more)
