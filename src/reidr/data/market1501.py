"""The Market-1501 layout, which most of the field's data sets are also passed around in.

    ROOT/bounding_box_train/0002_c1s1_000451_03.jpg    person, camera, sequence, frame, box
    ROOT/query/…
    ROOT/bounding_box_test/…                           person -1: junk, person 0: distractor

Any of the three folders may be absent. Cameras may have two digits (Market-style copies of MSMT17).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from reidr.data.attributes import load_market_attributes
from reidr.data.images import IMAGE_SUFFIXES
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
NAME = re.compile(r"(?P<person>-1|\d+)_c(?P<camera>\d+)(?:s(?P<sequence>\d+))?(?:_f?(?P<frame>\d+))?(?:_\d+)?(?:[._].*)?$")
EXPECTED_TREE = """expected a folder with
  bounding_box_train/0002_c1s1_000451_03.jpg   (training, optional)
  query/0003_c1s1_000151_01.jpg
  bounding_box_test/0003_c4s6_015141_01.jpg    (gallery)
or a manifest.csv / manifest.jsonl (docs/datasets.md)"""


def load_market1501(root: Path, name: str | None = None) -> ReIDDataset:
    """Read a Market-1501 layout. Files whose names do not parse are left out and counted in the notes.

    Person 0 of the gallery is a distractor, unless a query carries it too (Market-style copies of other data sets
    number their people from 0). `attributes.csv` beside the folders is read where present.
    Raises DataError when none of the three folders exists or none of their names parses.
    """
    notes: list[str] = []
    splits: dict[str, tuple[Crop, ...]] = {}
    for split, folder in FOLDERS.items():
        paths = sorted_pictures(root / folder)
        crops, unparsed = parse_names(root, paths)
        splits[split] = crops
        if unparsed:
            notes.append(
                f"{folder}: {len(unparsed)} of {len(paths)} names do not follow PERSON_cCAMERA… and were left out, "
                f"e.g. {unparsed[0].name}"
            )
        if split == "query" and any(crop.junk for crop in crops):
            notes.append(f"{folder}: {sum(c.junk for c in crops)} junk boxes (person -1) were left out of the queries")
            splits[split] = tuple(crop for crop in crops if not crop.junk)
    if not any(splits.values()):
        raise DataError(f"{root}: no crops of the Market-1501 layout here; {EXPECTED_TREE}")
    if not any(_is_zero(crop) for crop in splits["query"]):
        splits["gallery"] = tuple(
            replace(crop, person=None) if _is_zero(crop) else crop for crop in splits["gallery"]
        )
    if (root / "attributes.csv").is_file():
        table = load_market_attributes(root / "attributes.csv")
        splits = {
            split: tuple(
                replace(crop, attributes=table[int(crop.person)])
                if crop.person is not None and int(crop.person) in table
                else crop
                for crop in crops
            )
            for split, crops in splits.items()
        }
        notes.append(f"attributes.csv: {len(table)} persons")
    return ReIDDataset(name or root.resolve().name, root, **splits, notes=tuple(notes))


def sorted_pictures(folder: Path) -> list[Path]:
    """The picture files of a folder (not below it), sorted by name: file systems list them in any order."""
    if not folder.is_dir():
        return []
    return sorted(
        (path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")),
        key=lambda path: path.name,
    )


def parse_names(root: Path, paths: Iterable[Path]) -> tuple[tuple[Crop, ...], list[Path]]:
    """Crops of the names that parse, and the paths that do not. Opens no file."""
    crops, unparsed = [], []
    for path in paths:
        facts = NAME.match(path.name)
        if facts is None:
            unparsed.append(path)
            continue
        junk = facts["person"] == "-1"
        crops.append(
            Crop(
                id=path.relative_to(root).as_posix(),
                image=path,
                person=None if junk else facts["person"],
                camera=facts["camera"],
                sequence=facts["sequence"],
                time=float(facts["frame"]) if facts["frame"] else None,
                junk=junk,
            )
        )
    return tuple(crops), unparsed


def _is_zero(crop: Crop) -> bool:
    return crop.person is not None and int(crop.person) == 0
