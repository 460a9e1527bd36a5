"""MSMT17 as published: folders of persons and four lists (the Market-style copy is read by `market1501`).

    ROOT/train, ROOT/test                       V1
    ROOT/mask_train_v2, ROOT/mask_test_v2       V2: the same crops, faces blurred
    ROOT/list_{train,val,query,gallery}.txt     0000/0000_000_01_0303morning_0008_0.jpg 0

The camera is the third `_` field of the file's name, 1 to 15.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from reidr.data.checks.official_counts import compare
from reidr.data.layouts.market1501 import PREFIX_NOTE, TRAIN_PREFIX, garbage_collection_paused
from reidr.data.reading.listing import left_out_notes, link_notes, walk
from reidr.data.reading.lists import by_stem, missing_level, missing_note, read_lines, renamed_notes, unlisted_notes
from reidr.data.reading.notes import Note, as_notes
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

VERSIONS = {"V2": ("mask_train_v2", "mask_test_v2"), "V1": ("train", "test")}
LISTS = {"train": ("list_train.txt", "list_val.txt"), "query": ("list_query.txt",), "gallery": ("list_gallery.txt",)}
TREE = """  list_train.txt, list_val.txt, list_query.txt, list_gallery.txt   (MSMT17)
  train/0000/0000_000_01_0303morning_0008_0.jpg  (V2: mask_train_v2/…)
  test/0000/…                                    (V2: mask_test_v2/…)"""


def fits_msmt17(root: Path) -> bool:
    """Whether `root` holds one of the lists and one of the folders."""
    listed = any((root / file).is_file() for files in LISTS.values() for file in files)
    return listed and version_of(root) is not None


def version_of(root: Path) -> str | None:
    """V1 or V2 by the folders' names, None where there is neither."""
    return next((v for v, folders in VERSIONS.items() if any((root / f).is_dir() for f in folders)), None)


def load_msmt17(root: Path, name: str | None = None) -> ReIDDataset:
    """Read MSMT17 V1 or V2; the version stands in the name and the notes. Training is the train and val lists together.

    Listed files that are not there are left out and counted. Raises DataError naming a list's line that does not parse.
    """
    version = version_of(root)
    if version is None:
        raise DataError(f"{root}: neither the folders of MSMT17 V1 nor of V2; expected\n{TREE}")
    notes: list[str] = [f"MSMT17 {version}: folders {' and '.join(VERSIONS[version])}"]
    for other, names in VERSIONS.items():
        if other != version and any((root / name).is_dir() for name in names):
            text = f"{other} of MSMT17 is there too ({' and '.join(names)}) and is left out: {version} is taken"
            notes.append(Note(text, "warning", kind="other version", names=names))
    folders = {"train": VERSIONS[version][0], "query": VERSIONS[version][1], "gallery": VERSIONS[version][1]}
    trees = {folder: walk(root / folder) for folder in VERSIONS[version]}
    for folder, tree in trees.items():
        notes += [*left_out_notes(folder, tree.left_out), *link_notes(folder, tree.links)]
    present = {folder: frozenset(tree.pictures) for folder, tree in trees.items()}
    splits: dict[str, list[Crop]] = {split: [] for split in LISTS}
    for split, files in LISTS.items():
        folder = folders[split]
        gone: list[tuple[str, list[str], int]] = []
        for file in files:
            if not (root / file).is_file():
                notes.append(Note(f"{file} is missing, so {split} lacks its crops", "warning", kind="missing list"))
                continue
            lines, renamed = with_other_endings(read_lines(root / file), present[folder])
            prefix = TRAIN_PREFIX if split == "train" else ""
            with garbage_collection_paused():
                crops, missing = parse_list(root, folder, lines, file, present[folder], prefix)
            splits[split] += crops
            notes += renamed_notes(file, renamed)
            gone.append((file, missing, len(crops) + len(missing)))
        level = missing_level(sum(len(missing) for _, missing, _ in gone), sum(total for *_, total in gone))
        notes += [missing_note(file, missing, total, folder, level) for file, missing, total in gone if missing]
    taken = {crop.id for crops in splits.values() for crop in crops}
    for folder, pictures in present.items():
        notes += unlisted_notes(folder, sorted(name for name in pictures if f"{folder}/{name}" not in taken))
    if not any(splits.values()):
        raise DataError(f"{root}: none of the files in MSMT17's lists is there; expected\n{TREE}")
    train, query, gallery = (tuple(sorted(splits[split], key=lambda crop: crop.id)) for split in LISTS)
    if splits["train"] and splits["gallery"]:
        notes.append(PREFIX_NOTE)
    dataset = ReIDDataset(name or f"msmt17-{version.lower()}", root, train, query, gallery, kind="msmt17")
    return replace(dataset, notes=as_notes((*notes, *compare("msmt17", dataset.summary()))))


def with_other_endings(lines: Iterable[str], present: frozenset[str]) -> tuple[list[str], list[str]]:
    """The lines with paths as they are `present`, and the listed paths that are there with another picture ending."""
    stems = by_stem(present)
    found, renamed = [], []
    for line in lines:
        path = line.replace("\t", " ").rpartition(" ")[0].strip()
        other = stems.get(path.rpartition(".")[0]) if path and path not in present else None
        if other is not None:
            renamed.append(path)
        found.append(line if other is None else other + line[len(path) :])
    return found, renamed


def parse_list(
    root: Path,
    folder: str,
    lines: Iterable[str],
    file: str,
    present: frozenset[str] | None = None,
    prefix: str = "",
) -> tuple[list[Crop], list[str]]:
    """Crops of a list's lines `PATH PERSON`, and the paths not `present` (None: all are). Opens no file.

    Raises DataError with the list's name and the line number.
    """
    crops: list[Crop] = []
    missing: list[str] = []
    place = root / folder
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        path, _, person = line.strip().replace("\t", " ").rpartition(" ")
        path = path.strip()
        fields = path.rpartition("/")[2].split("_")
        if len(fields) < 4 or not fields[2].isdecimal() or not person.isdecimal() or ".." in path or path[0] == "/":
            raise DataError(
                f"{root / file}: line {number} is {line.strip()[:80]!r}; expected PATH PERSON as in "
                "0000/0000_000_01_0303morning_0008_0.jpg 0 (the third _ field is the camera)"
            )
        if present is not None and path not in present:
            missing.append(path)
            continue
        crops.append(
            Crop(
                id=f"{folder}/{path}",
                image=place / path,
                person=prefix + person.zfill(4),
                camera=str(int(fields[2])),
                sequence=fields[3],
            )
        )
    return crops, missing
