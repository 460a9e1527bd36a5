"""Checks on files: names, missing and unusable pictures, the same picture in two places."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from reidr.data.finding import EXAMPLES, Finding, about, examples, listed
from reidr.data.listing import BELOW, CLUTTER, Listing, is_picture_name, is_text, list_folder, pictures_below, shown
from reidr.data.market1501 import FOLDERS, NAME, PATTERN
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import ImageError

SENTENCES = 20
Placed = tuple[str, Crop]


def placed_crops(dataset: ReIDDataset) -> Iterator[Placed]:
    """(split, crop) of all crops."""
    for split in ("train", "query", "gallery"):
        for crop in getattr(dataset, split):
            yield split, crop


def check_names(dataset: ReIDDataset) -> list[Finding]:
    """Files beside the crops that are not used, and names that only some systems can tell apart."""
    findings = []
    used = {os.fspath(crop.image) for _, crop in placed_crops(dataset) if isinstance(crop.image, Path)}
    folders = {path.rpartition(os.sep)[0]: "" for path in used}
    if dataset.root is not None:
        folders |= {os.fspath(dataset.root / folder): folder for folder in FOLDERS.values()}
    beside: list[str] = []
    for folder, market in sorted(folders.items()):
        names = unused_files(folder, used)
        if market:
            findings += market_names(market, names)
            findings += market_folders(market, list_folder(Path(folder)))
        else:
            beside += names
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


def market_names(folder: str, names: list[str]) -> list[Finding]:
    """What the unused files of a folder in the Market-1501 layout are."""
    strange = [name for name in names if not is_text(name)]
    pictures = [name for name in names if is_picture_name(name)]
    others = [name for name in names if is_text(name) and not is_picture_name(name)]
    junk = [name for name in pictures if (facts := NAME.match(name)) is not None and facts["person"] == "-1"]
    unparsed = [name for name in pictures if NAME.match(name) is None]
    rename = "rename them, or write a manifest"
    found: list[tuple[str, list[str], str, str]] = [
        ("names not understood", unparsed, f"pictures are named otherwise than {PATTERN}", rename),
        ("not a picture", others, "files are no pictures by their ending", "take them out if they belong elsewhere"),
        ("name is no text", strange, "names are not UTF-8 text", "rename them"),
        ("junk in query", junk, "crops are junk (person -1), which only a gallery may hold", "take them out"),
    ]
    return [
        Finding(
            "warning",
            kind,
            f"{folder}: {len(files):,} {what} and are left out: {listed(files)}",
            remedy,
            files=examples(f"{folder}/{name}" for name in files),
        )
        for kind, files, what, remedy in found
        if files
    ]


def market_folders(folder: str, listing: Listing) -> list[Finding]:
    """Pictures that are left out of a folder in the Market-1501 layout because they lie deeper than others."""
    below = pictures_below(listing)
    if not below:
        return []
    problem = f"{folder}: {len(below):,} {BELOW} and are left out: {listed(below)}"
    remedy = "put all of them beside each other, or all into folders"
    return [Finding("warning", "pictures in folders", problem, remedy, files=examples(f"{folder}/{n}" for n in below))]


def check_pictures(dataset: ReIDDataset, advance: Callable[[float], None], *, pixels: bool) -> list[Finding]:
    """Missing and empty files; with `pixels` every picture is decoded. Calls `advance(1)` for each crop."""
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
        findings.append(about("error", "missing file", missing, problem, "copy them again, or take their rows out"))
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
