"""Checks on files: names, missing and unusable pictures, the same picture in two places."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from reidr.core.text import shown
from reidr.data.checks.finding import EXAMPLES, Finding, Severity, about, examples, listed
from reidr.data.protocols.trial import picture_identity
from reidr.data.reading.listing import CLUTTER
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import ImageError

SENTENCES = 20
KNOWN_FILES = frozenset(
    {"attributes.csv", "captions.jsonl", "street.json", "name_train.txt", "name_query.txt", "name_test.txt"}
)
Placed = tuple[str, Crop]


def placed_crops(dataset: ReIDDataset) -> Iterator[Placed]:
    """(split, crop) of all crops."""
    for split in ("train", "query", "gallery"):
        for crop in getattr(dataset, split):
            yield split, crop


def check_names(dataset: ReIDDataset) -> list[Finding]:
    """Files beside the crops that no list names, and names that only some systems distinguish."""
    findings = []
    used = {os.fspath(crop.image) for _, crop in placed_crops(dataset) if isinstance(crop.image, Path)}
    if dataset.root is not None:
        # What the loader left out has its own note; the lists and tables that it read are used.
        used |= {os.fspath(dataset.root / name) for note in dataset.notes for name in note.names}
    folders = sorted({path.rpartition(os.sep)[0] for path in used})
    beside = [name for folder in folders for name in unused_files(folder, used) if not is_made_for_data_sets(name)]
    if beside:
        problem = f"{len(beside):,} files beside the crops are not used: {listed(beside)}"
        findings.append(Finding("info", "files beside", problem, files=examples(beside)))
    for split in ("train", "query", "gallery"):
        ways: dict[str, list[str]] = defaultdict(list)
        for crop in getattr(dataset, split):
            ways[crop.id.casefold()].append(crop.id)
        twice = [" and ".join(sorted(ids)) for ids in ways.values() if len(ids) > 1]
        if twice:
            problem = f"{split}: {len(twice):,} files differ only in upper and lower case: {listed(twice)}"
            remedy = "one of them is lost where such names are the same (Windows, macOS): rename it"
            findings.append(Finding("warning", "names differ by case", problem, remedy, files=examples(twice)))
    return findings


def unused_files(folder: str, used: set[str]) -> list[str]:
    """Names of the visible files in a folder that are no crop's picture."""
    try:
        with os.scandir(folder) as entries:
            return [
                entry.name
                for entry in entries
                if entry.path not in used
                and not entry.name.startswith(".")
                and entry.name not in CLUTTER
                and not entry.is_dir()
            ]
    except OSError:
        return []  # a missing folder is an empty split, or its crops are reported as missing files


def is_made_for_data_sets(name: str) -> bool:
    """Whether a file is a list, a manifest or a table that loaders read, or that comes with a data set."""
    return name in KNOWN_FILES or name.startswith(("list_", "cuhk03_new_protocol_config_")) or name.endswith(".list")


def check_pictures(
    dataset: ReIDDataset, advance: Callable[[float], None], *, pixels: bool, allow_missing: bool = False
) -> list[Finding]:
    """Missing and empty files; with `pixels` every picture is decoded. Calls `advance(1)` for each crop.

    Missing files are an error, with `allow_missing` a warning.
    """
    missing: list[Crop] = []
    empty: list[Crop] = []
    broken: list[tuple[Crop, str]] = []
    sizes: dict[int, list[Placed]] = defaultdict(list)
    wide = opened = 0
    for split, crop in placed_crops(dataset):
        advance(1)
        if isinstance(crop.image, Path):
            try:
                size = crop.image.stat().st_size
            except OSError:
                missing.append(crop)
                continue
            if size == 0:
                empty.append(crop)
                continue
            sizes[size].append((split, crop))
        if pixels:
            try:
                width, height = crop.open().size
            except ImageError as error:
                broken.append((crop, str(error)))
            else:
                opened += 1
                wide += width > height
    findings = []
    if missing:
        problem = f"{len(missing):,} files do not exist: {listed(crop.id for crop in missing)}"
        grade: Severity = "warning" if allow_missing else "error"
        findings.append(about(grade, "missing file", missing, problem, "copy them again, or take their rows out"))
    if empty:
        problem = f"{len(empty):,} files are empty: {listed(crop.id for crop in empty)}"
        findings.append(about("error", "empty file", empty, problem, "copy them again, or take them out"))
    findings += [about("error", "unusable picture", [crop], sentence) for crop, sentence in broken[:SENTENCES]]
    if len(broken) > SENTENCES:
        rest = [crop for crop, _ in broken[SENTENCES:]]
        problem = f"{len(rest):,} more pictures cannot be used: {listed(crop.id for crop in rest)}"
        findings.append(about("error", "unusable picture", rest, problem))
    if opened and wide > opened / 2:
        problem = f"{wide:,} of {opened:,} pictures are wider than high: these look like whole frames, not person crops"
        findings.append(Finding("warning", "not person crops", problem, "cut the persons out first"))
    return findings + check_copies(sizes)


