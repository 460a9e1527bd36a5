"""CUHK03-NP (767 training and 700 test identities), detected or labelled boxes, from folders or the .mat split file.

    ROOT/detected/{bounding_box_train,query,bounding_box_test}/0001_c1_1.png      (labelled: labeled/)
    ROOT/cuhk03_new_protocol_config_detected.mat + ROOT/images_detected/1_001_1_01.png

The two kinds of boxes give different numbers, so one of them has to be chosen and stands in name and protocol.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reidr.data.checks.official_counts import compare
from reidr.data.layouts.market1501 import fits_market1501, load_market1501
from reidr.data.reading.listing import left_out_notes, list_folder
from reidr.data.reading.lists import missing_level, missing_note
from reidr.data.reading.mat_files import read_in_own_process
from reidr.data.reading.notes import as_notes
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

SPLITS = ("train", "query", "gallery")
WANTED = ("filelist", "labels", "train_idx", "query_idx", "gallery_idx")
Rows = list[tuple[str, str]]
BOXES = {"detected": "detected", "labeled": "labelled", "labelled": "labelled"}
MAT = "cuhk03_new_protocol_config_*.mat"
TREE = """  detected/bounding_box_train, query, bounding_box_test    (CUHK03-NP; or labeled/…)
  cuhk03_new_protocol_config_detected.mat + images_detected/1_001_1_01.png"""


def fits_cuhk03(root: Path) -> bool:
    """Whether `root` holds a split file, or is or holds a box folder and its path says CUHK03.

    A folder `detected` alone is too common a name; without the word, only counts identify CUHK03-NP.
    """
    return bool(split_files(root)) or ("cuhk" in str(root.resolve()).lower() and bool(box_folders(root)))


def box_folders(root: Path) -> dict[str, Path]:
    """By kind of box the folders with a Market-1501 layout: `root` itself or those in it."""
    places = [root.resolve()] if root.name.lower() in BOXES or root.resolve().name.lower() in BOXES else []
    places += [root / name for name in ("detected", "labeled", "labelled")]
    return {BOXES[place.name.lower()]: place for place in places if fits_market1501(place)}


def split_files(root: Path) -> list[Path]:
    """The .mat split files in `root`, sorted."""
    return sorted(root.glob(MAT))


def load_cuhk03(root: Path, name: str | None = None) -> ReIDDataset:
    """Read CUHK03-NP. Raises DataError when both kinds of boxes are there and none is chosen."""
    folders, files = box_folders(root), split_files(root)
    if len(folders) > 1 or (not folders and len(files) > 1):
        choices = [str(path) for path in folders.values()] or [str(path) for path in files]
        raise DataError(
            f"{root}: holds both kinds of boxes of CUHK03-NP, whose results differ; choose one: {' or '.join(choices)}"
        )
    if not folders:
        return load_cuhk03_mat(files[0], name)
    [(boxes, folder)] = folders.items()
    key = f"cuhk03-np/{boxes}"
    dataset = load_market1501(folder, name or key.replace("/", "-"), official=key)
    return replace(dataset, notes=as_notes((f"CUHK03-NP, {boxes} boxes, from folders", *dataset.notes[1:])))


def load_cuhk03_mat(path: Path, name: str | None = None) -> ReIDDataset:
    """Read CUHK03-NP from its .mat split file and the pictures beside it (images_detected or images_labeled).

    Raises DataError when the file is not such a split file or no listed picture is there.
    """
    boxes = "labelled" if "label" in path.name.lower() else "detected"
    table = read_split(path)
    folder = picture_folder(path.parent, boxes)
    listing = list_folder(folder)
    splits: dict[str, tuple[Crop, ...]] = {}
    notes: list[str] = [f"CUHK03-NP, {boxes} boxes, from {path.name}", *left_out_notes(folder.name, listing.left_out)]
    missing: list[str] = []
    for split in SPLITS:
        crops, absent = crops_of_split(folder, table[split], frozenset(listing.pictures))
        splits[split] = tuple(crops)
        missing += absent
        if absent:
            total = len(table[split])
            level = missing_level(len(absent), total)
            notes.append(missing_note(f"{path.name}, {split}", absent, total, folder.name, level))
    if not any(splits.values()):
        raise DataError(f"{path}: none of its pictures is in {folder}, e.g. {missing[0]}; expected\n{TREE}")
    key = f"cuhk03-np/{boxes}"
    label = name or key.replace("/", "-")
    dataset = ReIDDataset(label, path.parent, splits["train"], splits["query"], splits["gallery"], key, kind=key)
    return replace(dataset, notes=as_notes((*notes, *compare(key, dataset.summary()))))


def read_split(path: Path) -> dict[str, Rows]:
    """(file name, person) by split of a .mat split file. Raises DataError when it is damaged or something else."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    table = read_in_own_process("reidr.data.layouts.cuhk03", path, lambda why: not_a_split(path, why))
    return {split: [(file, person) for file, person in rows] for split, rows in table.items()}


def not_a_split(path: Path, why: str) -> DataError:
    """The error for a split file that cannot be used."""
    return DataError(
        f"{path}: not a CUHK03-NP split file with {', '.join(WANTED)} ({why}); "
        "it is published in zhunzhong07/person-re-ranking"
    )


def rows_of(path: str) -> dict[str, Rows]:
    """What `read_split` gives; for its child only, because damaged files raise anything or end the process."""
    from scipy.io import loadmat

    table = loadmat(path, variable_names=WANTED)
    files = [str(cell.item() if hasattr(cell, "item") else cell) for cell in table["filelist"].ravel()]
    labels = [f"{int(label):04d}" for label in table["labels"].ravel()]
    # MATLAB counts from 1.
    rows = {split: [int(row) - 1 for row in table[f"{split}_idx"].ravel()] for split in SPLITS}
    if min(min(numbers, default=0) for numbers in rows.values()) < 0:
        raise IndexError("row 0")
    return {split: [(files[row], labels[row]) for row in numbers] for split, numbers in rows.items()}


def picture_folder(root: Path, boxes: str) -> Path:
    """Where the pictures of a split file lie. Raises DataError naming the folders looked for."""
    short = "labeled" if boxes == "labelled" else boxes
    names = dict.fromkeys((f"images_{short}", f"images_{boxes}", short, boxes))
    for place in [root / name for name in names] + [root]:
        if list_folder(place).pictures:
            return place
    raise DataError(
        f"{root}: no pictures beside the split file; expected a folder {' or '.join(names)} with files like "
        "1_001_1_01.png (camera pair, person of the pair, view, image)"
    )


def crops_of_split(
    folder: Path, rows: Sequence[tuple[str, str]], present: frozenset[str]
) -> tuple[list[Crop], list[str]]:
    """Crops of (file name, person), and the names not `present`. The camera is the view, 1 or 2."""
    crops: list[Crop] = []
    missing: list[str] = []
    for file, person in sorted(rows):
        fields = file.split("_")
        if len(fields) != 4 or not fields[2].isdecimal():
            raise DataError(f"{folder / file}: not a CUHK03 name like 1_001_1_01.png (pair, person, view, image)")
        if file not in present:
            missing.append(file)
            continue
        crop_id = f"{folder.name}/{file}"
        crops.append(Crop(crop_id, folder / file, person=person, camera=fields[2], sequence=f"pair{fields[0]}"))
    return crops, missing


if __name__ == "__main__":
    print(json.dumps(rows_of(sys.argv[1])))
