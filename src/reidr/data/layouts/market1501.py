"""The Market-1501 layout, which most of the field's data sets are also passed around in.

    ROOT/bounding_box_train/0002_c1s1_000451_03.jpg    person, camera, sequence, frame, box
    ROOT/query/…
    ROOT/bounding_box_test/…                           person -1: junk, person 0: distractor

Any of the three folders may be absent. Cameras may have two digits (Market-style copies of MSMT17), and the part after
the camera may be short or missing (`0001_c2_f0046182.jpg`, `0001_c1_3.png`).
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from reidr.core.text import some_of
from reidr.data import captions
from reidr.data.attributes import load_market_attributes
from reidr.data.checks.official_counts import compare, identify, protocol_of
from reidr.data.reading.listing import (
    Listing,
    below_notes,
    left_out_note,
    left_out_notes,
    link_notes,
    list_folder,
    walk,
)
from reidr.data.reading.notes import Note, as_notes
from reidr.data.types import Crop, ReIDDataset, count_crops
from reidr.errors import DataError

FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
LAYOUT = "the Market-1501 layout"  # of a data set that is none of those known
PATTERN = "PERSON_cCAMERA… (0002_c1s1_000451_03.jpg)"
NAME = re.compile(
    r"(?P<person>-1|\d+)_c(?P<camera>\d+)(?:s(?P<sequence>\d+))?(?:_f?(?P<frame>\d+))?(?:[._].*)?\Z", re.ASCII
)
TRAIN_PREFIX = "train:"
PREFIX_NOTE = "training and test people are numbered from 0 each, so training persons are written train:NUMBER"
TREE = """  bounding_box_train/0002_c1s1_000451_03.jpg   (training; each of the three folders may be absent)
  query/0003_c1s1_000151_01.jpg
  bounding_box_test/0003_c4s6_015141_01.jpg    (gallery)"""


def fits_market1501(root: Path) -> bool:
    """Whether `root` holds one of the three folders."""
    return any((root / folder).is_dir() for folder in FOLDERS.values())


def load_market1501(root: Path, name: str | None = None, *, official: str | None = None) -> ReIDDataset:
    """Read a Market-1501 layout; no picture is opened.

    `attributes.csv` and `captions.jsonl` beside the folders are read where present.

    `official` says which data set of `counts.OFFICIAL` this is; None finds out by counts and name.
    Files that are no pictures and names that do not parse are left out and counted in the notes.
    Raises DataError when not a single name parses, showing three of them.
    """
    listings = {split: list_people(root / folder) for split, folder in FOLDERS.items()}
    strange = [note for split, listing in listings.items() for note in listing_notes(FOLDERS[split], listing)]
    names = {split: listing.pictures for split, listing in listings.items()}
    dataset = market1501_from_names(root, names, name, official=official, notes=strange)
    if (root / "attributes.csv").is_file():
        dataset = with_attributes(dataset, root / "attributes.csv")
    if (root / captions.FILE).is_file():
        dataset = captions.with_captions(dataset, root / captions.FILE)
    return dataset


def list_people(folder: Path) -> Listing:
    """List a folder of the layout; where it holds no picture itself, those in its folders (one folder per person)."""
    listing = list_folder(folder)
    if listing.pictures or not listing.folders:
        return listing
    tree = walk(folder)
    return Listing(folder, tree.pictures, tree.left_out, links=tree.links)


def listing_notes(where: str, listing: Listing) -> list[Note]:
    """What one folder of a layout holds beside its pictures: other files, pictures further down, links."""
    notes = left_out_notes(where, listing.left_out, "warning") + below_notes(where, listing)
    return notes if listing.folders else notes + link_notes(where, listing.links)


def market1501_from_names(
    root: Path,
    names: Mapping[str, Sequence[str]],
    name: str | None = None,
    *,
    official: str | None = None,
    notes: Sequence[str] = (),
) -> ReIDDataset:
    """The data set of a listing: `names` by split (train, query, gallery), sorted. Errors as in `load_market1501`.

    Person 0 of the gallery is a distractor, unless a query carries it too: Market-style copies of other data sets
    number their people from 0.
    """
    crops: dict[str, list[Crop]] = {}
    summary = {split: count_crops(()) for split in FOLDERS}
    notes = list(notes)
    failed: list[str] = []
    label = name or root.resolve().name
    prefix = ""
    for split in ("query", "gallery", "train"):
        listed = names.get(split, ())
        zero_is_nobody = split == "gallery" and not any(is_zero(crop.person) for crop in crops["query"])
        if split == "train" and (official or identify(label, summary)) == "msmt17":
            test = {crop.person for crop in (*crops["query"], *crops["gallery"])}
            if any(crop.person in test for crop in parse_names(root, FOLDERS[split], listed[:1000])[0]):
                prefix = TRAIN_PREFIX
                notes.append(PREFIX_NOTE)
        with garbage_collection_paused():
            found, unparsed = parse_names(root, FOLDERS[split], listed, zero_is_nobody=zero_is_nobody, prefix=prefix)
        failed += unparsed
        if unparsed:
            notes.append(left_out_note(FOLDERS[split], unparsed, len(listed), PATTERN))
        junk = [crop.id for crop in found if crop.junk]
        if junk and split != "gallery":
            notes.append(junk_note(FOLDERS[split], junk))
            found = [crop for crop in found if not crop.junk]
        crops[split], summary[split] = found, count_crops(found)
    if not any(crops.values()):
        seen = f"; names like {some_of(failed)} do not follow {PATTERN}" if failed else ""
        raise DataError(f"{root}: no crops in {', '.join(FOLDERS.values())}{seen}; expected\n{TREE}")
    known = official or identify(label, summary)
    if known == "msmt17":
        notes.append(market_style_version(root))
    notes += compare(known, summary) if known else []
    train, query, gallery = (tuple(crops[split]) for split in FOLDERS)
    said = as_notes(("Market-1501 layout", *notes))
    return ReIDDataset(label, root, train, query, gallery, protocol_of(known), said, known or LAYOUT)


def junk_note(where: str, junk: Sequence[str]) -> Note:
    """The sentence for junk where only a gallery may hold it."""
    text = f"{where}: {len(junk):,} junk boxes (person -1) are left out, which only a gallery may hold: {some_of(junk)}"
    return Note(text, "warning", kind="junk in query", remedy="take them out", names=junk)


def parse_names(
    root: Path, folder: str, names: Iterable[str], *, zero_is_nobody: bool = False, prefix: str = ""
) -> tuple[list[Crop], list[str]]:
    """Crops of the names that parse, and the names that do not; `prefix` goes before the persons. Opens no file."""
    crops: list[Crop] = []
    unparsed: list[str] = []
    place = root / folder
    match = NAME.match
    for name in names:
        fields = match(name.rpartition("/")[2])
        if fields is None:
            unparsed.append(name)
            continue
        person, camera, sequence, frame = fields.groups()
        # Some copies write c01 where others write c1: one camera, or its own crops would count as matches.
        camera = camera.lstrip("0") or "0"
        junk = person == "-1"
        crops.append(
            Crop(
                id=f"{folder}/{name}",
                image=place / name,
                person=None if junk or (zero_is_nobody and is_zero(person)) else prefix + person,
                camera=camera,
                sequence=None if sequence is None else f"c{camera}s{sequence}",
                time=None if frame is None else float(frame),
                junk=junk,
            )
        )
    return crops, unparsed


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Nearly halves the time of making 100,000 small objects, none of which can be garbage."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def is_zero(person: str | None) -> bool:
    """Whether the label is person 0, however many digits it is written with."""
    return person is not None and not person.strip("0")


def market_style_version(root: Path) -> str:
    """What can be said of the version of a Market-style copy of MSMT17, from the folder's name."""
    for version in ("V1", "V2"):
        if version.lower() in root.resolve().name.lower():
            return f"MSMT17 {version} by the folder's name (Market-style copy)"
    return (
        "MSMT17, version unknown (Market-style copy): V1 and V2 have the same names and counts, only the faces are "
        "blurred in V2; put V1 or V2 into the folder's name"
    )


def with_attributes(dataset: ReIDDataset, path: Path) -> ReIDDataset:
    """The data set with the attributes of a Market-1501 `attributes.csv`. Raises DataError naming a bad line."""
    table = load_market_attributes(path)

    def described(crops: tuple[Crop, ...]) -> tuple[Crop, ...]:
        return tuple(
            replace(crop, attributes=table[int(crop.person)])
            if crop.person is not None and crop.person.isdecimal() and int(crop.person) in table
            else crop
            for crop in crops
        )

    return replace(
        dataset,
        train=described(dataset.train),
        query=described(dataset.query),
        gallery=described(dataset.gallery),
        notes=(*dataset.notes, Note(f"attributes.csv: appearance of {len(table):,} persons", kind="attributes")),
    )