def is_one_file(entries: list[Placed]) -> bool:
    """Whether the query and gallery crops of equal bytes are all one file (leave-one-out), not copies of it."""
    return len({picture_identity(crop) for split, crop in entries if split != "train"}) == 1


def check_copies(sizes: dict[int, list[Placed]]) -> list[Finding]:
    """The same bytes in two places. `sizes` has (split, crop) by file size; only equal sizes are read."""
    contents: dict[bytes, list[Placed]] = defaultdict(list)
    for entries in sizes.values():
        if len(entries) > 1:
            for split, crop in entries:
                try:
                    with Path(str(crop.image)).open("rb") as file:  # in blocks: a file may be larger than the memory
                        contents[hashlib.file_digest(file, "sha256").digest()].append((split, crop))
                except OSError:
                    continue  # decoding has reported it
    copies = [entries for entries in contents.values() if len(entries) > 1]
    findings = []
    between = {
        "query and gallery": "such a query finds itself, without any re-identification: take one copy out",
        "train and test": "the model has seen its test: take one copy out",
    }
    for what, remedy in between.items():
        wanted = ({"query"}, {"gallery"}) if what == "query and gallery" else ({"train"}, {"query", "gallery"})
        across = [e for e in copies if all(sides & {split for split, _ in e} for sides in wanted)]
        if what == "query and gallery":
            own = [e for e in across if is_one_file(e)]
            across = [e for e in across if not is_one_file(e)]
            if own:
                number = sum(split == "query" for entries in own for split, _ in entries)
                crops = [crop for entries in own[:EXAMPLES] for split, crop in entries if split == "query"]
                names = listed(crop.id for crop in crops)
                problem = f"{number:,} queries are in the gallery too, as the very same file ({names}): "
                problem += "each is left out of its own search"
                findings.append(about("info", f"same picture in {what}", crops, problem))
        if across:
            pairs = [" = ".join(f"{split} {shown(crop.id)}" for split, crop in entries[:3]) for entries in across]
            problem = f"{len(across):,} pictures are in {what}, byte for byte: {listed(pairs)}"
            crops = [crop for entries in across[:EXAMPLES] for _, crop in entries]
            findings.append(about("error", f"same picture in {what}", crops, problem, remedy))
    # Training and test people may be numbered apart, so labels are compared within each only.
    sides = [[c for s, c in e if (s == "train") == train] for e in copies for train in (True, False)]
    torn = [crops for crops in sides if len({crop.person for crop in crops}) > 1]
    if torn:
        pairs = [" = ".join(f"{shown(crop.id)} (person {crop.person})" for crop in crops[:3]) for crops in torn]
        crops = [crop for entries in torn[:EXAMPLES] for crop in entries]
        problem = f"{len(torn):,} pictures carry two different persons: {listed(pairs)}"
        findings.append(about("error", "same picture, two persons", crops, problem, "one of the labels is wrong"))
    for side in ("train", "query", "gallery"):
        repeated = [crops for e in copies if len(crops := [crop for split, crop in e if split == side]) > 1]
        if repeated:
            pairs = [" = ".join(shown(crop.id) for crop in crops[:3]) for crops in repeated]
            problem = f"{side}: {len(repeated):,} pictures are there more than once: {listed(pairs)}"
            crops = [crop for crops in repeated[:EXAMPLES] for crop in crops]
            findings.append(about("warning", "repeated picture", crops, problem, "keep one copy of each"))
    return findings
