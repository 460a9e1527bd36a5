"""Any folder of crops: what `reidr find` searches."""

from __future__ import annotations

from pathlib import Path

from reidr.data.images import IMAGE_SUFFIXES
from reidr.data.market1501 import NAME
from reidr.data.types import Crop
from reidr.errors import DataError


def crops_in_folder(folder: Path) -> tuple[Crop, ...]:
    """Every picture below `folder`, sorted by path, hidden files and folders skipped. Opens no file.

    Persons and cameras are taken from names that follow the Market-1501 pattern (`0002_c1s1_…`), else unknown.
    Raises DataError when the folder does not exist or holds no picture.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of crops")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
    if not paths:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DataError(f"{folder}: holds no picture file ({kinds}); give the folder that holds the crops")
    return tuple(crop_of_file(path, path.relative_to(folder).as_posix()) for path in paths)


def crop_of_file(path: Path, crop_id: str | None = None) -> Crop:
    """One picture file as a crop, with person and camera where its name tells them."""
    facts = NAME.match(path.name)
    known = facts is not None and "_c" in path.name
    junk = known and facts is not None and facts["person"] == "-1"
    return Crop(
        id=crop_id or path.name,
        image=path,
        person=facts["person"] if facts is not None and known and not junk else None,
        camera=facts["camera"] if facts is not None and known else None,
        junk=junk,
    )
