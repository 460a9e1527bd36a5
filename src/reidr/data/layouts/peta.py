"""PETA (Deng et al. 2014): pictures of people with the words that annotators gave them; no search, training alone.

ROOT/labels.jsonl       one line a picture: image, subset, person (its own within the subset), cam or null, labels
ROOT/SUBSET/anything.jpg

PETA is a collection of ten older sets. As distributed, each has a `Label.txt` with a line per person; this is the same
with a line per picture, which is what a program needs. Words of gender, age and religion are passed over if present.
"""

from __future__ import annotations

import json
from pathlib import Path

from reidr.data.attribute_sources import PETA_PASSED_OVER, facts_of_peta
from reidr.data.reading.lists import missing_note
from reidr.data.reading.notes import Level, Note
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

FILE = "labels.jsonl"
KIND = "PETA"
FIELDS = ("image", "subset", "person", "labels")
TREE = "  labels.jsonl, SUBSET/…jpg                                  (PETA: attributes to learn, no queries)"


def fits_peta(root: Path) -> bool:
    """Whether `root` holds a `labels.jsonl` whose first line is of PETA's kind."""
    try:
        with (root / FILE).open(encoding="utf-8-sig") as file:
            first = json.loads(file.readline())
    except (OSError, ValueError):
        return False
    return isinstance(first, dict) and set(FIELDS) <= first.keys()


def load_peta(root: Path, name: str | None = None) -> ReIDDataset:
    """Read PETA's pictures as training crops; `Crop.attributes["peta"]` holds a picture's words (`facts_of_peta`).

    Persons are called after their subset. Raises DataError naming the line that cannot be used.
    """
    crops: list[Crop] = []
    missing: list[Crop] = []
    for number, line in enumerate((root / FILE).read_text(encoding="utf-8-sig").splitlines(), start=1):
        if line.strip():
            crop = crop_of_line(root, line, f"{root / FILE}: line {number}")
            (crops if Path(str(crop.image)).is_file() else missing).append(crop)
    described = f"{KIND}: {len(crops):,} pictures of {len({crop.person for crop in crops}):,} persons with attributes"
    notes = [Note(described, kind="layout")]
    if missing:
        total = len(missing) + len(crops)
        level: Level = "error" if 2 * len(missing) >= total else "warning"
        notes.append(missing_note(FILE, [crop.id for crop in missing], total, str(root), level))
    return ReIDDataset(name or root.name, root, train=tuple(crops), notes=tuple(notes), kind=KIND)


def crop_of_line(root: Path, line: str, where: str) -> Crop:
    """One line as a crop. Raises DataError that begins with `where`."""
    try:
        row = json.loads(line)
    except ValueError:
        raise DataError(f"{where}: not JSON") from None
    if not isinstance(row, dict) or not set(FIELDS) <= row.keys() or not isinstance(row["labels"], list):
        raise DataError(f"{where}: needs {', '.join(FIELDS)}")
    image = root / str(row["image"])
    if not image.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{where}: {row['image']} leads out of the folder {root}")
    words = [str(word) for word in row["labels"] if not str(word).startswith(tuple(PETA_PASSED_OVER))]
    try:
        facts_of_peta(words)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    camera = row.get("cam")
    return Crop(
        id=str(row["image"]),
        image=image,
        person=f"{row['subset']}/{row['person']}",
        camera=None if camera is None else str(camera),
        attributes={"peta": " ".join(words)},
    )
