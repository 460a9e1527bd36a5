"""VeRi-776: vehicles, 20 cameras; persons of this package are its vehicles.

ROOT/{image_train,image_query,image_test}/0002_c002_00030600_0.jpg     vehicle, camera, frame, box
ROOT/{name_train,name_query,name_test}.txt                             the same names, one a line; used where present
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from reidr.core.text import some_of
from reidr.data.checks.official_counts import compare
from reidr.data.layouts.market1501 import garbage_collection_paused, listing_notes
from reidr.data.reading.listing import left_out_note, list_folder
from reidr.data.reading.lists import by_stem, missing_level, missing_note, read_lines, renamed_notes, stem_of
from reidr.data.reading.notes import Note
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

FOLDERS = {"train": "image_train", "query": "image_query", "gallery": "image_test"}
LISTS = {"train": "name_train.txt", "query": "name_query.txt", "gallery": "name_test.txt"}
NAME = re.compile(r"(?P<person>\d+)_c(?P<camera>\d+)_(?P<frame>\d+)_\d+\.", re.ASCII)
EXAMPLE = "VEHICLE_cCAMERA_FRAME_BOX (0002_c002_00030600_0.jpg)"
TREE = "  image_train, image_query, image_test / 0002_c002_00030600_0.jpg   (VeRi-776)"


def fits_veri776(root: Path) -> bool:
    """Whether `root` holds one of the three folders."""
    return any((root / folder).is_dir() for folder in FOLDERS.values())


def load_veri776(root: Path, name: str | None = None) -> ReIDDataset:
    """Read VeRi-776; no picture is opened. Where a list is there, it says which pictures of a folder belong to a split.

    Raises DataError when no name parses, and for a list that is no list of names.
    """
    splits: dict[str, tuple[Crop, ...]] = {}
    notes: list[Note] = [Note("VeRi-776 layout (its persons are vehicles)", kind="layout")]
    failed: list[str] = []
    for split, folder in FOLDERS.items():
        listing = list_folder(root / folder)
        notes += listing_notes(folder, listing)
        names = list(listing.pictures)
        if (root / LISTS[split]).is_file():
            names, more = listed_names(root / LISTS[split], listing.pictures, folder)
            notes += more
        with garbage_collection_paused():
            found = [(file, NAME.match(file)) for file in names]
            splits[split] = tuple(
                Crop(
                    id=f"{folder}/{file}",
                    image=root / folder / file,
                    person=fields["person"],
                    camera=str(int(fields["camera"])),
                    time=float(fields["frame"]),
                )
                for file, fields in found
                if fields is not None
            )
        unparsed = [file for file, fields in found if fields is None]
        failed += unparsed
        if unparsed:
            notes.append(left_out_note(folder, unparsed, len(names), EXAMPLE))
    if not any(splits.values()):
        raise DataError(f"{root}: no crops named like {EXAMPLE}{' but ' + some_of(failed) if failed else ''}")
    train, query, gallery = (splits[split] for split in FOLDERS)
    dataset = ReIDDataset(name or "veri-776", root, train, query, gallery, kind="veri-776")
    return replace(dataset, notes=(*notes, *compare("veri-776", dataset.summary())))


def listed_names(path: Path, present: tuple[str, ...], folder: str) -> tuple[list[str], list[Note]]:
    """The pictures of a folder that a list names, sorted, and what is to be said of the others."""
    there, stems = set(present), by_stem(present)
    lines = dict.fromkeys(line for line in read_lines(path) if line)
    found: set[str] = set()
    missing, renamed = [], []
    for line in lines:
        file = line.rpartition("/")[2]
        if file in there:
            found.add(file)
        elif stem_of(file) in stems:
            found.add(stems[stem_of(file)])
            renamed.append(file)
        else:
            missing.append(file)
    notes = renamed_notes(path.name, renamed)
    if missing:
        level = missing_level(len(missing), len(lines))
        notes.append(missing_note(path.name, missing, len(lines), folder, level))
    unlisted = sorted(there - found)
    if unlisted:
        text = f"{folder}: {len(unlisted):,} pictures are not on {path.name} and are left out: {some_of(unlisted)}"
        names = [f"{folder}/{file}" for file in unlisted]
        notes.append(Note(text, "warning", kind="not listed", remedy="remove the list to take all", names=names))
    return sorted(found), notes
