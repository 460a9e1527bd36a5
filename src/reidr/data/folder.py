"""Any folder of crops: what `reidr find` searches."""

from __future__ import annotations

from pathlib import Path

from reidr.data.images import IMAGE_SUFFIXES
from reidr.data.listing import list_tree
from reidr.data.market1501 import NAME, is_zero
from reidr.data.types import Crop
from reidr.errors import DataError


def crops_in_folder(folder: Path) -> tuple[Crop, ...]:
    """Every picture in `folder` and below it, sorted by path, hidden files and folders skipped. Opens no file.

    Persons and cameras are taken from names that follow the Market-1501 pattern (`0002_c1s1_…`), else unknown.
    Raises DataError when the folder does not exist or holds no picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of crops")
    paths = list_tree(folder)
    if not paths:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DataError(f"{folder}: holds no picture file ({kinds}); give the folder that holds the crops")
    return tuple(crop_of_file(folder / path, path) for path in paths)


def crop_of_file(path: Path, crop_id: str | None = None) -> Crop:
    """One picture file as a crop, with person and camera where its name tells them (person -1: junk, 0: nobody)."""
    facts = NAME.match(path.name)
    if facts is None:
        return Crop(id=crop_id or path.name, image=path)
    person = facts["person"]
    return Crop(
        id=crop_id or path.name,
        image=path,
        person=None if person == "-1" or is_zero(person) else person,
        camera=facts["camera"],
        junk=person == "-1",
    )
