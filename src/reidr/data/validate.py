"""`validate`: everything that would break or quietly falsify an evaluation, before any time is spent on it."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reidr.data.load import load_dataset
from reidr.data.market1501 import FOLDERS
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError, ImageError

Severity = Literal["error", "warning", "info"]
EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """One thing found. `message` is a sentence with what is wrong, where, and what to do; `kind` is stable for programs."""

    severity: Severity
    kind: str
    message: str
    examples: tuple[str, ...] = ()


def validate(
    data: str | Path | ReIDDataset, *, pixels: bool = True, advance: Callable[[float], None] | None = None
) -> list[Finding]:
    """Check a data set (a path or a loaded one) and return what was found, errors first.

    With `pixels` every picture is decoded; `advance(1)` is called per picture. Never raises for bad data: a data set
    that cannot even be read is one finding.
    """
    if isinstance(data, ReIDDataset):
        dataset = data
    else:
        try:
            dataset = load_dataset(data)
        except DataError as error:
            return [Finding("error", "unreadable", str(error))]
    findings = [Finding("info", "note", note) for note in dataset.notes]
    findings += check_files_left_out(dataset)
    findings += check_splits(dataset)
    findings += check_identities(dataset)
    findings += check_cameras(dataset)
    findings += check_labels(dataset)
    if pixels:
        findings += check_pictures(dataset, advance)
    for split, counts in dataset.summary().items():
        if counts["images"]:
            text = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
            findings.append(Finding("info", "counts", f"{split}: {text}"))
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted(findings, key=lambda finding: order[finding.severity])


def some(values: Iterable[str]) -> tuple[str, ...]:
    """The first few of `values`, sorted."""
    return tuple(sorted(set(values))[:EXAMPLES])


def listed(values: Iterable[str]) -> str:
    """The first few of `values` as text, with the number of the rest."""
    values = sorted(set(values))
    rest = f" and {len(values) - EXAMPLES} more" if len(values) > EXAMPLES else ""
    return ", ".join(values[:EXAMPLES]) + rest


def check_files_left_out(dataset: ReIDDataset) -> list[Finding]:
    """Files in the layout's folders that are no pictures, by their ending, or whose names do not parse."""
    if dataset.root is None or not any((dataset.root / folder).is_dir() for folder in FOLDERS.values()):
        return []
    used = {crop.id for split in (dataset.train, dataset.query, dataset.gallery) for crop in split}
    findings = []
    for folder in FOLDERS.values():
        if not (dataset.root / folder).is_dir():
            continue
        files = [p for p in (dataset.root / folder).iterdir() if p.is_file() and p.name not in ("Thumbs.db", ".DS_Store")]
        unused = [path.name for path in files if f"{folder}/{path.name}" not in used]
        if unused:
            message = (
                f"{folder}: {len(unused)} files are not used, because they are no pictures or their names do not follow "
                f"0002_c1s1_000451_03.jpg (person, camera, …): {listed(unused)}; rename them or write a manifest"
            )
            findings.append(Finding("warning", "files left out", message, some(unused)))
    return findings


def check_splits(dataset: ReIDDataset) -> list[Finding]:
    """Empty splits, and ids or files that two splits share."""
    findings = []
    if bool(dataset.query) != bool(dataset.gallery):
        empty, full = ("gallery", "query") if dataset.query else ("query", "gallery")
        message = f"{empty} is empty while {full} has {len(getattr(dataset, full))} crops; an evaluation needs both"
        findings.append(Finding("error", "empty split", message))
    if not dataset.query and not dataset.gallery and not dataset.train:
        findings.append(Finding("error", "empty split", "no split has a single crop"))
    test = {crop.person for crop in (*dataset.query, *dataset.gallery) if crop.person is not None}
    both = {crop.person for crop in dataset.train if crop.person is not None} & test
    if both:
        message = (
            f"{len(both)} persons are in training and in test: {listed(map(str, both))}; results would be too good, "
            "give training and test different people (or different labels)"
        )
        findings.append(Finding("error", "train and test overlap", message, some(map(str, both))))
    return findings


def check_identities(dataset: ReIDDataset) -> list[Finding]:
    """Queries that cannot be answered: nobody of that label in the gallery, or only in the query's own camera."""
    if not dataset.query or not dataset.gallery:
        return []
    findings = []
    cameras: dict[str, set[str | None]] = defaultdict(set)
    for crop in dataset.gallery:
        if crop.person is not None:
            cameras[crop.person].add(crop.camera)
    people = {str(crop.person) for crop in dataset.query}
    absent = {person for person in people if person not in cameras}
    if absent == people:
        hint = label_hint(people, set(cameras))
        message = (
            f"all query identities do not appear in gallery: query has {listed(people)}, gallery has {listed(cameras)}{hint}"
        )
        return [Finding("error", "no query identity in gallery", message, some(people))]
    if absent:
        message = (
            f"{len(absent)} of {len(people)} query persons are not in the gallery: {listed(absent)}; "
            "their queries are left out of mAP and Rank-k (in an open-set evaluation they are non-mated searches)"
        )
        findings.append(Finding("warning", "query persons not in gallery", message, some(absent)))
    stuck = [
        crop
        for crop in dataset.query
        if crop.person in cameras and crop.camera is not None and cameras[str(crop.person)] == {crop.camera}
    ]
    if stuck:
        whole = len(stuck) == len([crop for crop in dataset.query if crop.person in cameras])
        pairs = [f"{crop.person} in camera {crop.camera}" for crop in stuck]
        message = (
            f"{len(stuck)} of {len(dataset.query)} queries have gallery crops only in their own camera, which the protocol "
            f"ignores: {listed(pairs)}; "
            + ("no query is left, check the camera labels" if whole else "they are left out of the results")
        )
        findings.append(Finding("error" if whole else "warning", "only same camera", message, some(c.id for c in stuck)))
    return findings


