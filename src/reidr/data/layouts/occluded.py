"""Data sets that are lists over another data set's pictures, as Occluded-Duke's official lists are over DukeMTMC-reID.

    ROOT/{train,query,gallery}.list                  one file name per line: 0001_c2_f0046182.jpg
    ROOT/[DukeMTMC-reID/]{bounding_box_train,query,bounding_box_test}/…

DukeMTMC itself was withdrawn by its authors and has no loader here (docs/datasets.md). Where the lists were already
applied (folders bounding_box_train, query, bounding_box_test), `market1501` reads the result.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reidr.core.text import some_of
from reidr.data.checks.official_counts import compare, identify
from reidr.data.layouts.market1501 import FOLDERS, PATTERN, fits_market1501, is_zero, junk_note, parse_names
from reidr.data.reading.listing import left_out_notes, list_folder, sub_folders
from reidr.data.reading.lists import (
    by_stem,
    missing_level,
    missing_note,
    read_lines,
    renamed_notes,
    stem_of,
    unlisted_notes,
)
from reidr.data.reading.notes import Note, as_notes
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

LISTS = {"train": "train.list", "query": "query.list", "gallery": "gallery.list"}
TREE = """  train.list, query.list, gallery.list         (Occluded-Duke's lists, over the pictures in)
  DukeMTMC-reID/bounding_box_train, query, bounding_box_test"""


def fits_occluded(root: Path) -> bool:
    """Whether `root` holds one of the lists."""
    return any((root / file).is_file() for file in LISTS.values())


def load_occluded(root: Path, name: str | None = None) -> ReIDDataset:
    """Read the lists and find their pictures in `root` or in a folder of it. No picture is opened.

    A picture may have moved between splits (Occluded-Duke takes queries from Duke's gallery), so all three folders are
    searched, the split's own first. Raises DataError when no listed picture is there, or a list names a path.
    """
    places = [place for place in (root, *sub_folders(root)) if fits_market1501(place)]
    if not places:
        raise DataError(f"{root}: has lists but no pictures they speak of; expected\n{TREE}")
    place = places[0]
    listings = {split: list_folder(place / folder) for split, folder in FOLDERS.items()}
    present = {split: frozenset(listing.pictures) for split, listing in listings.items()}
    splits: dict[str, tuple[Crop, ...]] = {}
    notes: list[str] = [f"lists in {root.name} over the pictures in {place.name}"]
    for split, folder in FOLDERS.items():
        notes += left_out_notes(folder, listings[split].left_out)
    everywhere = frozenset(name for names in present.values() for name in names)
    anywhere = by_stem(everywhere)
    named: set[str] = set()
    for split, file in LISTS.items():
        if not (root / file).is_file():
            notes.append(Note(f"{file} is missing, so {split} is empty", "warning", kind="missing list"))
            continue
        names = sorted(set(read_list(root / file)))
        found: list[Crop] = []
        others = {n: anywhere[stem_of(n)] for n in names if n not in everywhere and stem_of(n) in anywhere}
        left = sorted({others.get(n, n) for n in names})
        notes += renamed_notes(file, sorted(others))
        named.update(left)
        # As in Market-1501's own folders, see `market1501_from_names`.
        zero_is_nobody = split == "gallery" and not any(is_zero(crop.person) for crop in splits.get("query", ()))
        for source in dict.fromkeys((split, "gallery", "train", "query")):
            here = [n for n in left if n in present[source]]
            crops, unparsed = parse_names(place, FOLDERS[source], here, zero_is_nobody=zero_is_nobody)
            if unparsed:
                raise DataError(f"{root / file}: {some_of(unparsed)} do not follow {PATTERN}")
            junk = [crop.id for crop in crops if crop.junk and split != "gallery"]
            if junk:
                notes.append(junk_note(file, junk))
            found += [crop for crop in crops if not crop.junk or split == "gallery"]
            left = [n for n in left if n not in present[source]]
        if left:
            notes.append(missing_note(file, left, len(names), place.name, missing_level(len(left), len(names))))
        splits[split] = tuple(sorted(found, key=lambda crop: crop.id))
    for split, folder in FOLDERS.items():
        notes += unlisted_notes(folder, sorted(present[split] - named))
    if not any(splits.values()):
        raise DataError(f"{root}: none of the pictures in its lists is in {place}; expected\n{TREE}")
    label = name or root.resolve().name
    train, query, gallery = (splits.get(split, ()) for split in LISTS)
    dataset = ReIDDataset(label, place, train, query, gallery)
    known = identify(label, dataset.summary())
    notes += compare(known, dataset.summary()) if known else []
    return replace(dataset, notes=as_notes(notes), kind=known or "lists over pictures")


def read_list(path: Path) -> list[str]:
    """File names, one a line. Raises DataError for a line that is a path, or for a file that is no text."""
    lines = read_lines(path)
    for number, line in enumerate(lines, start=1):
        if "/" in line:
            raise DataError(f"{path}: line {number} is {line[:80]!r}; expected a file name without folders")
    return [line for line in lines if line]
