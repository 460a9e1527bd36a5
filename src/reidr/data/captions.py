"""Sentences that people wrote about the training persons of a data set (CUHK-PEDES; Li et al., CVPR 2017).

    ROOT/captions.jsonl    one entry a line:
    {"person": "0002", "images": ["bounding_box_train/0002_c1s1_000451_03.jpg"], "captions": ["…", "…"]}

`person` is the label of a training person as the data set writes it. `images` are ids of crops that the sentences
describe; it is absent or empty where it is not known which of the person's crops they describe. Sentences are kept as
they were written; they may speak of gender, age or origin, which `reidr.search.words` leaves out.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from reidr.core.text import some_of
from reidr.data.reading.labels import check_code_label
from reidr.data.reading.notes import Level, Note
from reidr.data.types import Caption, Crop, ReIDDataset
from reidr.errors import DataError

FILE = "captions.jsonl"


def load_captions(path: Path) -> tuple[Caption, ...]:
    """The entries of a `captions.jsonl`, in the order of the file. Raises DataError naming the line that is wrong."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    return tuple(
        caption_of_line(line, f"{path}: line {number}") for number, line in enumerate(lines, start=1) if line.strip()
    )


def caption_of_line(line: str, where: str) -> Caption:
    """One line of the file. Raises DataError that begins with `where`."""
    try:
        row = json.loads(line)
    except ValueError:
        raise DataError(f"{where}: not JSON") from None
    if not isinstance(row, dict):
        raise DataError(f"{where}: not an object with person and captions")
    person = row.get("person")
    if not isinstance(person, str) or not person.strip():
        raise DataError(f"{where}: person must be the label of a training person, as text")
    try:
        label = check_code_label(person)
    except DataError as error:
        raise DataError(f"{where}: person {error}") from None
    if label is None:
        raise DataError(f"{where}: person {person!r} means that the person is unknown")
    return Caption(label, texts_of(row, "captions", where), texts_of(row, "images", where, may_be_empty=True))


def texts_of(row: dict[str, object], name: str, where: str, *, may_be_empty: bool = False) -> tuple[str, ...]:
    """A field that is a list of texts. Raises DataError that begins with `where`."""
    values = row.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) and value.strip() for value in values):
        raise DataError(f"{where}: {name} must be a list of texts, none of them empty")
    if not values and not may_be_empty:
        raise DataError(f"{where}: {name} is missing or empty")
    return tuple(values)


def with_captions(dataset: ReIDDataset, path: Path) -> ReIDDataset:
    """The data set with the captions of a file. Those about nobody in its training crops are left out and noted.

    Raises DataError naming a bad line.
    """
    captions = load_captions(path)
    persons = {crop.person for crop in dataset.train}
    known = tuple(caption for caption in captions if caption.person in persons)
    sentences = sum(len(caption.sentences) for caption in known)
    described = len({caption.person for caption in known})
    notes = [Note(f"{path.name}: {sentences:,} sentences about {described:,} training persons", kind="captions")]
    strangers = sorted({caption.person for caption in captions} - persons)
    if strangers:
        text = f"{path.name}: {len(strangers):,} persons are no training persons: {some_of(strangers)}"
        remedy = "write person as the names of the training pictures do"
        level: Level = "warning" if dataset.train else "info"  # a copy of the test half alone has no training person
        notes.append(Note(text, level, kind="captions of strangers", remedy=remedy, names=strangers))
    return replace(dataset, captions=known, notes=(*dataset.notes, *notes))


def crops_of_captions(captions: Iterable[Caption], crops: Iterable[Crop]) -> list[tuple[Caption, tuple[Crop, ...]]]:
    """Each caption with the crops it is true of: those it names, else all crops of its person.

    Crops are compared by their id, persons by their label. A caption none of whose crops is among `crops` is left out,
    as happens where a part of the data set is held out.
    """
    by_person: dict[str | None, list[Crop]] = defaultdict(list)
    by_id: dict[str, Crop] = {}
    for crop in crops:
        by_person[crop.person].append(crop)
        by_id[crop.id] = crop
    joined = []
    for caption in captions:
        named = tuple(by_id[image] for image in caption.images if image in by_id)
        own = tuple(by_person[caption.person]) if not caption.images else named
        if own:
            joined.append((caption, own))
    return joined
