"""A folder per person, cameras unknown: what people have who sorted their own pictures.

Where every picture is a query, cameras are taken from names in Market-1501's way (`0002_c1s1_…`), if there are such.

ROOT/{train,query,gallery}/PERSON/anything.jpg     each may be absent, but there is a query and a gallery
ROOT/PERSON/anything.jpg                           every picture is a query and is looked for among all others
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from reidr.data.layouts.ltcc import NAME as LTCC_NAME
from reidr.data.layouts.market1501 import NAME as MARKET_NAME
from reidr.data.layouts.vc_clothes import NAME as VC_NAME
from reidr.data.reading.listing import is_picture_name, left_out_notes, link_notes, sub_folders, walk
from reidr.data.reading.notes import Note
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

SPLITS = ("train", "query", "gallery")
KIND = "a folder per person"
PROTOCOL = "any-camera"
LAYOUT_NAMES = (MARKET_NAME, LTCC_NAME, VC_NAME)
LEAVE_ONE_OUT = "a folder per person: every picture is a query, looked for among all the others"
SPLIT = "a folder per person in query and gallery, cameras unknown"
TREE = """  query, gallery, train / PERSON / anything.jpg              (a folder per person, no cameras)
  PERSON/anything.jpg                                        (the same; each picture is looked for among the others)"""


def fits_split_person_folders(root: Path) -> bool:
    """Whether `query` and `gallery` hold folders of pictures alone, whose names follow no published layout."""
    if not all((root / split).is_dir() for split in ("query", "gallery")):
        return False
    return all(holds_people(root / split) for split in ("query", "gallery"))


def fits_person_folders(root: Path) -> bool:
    """Whether `root` holds folders of pictures alone, two at least, one of them with two pictures."""
    counts = [len(list(islice(picture_names(folder), 2))) for folder in people_in(root)]
    return len(counts) > 1 and max(counts) > 1


def people_in(place: Path) -> list[Path]:
    """The folders in `place` that hold pictures; none where pictures lie in `place` itself."""
    if any(picture_names(place)):
        return []
    return [folder for folder in sub_folders(place) if any(picture_names(folder))]


def holds_people(place: Path) -> bool:
    """Whether `place` holds folders with pictures, none of the first twenty named as in a published layout."""
    names = list(islice((name for folder in people_in(place) for name in picture_names(folder)), 20))
    return bool(names) and not any(pattern.match(name) for name in names for pattern in LAYOUT_NAMES)


def picture_names(folder: Path) -> Iterator[str]:
    """Visible names with a picture's ending, unsorted; none of a folder that cannot be read. Opens nothing."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and is_picture_name(entry.name):
                    yield entry.name
    except OSError:
        return  # the error is reported when the data set is read


def load_split_person_folders(root: Path, name: str | None = None) -> ReIDDataset:
    """Read query, gallery and, where it is there, train; the folder in each is the person. No picture is opened."""
    notes: list[Note] = [Note(SPLIT, kind="layout")]
    splits: dict[str, tuple[Crop, ...]] = {}
    for split in SPLITS:
        splits[split], more = people_of(root / split, split)
        notes += more
    query, gallery = splits["query"], splits["gallery"]
    label = name or root.resolve().name
    return ReIDDataset(label, root, splits["train"], query, gallery, PROTOCOL, tuple(notes), KIND)


def load_person_folders(root: Path, name: str | None = None) -> ReIDDataset:
    """Read a folder of people for leave-one-out: query and gallery are the same crops. No picture is opened.

    A query's own picture is never its match (`reidr.data.protocols.trial`). Raises DataError where no picture is found.
    """
    crops, more = people_of(root, "")
    if not crops:
        raise DataError(f"{root}: no pictures in folders of people; expected\n{TREE}")
    crops = tuple(replace(crop, camera=camera_of(crop)) for crop in crops)
    protocol = "standard" if any(crop.camera for crop in crops) else PROTOCOL
    notes = [Note(LEAVE_ONE_OUT, kind="layout"), *more]
    counts: dict[str | None, int] = {}
    for crop in crops:
        counts[crop.person] = counts.get(crop.person, 0) + 1
    alone = sorted(str(person) for person, number in counts.items() if number == 1)
    if alone:
        text = f"{len(alone):,} of {len(counts):,} people have one picture, which no other can match"
        notes.append(Note(text, "warning", kind="people with one picture", names=alone))
    return ReIDDataset(name or root.resolve().name, root, (), crops, crops, protocol, tuple(notes), KIND)


def camera_of(crop: Crop) -> str | None:
    """The camera in a name of Market-1501's way; None for any other name."""
    match = MARKET_NAME.match(crop.id.rpartition("/")[2])
    return None if match is None else match["camera"].lstrip("0") or "0"


def people_of(place: Path, split: str) -> tuple[tuple[Crop, ...], list[Note]]:
    """Crops of the folders in `place`, deeper ones belonging to the person of the first, and what was left out."""
    tree = walk(place)
    prefix = f"{split}/" if split else ""
    crops = tuple(
        Crop(id=prefix + path, image=place / path, person=path.partition("/")[0])
        for path in tree.pictures
        if "/" in path
    )
    notes = [*left_out_notes(split, tree.left_out), *link_notes(split, tree.links)]
    loose = [path for path in tree.pictures if "/" not in path]
    if loose:
        text = f"{split or 'the folder itself'}: {len(loose):,} pictures lie in no person's folder and are left out"
        notes.append(Note(text, "warning", kind="names not understood", names=[prefix + path for path in loose]))
    return crops, notes
