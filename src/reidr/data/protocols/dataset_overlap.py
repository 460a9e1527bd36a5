"""Which data sets show the same people, whatever they are called: what every guard against known people asks.

A data set is recognised by what it is: its name and its folder's (`Market-1501-v15.09.15`, `market1501-dev`;
letters and digits alone are compared, the field's data sets are known by their words), what its loader recognised, its
counts, and the names of its files. File names alone say "perhaps": other data are named in Market-1501's way too.
"""

from __future__ import annotations

import filecmp
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from reidr.data.checks.official_counts import TITLES, identify
from reidr.data.protocols.table import Protocol
from reidr.data.reading.listing import identity
from reidr.data.reading.notes import Note
from reidr.data.sketch import TrainingData, resembles
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

Relation = Literal["same", "perhaps", "other"]
STREET = "rendered street"
TRAIN = "train"  # MSMT17's loaders write its training people so, since training and test are numbered from 0 each

WORDS: dict[str, tuple[str, ...]] = {
    "Market-1501": ("market1501",),
    "MSMT17": ("msmt",),
    # Occluded-Duke and P-DukeMTMC are lists over DukeMTMC's pictures.
    "DukeMTMC": ("duke",),
    "CUHK01": ("cuhk01",),
    "CUHK02": ("cuhk02",),
    "CUHK03": ("cuhk03",),
    "CUHK-SYSU": ("cuhksysu",),
    "PRCC": ("prcc",),
    "LTCC": ("ltcc",),
    "VC-Clothes": ("vcclothes",),
    "Celeb-reID": ("celebreid",),
    "DeepChange": ("deepchange",),
    "CCVID": ("ccvid",),
    "Occluded-REID": ("occludedreid",),
    "Partial-REID": ("partialreid",),
    "i-LIDS": ("ilids",),  # Partial-iLIDS too
    "VIPeR": ("viper",),
    "PRID": ("prid2011", "prid450"),
    "LUPerson": ("luperson",),
    "PersonX": ("personx",),
    "RandPerson": ("randperson",),
    "VeRi": ("veri776",),
}
"""The field's data sets, by words that stand in no other name."""
WHOLE = {"market": "Market-1501", "mars": "Market-1501", "grid": "GRID", "last": "LaST", "veri": "VeRi"}
"""Names too short to be looked for inside others. MARS extends Market-1501: the same campus and cameras."""
KNOWN = frozenset({*WORDS, *WHOLE.values()})
PATTERNS: dict[str, re.Pattern[str]] = {
    family: re.compile(pattern, re.ASCII)
    for family, pattern in {
        # 1,501 people at most, 6 cameras.
        "Market-1501": r"(?:-1|0\d{3}|1[0-4]\d\d|150[01])(?:_c[1-6]s[1-6]_\d{6}_\d{2}|C[1-6]T\d{4}F\d{3})\.",
        "DukeMTMC": r"\d{4}_c[1-8]_f\d{7}\.",
        "MSMT17": r"\d{4}_\d{3}_\d{2}_\d{4}(?:morning|noon|afternoon)_\d{4}_\d",
        "PRCC": r"[ABC]_cropped_rgb\d+\.",
        "LTCC": r"\d{3}_\d{1,2}_c\d{1,2}_\d{6}\.",
        "VC-Clothes": r"\d{4}-\d{2}-\d{2}-\d{2}\.",
        # Also as it is passed around in Market-1501's way: two cameras.
        "CUHK03": r"(?:\d{4}_c[12]s\d+_\d{6}_\d{2}|\d{4}_c[12]_\d{1,2}|\d_\d{3}_[12]_\d{2})\.",
        "VeRi": r"\d{4}_c0\d{2}_\d{8}_\d\.",
    }.items()
}
NUMBERED = re.compile(r"(\d+)(?:_c\d|C\dT\d|_\d+_c\d|-\d+-\d+-|_\d{3}_\d{2}_)", re.ASCII)


