"""A manifest: one CSV or JSONL row per crop, for data sets that follow no published layout.

    image,person,camera,split,outfit,sequence,track,time,role,attribute:upper_color
    crops/a_1.jpg,a,entrance,query,,,,,,red

`image`, `person` and `split` (train, query or gallery) are needed; the other columns are optional. An empty person in
the gallery is a distractor; role `junk` marks detections that no protocol ranks. JSONL rows may hold an object
`attributes` where CSV has columns `attribute:NAME`. Labels are read by the rule of `reidr.data.reading.labels`.

Paths are relative to the manifest's folder and stay inside it, once links are followed too: a manifest is passed on
with its data, and one that names files elsewhere on the reader's disk must not make a tool read, show or copy them.
Whoever trusts a manifest names the folder that its pictures may lie in (`root`).
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reidr.core.text import shown, some_of
from reidr.data.reading.labels import check_exponents, read_label, spelled_twice
from reidr.data.reading.lists import PictureFinder, missing_level, missing_note, read_text, renamed_notes
from reidr.data.reading.notes import Note
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

SPLITS = ("train", "query", "gallery")
COLUMNS = ("image", "person", "camera", "split", "outfit", "sequence", "track", "time", "role")
LABELS = ("person", "camera", "outfit", "sequence", "track")
NEEDED = ("image", "person", "split")
ROLES = ("person", "distractor", "junk", "")
ATTRIBUTE = "attribute:"


def load_manifest(path: Path, name: str | None = None, *, root: Path | None = None) -> ReIDDataset:
    """Read a manifest; pictures are looked for and not opened, crops are sorted by their path.

    `root` is the folder that all pictures lie in: with it, links, `..` and absolute paths may lead anywhere inside it,
    and crops are named relative to it. None: the manifest's own folder, and relative paths alone.

    A picture that is not there stays a crop (opening it says so) and is counted in a note, an error where half of a
    split is missing; one that is there with another picture ending is taken and noted.
    Raises DataError naming the line: unknown column, missing value, split or role not known, a path or a link that
    leads out of the root, a picture listed twice in one split, a label that is none.
    """
    splits: dict[str, list[Crop]] = {split: [] for split in SPLITS}
    gone: dict[str, list[str]] = {split: [] for split in SPLITS}
    lines: dict[tuple[str, str], int] = {}
    finder: PictureFinder | None = None
    for line, row in read_rows(path):
        finder = finder or PictureFinder(path.parent, root)
        missing = len(finder.missing)
        try:
            split, crop = parse_row(finder, row)
        except DataError as error:
            raise DataError(f"{path}: line {line}: {error}") from None
        first = lines.setdefault((split, crop.id), line)
        if first != line:
            raise DataError(f"{path}: line {line}: {crop.id} is already in {split}, on line {first}; drop one of them")
        splits[split].append(crop)
        gone[split] += finder.missing[missing:]
    if finder is None:
        raise DataError(f"{path}: no rows; a manifest has one row per crop with {', '.join(COLUMNS[:4])}")
    own = os.path.relpath(path, finder.root)
    notes = [Note(f"manifest {path.name}, {len(lines):,} rows", kind="layout", count=len(lines), names=(own,))]
    notes += label_notes(path, splits)
    for split, names in gone.items():
        if names:
            total = len(splits[split])
            level = missing_level(len(names), total)
            notes.append(missing_note(f"{path.name}, {split}", names, total, finder.root.resolve().name, level))
    notes += renamed_notes(path.name, finder.renamed)
    train, query, gallery = (tuple(sorted(splits[split], key=lambda crop: crop.id)) for split in SPLITS)
    fallback = path.parent.resolve().name if path.stem == "manifest" else path.stem
    return ReIDDataset(name or fallback, finder.root, train, query, gallery, notes=tuple(notes))


def label_notes(path: Path, splits: dict[str, list[Crop]]) -> list[Note]:
    """Labels that look like one thing written in two ways. Raises DataError where they surely might be."""
    notes = []
    for column in LABELS:
        values = {getattr(crop, column) for crops in splits.values() for crop in crops}
        try:
            check_exponents(column, values)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        mixed = spelled_twice(values) if column in ("person", "camera") else []
        if mixed:
            text = f"{len(mixed):,} {column} labels are written in two ways and count as different: {some_of(mixed)}"
            notes.append(Note(text, "error", kind="label spelling", remedy="write them the same way", names=mixed))
    return notes


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, row) of a .csv or .jsonl file. Raises DataError when it cannot be read."""
    if not path.exists():
        raise DataError(f"{path}: no such manifest")
    text = read_text(path)
    return read_csv(path, text) if path.suffix.lower() == ".csv" else read_jsonl(path, text)


