"""PRCC: people seen in the same clothes by cameras A and B, in other clothes by camera C.

ROOT/rgb/train/001/A_cropped_rgb001.jpg     camera: the first letter of the name
ROOT/rgb/val/…                              further crops of the training people, not used
ROOT/rgb/test/{A,B,C}/003/…                 camera: the folder; gallery A, queries B and C
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from reidr.data.checks.official_counts import compare, protocol_of
from reidr.data.layouts.market1501 import garbage_collection_paused
from reidr.data.reading.listing import left_out_note, left_out_notes, link_notes, walk
from reidr.data.reading.notes import Note, as_notes
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

CAMERAS = ("A", "B", "C")
TREE = """  rgb/train/001/A_cropped_rgb001.jpg           (PRCC)
  rgb/test/{A,B,C}/003/cropped_rgb001.jpg"""


def fits_prcc(root: Path) -> bool:
    """Whether `root` (or its `rgb` folder) has test folders A, B, C, or training crops named by camera."""
    place = pictures_of(root)
    if any((place / "test" / camera).is_dir() for camera in CAMERAS):
        return True
    return place.name == "rgb" and (place / "train").is_dir()


def pictures_of(root: Path) -> Path:
    """The folder with train and test: `root/rgb` or `root`."""
    return root / "rgb" if (root / "rgb").is_dir() else root


def load_prcc(root: Path, name: str | None = None) -> ReIDDataset:
    """Read PRCC: gallery camera A, queries cameras B and C (a protocol picks one of them). No picture is opened.

    Crops of one person by A and B carry outfit 1, those by C outfit 2. Raises DataError when no path parses.
    """
    place = pictures_of(root)
    trees = {part: walk(place / part) for part in ("train", "test")}
    dataset = prcc_from_paths(root, place, [f"{part}/{p}" for part, tree in trees.items() for p in tree.pictures], name)
    notes: list[str] = list(dataset.notes)
    for part, tree in trees.items():
        notes += [*left_out_notes(part, tree.left_out), *link_notes(part, tree.links)]
    if (place / "val").is_dir():
        notes.append(Note("val: further crops of the training people, not used", kind="not used"))
    return replace(dataset, notes=as_notes(notes))


def prcc_from_paths(root: Path, place: Path, paths: Iterable[str], name: str | None = None) -> ReIDDataset:
    """The data set of a listing: paths below `place`, as `train/PERSON/FILE` and `test/CAMERA/PERSON/FILE`."""
    splits: dict[str, list[Crop]] = {"train": [], "query": [], "gallery": []}
    unparsed: list[str] = []
    paths = sorted(paths)
    prefix = "" if place == root else f"{place.relative_to(root).as_posix()}/"
    with garbage_collection_paused():
        for path in paths:
            fields = parse_path(path)
            if fields is None:
                unparsed.append(path)
                continue
            split, person, camera = fields
            crop = Crop(
                id=prefix + path,
                image=place / path,
                person=person,
                camera=camera,
                outfit="2" if camera == "C" else "1",
            )
            splits[split].append(crop)
    if not any(splits.values()):
        raise DataError(f"{root}: no crops in the PRCC layout; expected\n{TREE}")
    notes = ["PRCC layout: gallery camera A, queries camera B (same clothes) and C (changed)"]
    if unparsed:
        notes.append(left_out_note("rgb", unparsed, len(paths), "train/PERSON/A_… or test/A/PERSON/…"))
    train, query, gallery = (tuple(splits[split]) for split in ("train", "query", "gallery"))
    dataset = ReIDDataset(name or "prcc", root, train, query, gallery, protocol_of("prcc"), kind="prcc")
    return replace(dataset, notes=as_notes((*notes, *compare("prcc", dataset.summary()))))


def parse_path(path: str) -> tuple[str, str, str] | None:
    """(split, person, camera) of a path, None where it does not follow the layout."""
    parts = path.split("/")
    if len(parts) == 3 and parts[0] == "train" and parts[2][0] in CAMERAS:
        return "train", parts[1], parts[2][0]
    if len(parts) == 4 and parts[0] == "test" and parts[1] in CAMERAS:
        return "gallery" if parts[1] == "A" else "query", parts[2], parts[1]
    return None