def families_of(name: str) -> frozenset[str]:
    """The data sets that a name or a path speaks of: the field's where it names any, else the name as it is.

    Of a path the last folder that names one counts (`cuhk03-np/detected`), else its last folder. What follows a comma
    is a remark (`mine, held-out training identities`).
    """
    parts = [normalised(part.split(",")[0]) for part in name.replace("\\", "/").split("/")]
    parts = [part for part in parts if part]
    for part in reversed(parts):
        found = {family for family, words in WORDS.items() if any(word in part for word in words)}
        if part in WHOLE:
            found.add(WHOLE[part])
        if found:
            return frozenset(found)
    return frozenset(parts[-1:])


def normalised(name: str) -> str:
    """Letters and digits in lower case."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def families_of_dataset(dataset: ReIDDataset) -> frozenset[str]:
    """The data sets that this one surely is (a part of), by name, folder, layout and counts; else its own name."""
    found = families_of(dataset.name)
    street = street_of(dataset)
    if street is not None:
        return found | {street}
    if dataset.kind in TITLES:
        found |= families_of(TITLES[dataset.kind])
    if dataset.root is not None:
        found |= families_of(dataset.root.resolve().name) & KNOWN
    counted = identify("", dataset.summary())
    if counted is not None:
        found |= families_of(TITLES[counted])
    return found & KNOWN or found


def street_of(dataset: ReIDDataset) -> str | None:
    """What identifies a rendered street, whatever its folder is called; None for other data."""
    file = None if dataset.root is None else dataset.root / "street.json"
    if file is None or not file.is_file():
        return None
    return f"{STREET} {hashlib.sha256(file.read_bytes()).hexdigest()[:16]}"


def families_of_words(name: str) -> frozenset[str]:
    """The data sets that a name may speak of by a word that is too short to be sure (`market-subset`)."""
    words = re.split(r"[^a-z0-9]+", name.replace("\\", "/").rstrip("/").rpartition("/")[2].casefold())
    return frozenset(WHOLE[word] for word in words if word in WHOLE)


def families_of_names(dataset: ReIDDataset) -> frozenset[str]:
    """The data sets that this one may be by the names of its files, where most follow a data set's own pattern."""
    if street_of(dataset) is not None:
        return frozenset()  # our own drawn people, named in Market-1501's way
    crops = (*dataset.train, *dataset.query, *dataset.gallery)
    some = crops[:: max(1, len(crops) // 1000)]
    names = [crop.id.rpartition("/")[2] for crop in some]
    return frozenset(
        family
        for family, pattern in PATTERNS.items()
        if names and sum(pattern.match(name) is not None for name in names) > len(names) / 2
    )


def same_family(first: ReIDDataset | str, second: ReIDDataset | str) -> Relation:
    """Whether two data sets (or a name or path of one) are, may be, or are not the same people's pictures.

    A model's training data may carry a sketch of their pictures (`reidr.data.sketch`), which finds a renamed folder.
    "perhaps" is said where file names alone speak for it, and only of a data set that nothing else identifies.
    """
    for one, other in ((first, second), (second, first)):
        if isinstance(one, TrainingData) and isinstance(other, ReIDDataset) and resembles(one.pictures, other):
            return "same"
    sure = [families_of(each) if isinstance(each, str) else families_of_dataset(each) for each in (first, second)]
    if sure[0] & sure[1]:
        return "same"
    maybe = [own if own & KNOWN else own | hinted(each) for each, own in zip((first, second), sure, strict=True)]
    return "perhaps" if maybe[0] & maybe[1] else "other"


def hinted(data: ReIDDataset | str) -> frozenset[str]:
    """The data sets that a name's short words, and the names of the files, speak for."""
    if isinstance(data, str):
        return families_of_words(data)
    return families_of_words(data.name) | families_of_names(data)


def person_number(crop: Crop, label: str | None = None) -> str | None:
    """What a person is called within a family, however a data set spells it: `0002`, `2` and `train:0002` apart.

    A label's number counts without leading zeros; where the label is none of a file name's numbers, the name's own
    person counts, since a manifest made of a data set's files may call its people anything.
    """
    label = crop.person if label is None else label
    if label is None:
        return None
    prefix, _, number = label.rpartition(":")
    prefix = f"{prefix}:" if prefix == TRAIN else ""
    if number.isdecimal():
        return prefix + (number.lstrip("0") or "0")
    match = NUMBERED.match(crop.id.rpartition("/")[2])
    return number.casefold() if match is None else match[1].lstrip("0") or "0"


def overlapping_people(first: ReIDDataset, second: ReIDDataset) -> frozenset[str]:
    """The persons of `first`, as it labels them, whom `second` shows too; empty where the two are of other families.

    People are identified by their number within the family, whatever split they are in. Whatever the families, people
    of whom both hold the very same picture file are found as well.
    """
    mine, others = (
        [crop for crop in (*each.train, *each.query, *each.gallery) if crop.person is not None]
        for each in (first, second)
    )
    files = {file_of(crop) for crop in others} - {None}
    found = {str(crop.person) for crop in mine if file_of(crop) in files}
    relation = same_family(first, second)
    if relation == "same":
        there = {person_number(crop) for crop in others}
        found |= {str(crop.person) for crop in mine if person_number(crop) in there}
    elif relation == "perhaps":
        # Two data sets named in one way number their people alike: only the same picture of the same name counts.
        named = {crop.id.rpartition("/")[2]: crop for crop in others}
        for crop in mine:
            twin = named.get(crop.id.rpartition("/")[2])
            if twin is not None and crop.person not in found and is_copy(crop, twin):
                found.add(str(crop.person))
    return frozenset(found)


def is_copy(first: Crop, second: Crop) -> bool:
    """Whether both are files of the same bytes."""
    if not isinstance(first.image, Path) or not isinstance(second.image, Path):
        return False
    try:
        return filecmp.cmp(first.image, second.image, shallow=False)
    except OSError:
        return False  # a file that cannot be read shows nobody


def file_of(crop: Crop) -> tuple[int, int] | None:
    """What identifies the crop's file; None for a picture in memory and for a file that is not there."""
    try:
        return identity(crop.image) if isinstance(crop.image, Path) else None
    except (OSError, ValueError):
        return None


def check_unseen(protocol: Protocol, dataset: ReIDDataset, models: Mapping[str, Sequence[str]]) -> None:
    """Raise DataError where a cross-domain protocol meets a model trained on (a part of) the same data set.

    `models` gives for each model's name the names or folders of its training data, as far as they are known: nobody
    knows what a checkpoint from a hub or a server has seen. Where file names alone speak for it, `seen_notes` warns.
    """
    if not protocol.unseen:
        return
    for model, trained_on in models.items():
        for name in trained_on:
            if same_family(dataset, name) == "same":
                raise DataError(
                    f"protocol {protocol.name} needs models that have not seen {dataset.name}, but {model} was trained "
                    f"on {name}; use protocol standard, or another model"
                )


def seen_notes(dataset: ReIDDataset, models: Mapping[str, Sequence[str]]) -> tuple[Note, ...]:
    """Warnings of queries that may show people whom a model was trained on; `models` as in `check_unseen`.

    Of a data set that was recognised nothing is said: its test people are others than its training people. A manifest,
    or files that merely look like a data set's, may be any of its people. A search of held-out people (without a
    folder) was made of people whom the models do not know.
    """
    if dataset.root is None or dataset.kind in TITLES:
        return ()
    people = {crop.person for crop in dataset.query if crop.person is not None}
    notes = []
    for model, trained_on in models.items():
        related = {name: relation for name in trained_on if (relation := same_family(dataset, name)) != "other"}
        if related and people:
            name, relation = next(iter(related.items()))
            why = "is of the same data set" if relation == "same" else "has files named in the same way"
            text = (
                f"{len(people):,} query persons may be people whom {model} was trained on: {dataset.name} {why} as "
                f"{name}; if they are, the results are too good"
            )
            remedy = "use --held-out, or the data set's own test people"
            notes.append(Note(text, "warning", kind="people seen in training", remedy=remedy, count=len(people)))
    return tuple(notes)
