"""A manifest: one CSV or JSONL row per crop, for data sets that follow no published layout.

    image,person,camera,split,outfit,sequence,time,role
    crops/anna_1.jpg,anna,entrance,query,,,,

`image`, `person` and `split` (train, query or gallery) are needed; the other columns are optional. An empty person in the
gallery is a distractor; role `junk` marks detections that no protocol ranks. JSONL rows may hold an object
`attributes`; CSV columns named `attribute:NAME` do the same.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

SPLITS = ("train", "query", "gallery")
COLUMNS = ("image", "person", "camera", "split", "outfit", "sequence", "time", "role")
ROLES = ("person", "distractor", "junk", "")


def load_manifest(path: Path, name: str | None = None) -> ReIDDataset:
    """Read a manifest; pictures are not opened. Paths are relative to the manifest's folder and stay inside it.

    Raises DataError naming the line: unknown column, missing value, split or role not known, path outside.
    """
    splits: dict[str, list[Crop]] = {split: [] for split in SPLITS}
    for line, row in read_rows(path):
        try:
            split, crop = parse_row(path.parent, row)
        except DataError as error:
            raise DataError(f"{path}: line {line}: {error}") from None
        splits[split].append(crop)
    if not any(splits.values()):
        raise DataError(f"{path}: no rows; a manifest has one row per crop with {', '.join(COLUMNS[:4])}")
    ordered = {split: tuple(sorted(crops, key=lambda crop: crop.id)) for split, crops in splits.items()}
    fallback = path.parent.resolve().name if path.stem == "manifest" else path.stem
    return ReIDDataset(name or fallback, path.parent, **ordered)


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, row) of a .csv or .jsonl file. Raises DataError when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such manifest") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    if path.suffix.lower() == ".csv":
        reader = csv.DictReader(text.splitlines())
        unknown = [c for c in reader.fieldnames or () if c not in COLUMNS and not c.startswith("attribute:")]
        missing = [c for c in ("image", "person", "split") if c not in (reader.fieldnames or ())]
        if unknown or missing:
            what = f"unknown column {unknown[0]!r}" if unknown else f"no column {missing[0]!r}"
            raise DataError(f"{path}: {what}; the columns are {', '.join(COLUMNS)} and attribute:NAME")
        for row in reader:
            if None in row:
                raise DataError(f"{path}: line {reader.line_num}: more values than columns; quote values with commas")
            yield reader.line_num, {key: value or "" for key, value in row.items()}
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}: line {number}: not JSON ({error.msg})") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number}: a row is an object with image, person and split")
        unknown = [key for key in row if key not in (*COLUMNS, "attributes")]
        if unknown:
            raise DataError(f"{path}: line {number}: unknown key {unknown[0]!r}; known: {', '.join(COLUMNS)}, attributes")
        yield number, row


def parse_row(folder: Path, row: dict[str, Any]) -> tuple[str, Crop]:
    """(split, crop) of one row. Raises DataError without the line number, which the caller knows."""

    def text(key: str) -> str | None:
        value = row.get(key)
        return None if value is None or str(value).strip() == "" else str(value).strip()

    image, split, person = text("image"), text("split"), text("person")
    if image is None:
        raise DataError("image is empty")
    if split not in SPLITS:
        raise DataError(f"split is {row.get('split')!r}; it must be train, query or gallery")
    role = text("role") or ""
    if role not in ROLES:
        raise DataError(f"role is {role!r}; it must be person, distractor or junk")
    if split != "gallery" and (person is None or role in ("distractor", "junk")):
        raise DataError(f"a {split} crop needs a person (only the gallery holds distractors and junk)")
    path = Path(image)
    # Manifests travel: one that names files elsewhere on the disk must not make a tool read (and show) them.
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"image {image!r} lies outside the manifest's folder; write a path relative to it, without ..")
    time = text("time")
    try:
        seconds = None if time is None else float(time)
    except ValueError:
        raise DataError(f"time is {time!r}; it must be a number (seconds or frame)") from None
    attributes = row.get("attributes") or {
        key.removeprefix("attribute:"): value for key, value in row.items() if key.startswith("attribute:") and value
    }
    if not isinstance(attributes, dict):
        raise DataError("attributes must be an object of names and values")
    return split, Crop(
        id=path.as_posix(),
        image=folder / path,
        person=None if role in ("distractor", "junk") else person,
        camera=text("camera"),
        outfit=text("outfit"),
        sequence=text("sequence"),
        time=seconds,
        junk=role == "junk",
        attributes={str(key): str(value) for key, value in attributes.items()},
    )