def read_csv(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a CSV manifest, its `attribute:NAME` columns gathered under `attributes`."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        header = [plain_column(column) for column in reader.fieldnames or ()]
        reader.fieldnames = header
        check_header(path, header)
        for row in reader:
            if not any(value and value.strip() for value in row.values() if isinstance(value, str)) and None not in row:
                continue  # a line of commas alone, as spreadsheets leave them at the end
            if None in row:
                raise DataError(f"{path}: line {reader.line_num}: more values than columns; quote values with commas")
            plain: dict[str, Any] = {key: value or "" for key, value in row.items() if not key.startswith(ATTRIBUTE)}
            named = {key.removeprefix(ATTRIBUTE): value for key, value in row.items() if key.startswith(ATTRIBUTE)}
            plain["attributes"] = {key: value for key, value in named.items() if value}
            yield reader.line_num, plain
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: not CSV ({error})") from None


def plain_column(column: str) -> str:
    """A column's name without blanks; the known ones in any case. An attribute's own name stays as it is."""
    column = column.strip()
    if column.casefold().startswith(ATTRIBUTE):
        return ATTRIBUTE + column[len(ATTRIBUTE) :]
    return column.casefold() if column.casefold() in (*COLUMNS, "attributes") else column


def check_header(path: Path, header: list[str]) -> None:
    """Raise DataError for a CSV header with a missing, unknown or repeated column."""
    known = f"the columns are {', '.join(COLUMNS)} and {ATTRIBUTE}NAME"
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        raise DataError(f"{path}: the values are not separated by commas; save it as comma-separated, {known}")
    for column in header:
        if header.count(column) > 1:
            raise DataError(f"{path}: column {column!r} is there twice; {known}")
        if column not in COLUMNS and (not column.startswith(ATTRIBUTE) or column == ATTRIBUTE):
            raise DataError(f"{path}: unknown column {column!r}; {known}")
    for column in NEEDED:
        if column not in header:
            raise DataError(f"{path}: no column {column!r}; {known}")


def read_jsonl(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a JSONL manifest."""
    # JSON escapes line ends in texts, so each one in the file ends a line, also the lone CR of old programs.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=unrepeated)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: line {number}: not JSON ({getattr(error, 'msg', error)})") from None
        except DataError as error:
            raise DataError(f"{path}: line {number}: {error}") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number}: a row is an object with {', '.join(NEEDED)}")
        row = {plain_column(key): value for key, value in row.items()}
        unknown = [key for key in row if key not in (*COLUMNS, "attributes")]
        if unknown:
            known = f"known: {', '.join(COLUMNS)}, attributes"
            raise DataError(f"{path}: line {number}: unknown key {unknown[0]!r}; {known}")
        yield number, row


def unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises DataError for a key that is there twice, in whatever case: one of the values is lost."""
    keys = [plain_column(key) for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise DataError(f"key {key!r} is there twice; drop one of them")
    return dict(pairs)


def parse_row(finder: PictureFinder, row: dict[str, Any]) -> tuple[str, Crop]:
    """(split, crop) of one row. Raises DataError without the line number, which the caller knows."""
    labels = {column: label_of(column, row.get(column)) for column in LABELS}
    values = {column: text_of(column, row.get(column)) for column in COLUMNS if column not in LABELS}
    image, split, person, role = values["image"], values["split"], labels["person"], values["role"] or ""
    if image is None:
        raise DataError("image is empty")
    if split not in SPLITS:
        raise DataError(f"split is {split or 'empty'}; it must be train, query or gallery")
    if role not in ROLES:
        raise DataError(f"role is {role!r}; it must be person, distractor or junk")
    if split != "gallery" and (person is None or role in ("distractor", "junk")):
        raise DataError(f"a {split} crop needs a person (only the gallery holds distractors and junk)")
    if role == "person" and person is None:
        raise DataError("role is person, but person is empty")
    crop_id, picture = finder.find(image)
    return split, Crop(
        id=crop_id,
        image=picture,
        person=None if role in ("distractor", "junk") else person,
        camera=labels["camera"],
        outfit=labels["outfit"],
        sequence=labels["sequence"],
        track=labels["track"],
        time=time_of(values["time"]),
        junk=role == "junk",
        attributes=attributes_of(row.get("attributes")),
    )


def label_of(column: str, value: object) -> str | None:
    """A label by the rule of `reidr.data.reading.labels`. Raises DataError naming the column."""
    try:
        return read_label(value)
    except DataError as error:
        raise DataError(f"{column} is {error}") from None


def text_of(column: str, value: object) -> str | None:
    """A value as stripped text, None where empty or (but for a time) NaN.

    Raises DataError for a truth value, a list or an object.
    """
    if value is None or (value != value and column != "time"):  # NaN, as pandas writes gaps; a time is a number
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise DataError(f"{column} is {value!r}; it must be text or a number")
    return str(value).strip() or None


def time_of(value: str | None) -> float | None:
    """A time in seconds or frames, None where it is left empty. Raises DataError unless it is a finite number."""
    if value is None:
        return None
    try:
        time = math.nan if "_" in value else float(value)  # Python alone reads 1_0 as 10
    except ValueError:
        time = math.nan
    if not math.isfinite(time):
        raise DataError(f"time is {shown(value[:80])!r}; it must be a number (seconds or frame)")
    return time


def attributes_of(found: object) -> dict[str, str]:
    """Attributes as words by name; true and false are said yes and no, null is left out. Raises DataError otherwise."""
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise DataError("attributes must be an object of names and values")
    words = {True: "yes", False: "no"}
    plain = {key: words[value] if isinstance(value, bool) else text_of(key, value) for key, value in found.items()}
    return {key: value for key, value in plain.items() if value is not None}