def label_hint(query: set[str], gallery: set[str]) -> str:
    """What most likely went wrong when no label is shared: zero padding, or labels counted anew per split."""

    def number(label: str) -> int | None:
        return int(label) if label.lstrip("-").isdigit() else None

    numbers = {number(label) for label in query} - {None}
    others = {number(label) for label in gallery} - {None}
    if numbers & others:
        return "; the numbers agree but are written differently (0002 and 2): write them the same way"
    if {label.lower().strip() for label in query} & {label.lower().strip() for label in gallery}:
        return "; they differ only in upper and lower case: write them the same way"
    if numbers and others and len(numbers) == len(numbers | others) - len(others):
        return "; were the labels counted anew in one of the splits? Both must use the same label for the same person"
    return "; both must use the same label for the same person"


def check_cameras(dataset: ReIDDataset) -> list[Finding]:
    """Missing camera labels, and data sets of a single camera."""
    findings = []
    for split in ("query", "gallery"):
        crops: Sequence[Crop] = getattr(dataset, split)
        without = [crop.id for crop in crops if crop.camera is None and not crop.junk]
        if without and any(crop.camera is not None for crop in crops):
            message = (
                f"{split}: {len(without)} of {len(crops)} crops have no camera: {listed(without)}; for them the "
                "same-camera rule cannot be applied"
            )
            findings.append(Finding("warning", "camera missing", message, some(without)))
    test = [crop for crop in (*dataset.query, *dataset.gallery) if not crop.junk]
    if test and all(crop.camera is None for crop in test):
        message = "no crop has a camera: the same-camera rule cannot be applied, results are not comparable to papers"
        findings.append(Finding("warning", "camera missing", message))
    names = {crop.camera for crop in test if crop.camera is not None}
    if len(names) == 1 and dataset.query:
        message = (
            f"all query and gallery crops are of camera {names.pop()}: the protocol ignores matches within a camera, so no "
            "query can be answered; label the cameras, or leave the camera empty to search within one"
        )
        findings.append(Finding("error", "one camera", message))
    return findings


def check_labels(dataset: ReIDDataset) -> list[Finding]:
    """One person written in two ways, within all splits."""
    spellings: dict[str, set[str]] = defaultdict(set)
    for crop in (*dataset.train, *dataset.query, *dataset.gallery):
        if crop.person is not None:
            plain = crop.person.strip().lower()
            spellings[str(int(plain)) if plain.isdigit() else plain].add(crop.person)
    mixed = [" and ".join(sorted(ways)) for ways in spellings.values() if len(ways) > 1]
    if not mixed:
        return []
    message = f"{len(mixed)} persons are written in two ways: {listed(mixed)}; they count as different people"
    return [Finding("error", "label spelling", message, some(mixed))]


def check_pictures(dataset: ReIDDataset, advance: Callable[[float], None] | None = None) -> list[Finding]:
    """Decode every picture; find unusable ones and the same bytes in two places."""
    findings = []
    bad: dict[str, str] = {}
    digests: dict[bytes, list[tuple[str, Crop]]] = defaultdict(list)
    for split in ("train", "query", "gallery"):
        for crop in getattr(dataset, split):
            try:
                crop.open()
                if isinstance(crop.image, Path):
                    digests[hashlib.sha256(crop.image.read_bytes()).digest()].append((split, crop))
            except (ImageError, OSError) as error:
                bad[crop.id] = str(error)
            if advance is not None:
                advance(1)
    findings += [Finding("error", "unusable picture", sentence, (crop_id,)) for crop_id, sentence in sorted(bad.items())]
    copies = [entries for entries in digests.values() if len(entries) > 1]
    across = [e for e in copies if len({split for split, _ in e}) > 1]
    if across:
        pairs = [" = ".join(crop.id for _, crop in entries) for entries in across]
        message = (
            f"{len(across)} pictures are in two splits byte for byte: {listed(pairs)}; a query that is its own gallery "
            "picture is found without any re-identification"
        )
        findings.append(Finding("error", "same picture in two splits", message, some(pairs)))
    torn = [e for e in copies if len({crop.person for _, crop in e}) > 1]
    if torn:
        pairs = [" = ".join(crop.id for _, crop in entries) for entries in torn]
        message = f"{len(torn)} pictures carry two different persons: {listed(pairs)}; one of the labels is wrong"
        findings.append(Finding("error", "same picture, two persons", message, some(pairs)))
    within = Counter(entries[0][0] for entries in copies if entries not in across)
    for split, number in sorted(within.items()):
        findings.append(Finding("warning", "repeated picture", f"{split}: {number} pictures are there more than once"))
    return findings
