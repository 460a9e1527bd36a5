"""A manifest: one CSV or JSONL row per crop, for data sets that follow no published layout.

    image,person,camera,split,outfit,sequence,time,role,attribute:upper_color
    crops/a_1.jpg,a,entrance,query,,,,,red

`image`, `person` and `split` (train, query or gallery) are needed; the other columns are optional. An empty person in
the gallery is a distractor; role `junk` marks detections that no protocol ranks. JSONL rows may hold an object
`attributes` where CSV has columns `attribute:NAME`.

Paths are relative to the manifest's folder and stay inside it, absolute ones included: a manifest is passed on with its
data, and one that names files elsewhere on the reader's disk must not make a tool read, show or copy them.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

from reidr.data.listing import is_text, shown
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

SPLITS = ("train", "query", "gallery")
COLUMNS = ("image", "person", "camera", "split", "outfit", "sequence", "time", "role")
NEEDED = ("image", "person", "split")
ROLES = ("person", "distractor", "junk", "")
ATTRIBUTE = "attribute:"


def load_manifest(path: Path, name: str | None = None) -> ReIDDataset:
    """Read a manifest; pictures are not opened, crops are sorted by their path.

    Raises DataError naming the line: unknown column, missing value, split or role not known, a path outside the
    manifest's folder, a picture listed twice in one split.
    """
    splits: dict[str, list[Crop]] = {split: [] for split in SPLITS}
    lines: dict[tuple[str, str], int] = {}
    for line, row in read_rows(path):
        try:
            split, crop = parse_row(path.parent, row)
        except DataError as error:
            raise DataError(f"{path}: line {line}: {error}") from None
        first = lines.setdefault((split, crop.id), line)
        if first != line:
            raise DataError(f"{path}: line {line}: {crop.id} is already in {split}, on line {first}; drop one of them")
        splits[split].append(crop)
    if not any(splits.values()):
        raise DataError(f"{path}: no rows; a manifest has one row per crop with {', '.join(COLUMNS[:4])}")
    train, query, gallery = (tuple(sorted(splits[split], key=lambda crop: crop.id)) for split in SPLITS)
    fallback = path.parent.resolve().name if path.stem == "manifest" else path.stem
    notes = (f"manifest {path.name}, {len(lines):,} rows",)
    return ReIDDataset(name or fallback, path.parent, train, query, gallery, notes=notes)


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, row) of a .csv or .jsonl file. Raises DataError when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such manifest") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    return read_csv(path, text) if path.suffix.lower() == ".csv" else read_jsonl(path, text)


def read_csv(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a CSV manifest, its `attribute:NAME` columns gathered under `attributes`."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        header = [column.strip() for column in reader.fieldnames or ()]
        reader.fieldnames = header
        check_header(path, header)
        for row in reader:
            if None in row:
                raise DataError(f"{path}: line {reader.line_num}: more values than columns; quote values with commas")
            plain: dict[str, Any] = {key: value or "" for key, value in row.items() if not key.startswith(ATTRIBUTE)}
            named = {key.removeprefix(ATTRIBUTE): value for key, value in row.items() if key.startswith(ATTRIBUTE)}
            plain["attributes"] = {key: value for key, value in named.items() if value}
            yield reader.line_num, plain
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: not CSV ({error})") from None


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
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: line {number}: not JSON ({getattr(error, 'msg', error)})") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number}: a row is an object with {', '.join(NEEDED)}")
        unknown = [key for key in row if key not in (*COLUMNS, "attributes")]
        if unknown:
            known = f"known: {', '.join(COLUMNS)}, attributes"
            raise DataError(f"{path}: line {number}: unknown key {unknown[0]!r}; {known}")
        yield number, row


def parse_row(folder: Path, row: dict[str, Any]) -> tuple[str, Crop]:
    """(split, crop) of one row. Raises DataError without the line number, which the caller knows."""
    values = {column: text_of(column, row.get(column)) for column in COLUMNS}
    image, split, person, role = values["image"], values["split"], values["person"], values["role"] or ""
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
    path = path_inside(image)
    return split, Crop(
        id=path.as_posix(),
        image=folder / path,
        person=None if role in ("distractor", "junk") else person,
        camera=values["camera"],
        outfit=values["outfit"],
        sequence=values["sequence"],
        time=time_of(values["time"]),
        junk=role == "junk",
        attributes=attributes_of(row.get("attributes")),
    )


def path_inside(image: str) -> Path:
    """The image's path, refused where it leads out of the manifest's folder on this or another system."""
    path, windows = Path(image), PureWindowsPath(image)
    if path.is_absolute() or windows.drive or windows.root or ".." in (*path.parts, *windows.parts):
        raise DataError(
            f"image {image!r} lies outside the manifest's folder; write a path relative to it, without .., "
            "or put the manifest into a folder that holds all pictures"
        )
    if "\\" in image or not is_text(image) or "\0" in image:
        raise DataError(f"image {shown(image)!r}: write plain text with / between folders")
    return path


def text_of(column: str, value: object) -> str | None:
    """A value as stripped text, None where empty. Raises DataError for a truth value, a list or an object."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise DataError(f"{column} is {value!r}; it must be text or a number")
    return str(value).strip() or None


def time_of(value: str | None) -> float | None:
    """A time in seconds or frames. Raises DataError unless it is a finite number."""
    if value is None:
        return None
    try:
        time = float(value)
    except ValueError:
        time = math.nan
    if not math.isfinite(time):
        raise DataError(f"time is {value!r}; it must be a number (seconds or frame)")
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
