"""Any folder of crops: what `reidr find` searches."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from reidr.data.layouts.market1501 import NAME, is_zero
from reidr.data.pictures.images import IMAGE_SUFFIXES
from reidr.data.reading.listing import LeftOut, Reason, left_out_notes, link_notes, walk
from reidr.data.reading.notes import Note
from reidr.data.types import Crop
from reidr.errors import DataError


@dataclass(frozen=True)
class FolderListing:
    """The crops of a folder and what was not taken.

    Attributes:
        crops: sorted by path. left_out: everything else that is visible in the folder, each with its reason.
        links: linked folders that were followed.
    """

    folder: Path
    crops: tuple[Crop, ...]
    left_out: tuple[LeftOut, ...] = ()
    links: tuple[str, ...] = ()

    @property
    def reasons(self) -> dict[Reason, int]:
        """How many were left out for each reason, most first."""
        return dict(Counter(each.reason for each in self.left_out).most_common())

    @property
    def notes(self) -> tuple[Note, ...]:
        """One sentence for each reason, and one for linked folders: what to print and to store."""
        return (*left_out_notes("", self.left_out), *link_notes("", self.links))


def list_crops(folder: Path) -> FolderListing:
    """Every picture in `folder` and below it, and everything that was left out, with its reason.

    Hidden files and folders are passed over. Linked folders are followed, each real folder once. Files with an ending
    that is no picture's are recognised by their first bytes (`reidr.data.reading.listing`); nothing else is opened.
    Persons and cameras are taken from names that follow the Market-1501 pattern (`0002_c1s1_…`), else unknown.
    Raises DataError when the folder does not exist, cannot be read or holds no picture, then with what it holds.
    """
    folder = Path(folder)
    try:
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder of crops")
        tree = walk(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}); check its rights") from None
    if not tree.pictures:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        holds = "; ".join(left_out_notes("", tree.left_out))
        raise DataError(
            f"{folder}: holds no picture file ({kinds}); give the folder that holds the crops"
            + (f" ({holds})" if holds else "")
        )
    crops = tuple(crop_of_file(folder / path, path) for path in tree.pictures)
    return FolderListing(folder, crops, tree.left_out, tree.links)


def crops_in_folder(folder: Path) -> tuple[Crop, ...]:
    """The crops of `list_crops` alone."""
    return list_crops(folder).crops


def crop_of_file(path: Path, crop_id: str | None = None) -> Crop:
    """One picture file as a crop, with person and camera where its name holds them (person -1: junk, 0: nobody)."""
    match = NAME.match(path.name)
    if match is None:
        return Crop(id=crop_id or path.name, image=path)
    person = match["person"]
    return Crop(
        id=crop_id or path.name,
        image=path,
        person=None if person == "-1" or is_zero(person) else person,
        camera=match["camera"].lstrip("0") or "0",
        junk=person == "-1",
    )
