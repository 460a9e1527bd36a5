"""What LTCC and VC-Clothes share: three folders of files whose names carry person, camera and outfit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from reidr.core.text import some_of
from reidr.data.checks.official_counts import compare, protocol_of
from reidr.data.layouts.market1501 import garbage_collection_paused, listing_notes
from reidr.data.reading.listing import left_out_note, list_folder
from reidr.data.reading.notes import as_notes
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError


@dataclass(frozen=True)
class NamedFolders:
    """A layout of three folders of named files.

    Attributes:
        key: the official data set's name in `official_counts`. folders: by split the folder's name.
        pattern: of a file's name, with the groups person, camera and outfit. example: such a name, for messages.
    """

    key: str
    folders: Mapping[str, str]
    pattern: re.Pattern[str]
    example: str


def names_fit(root: Path, layout: NamedFolders) -> bool:
    """Whether one of the folders holds a picture named by `pattern`: `query` alone is common to many layouts."""
    for folder in layout.folders.values():
        if any(layout.pattern.match(name) for name in islice(list_folder(root / folder).pictures, 20)):
            return True
    return False


def load_named_folders(root: Path, layout: NamedFolders, name: str | None) -> ReIDDataset:
    """Read three folders. Raises DataError when no name parses."""
    folders = layout.folders
    listings = {split: list_folder(root / folder) for split, folder in folders.items()}
    names = {split: listing.pictures for split, listing in listings.items()}
    notes = [note for split, listing in listings.items() for note in listing_notes(folders[split], listing)]
    return named_folders_from_names(root, layout, names, name, notes)


def named_folders_from_names(
    root: Path,
    layout: NamedFolders,
    names: Mapping[str, Sequence[str]],
    name: str | None = None,
    notes: Sequence[str] = (),
) -> ReIDDataset:
    """The data set of a listing: names by split, sorted. Raises DataError when no name parses."""
    splits: dict[str, tuple[Crop, ...]] = {}
    key, example = layout.key, layout.example
    notes = [f"{key} layout", *notes]
    failed: list[str] = []
    for split, folder in layout.folders.items():
        crops, unparsed = [], []
        place = root / folder
        with garbage_collection_paused():
            for file in names.get(split, ()):
                match = layout.pattern.match(file)
                if match is None:
                    unparsed.append(file)
                    continue
                crops.append(
                    Crop(
                        id=f"{folder}/{file}",
                        image=place / file,
                        person=match["person"],
                        camera=str(int(match["camera"])),
                        outfit=match["outfit"],
                    )
                )
        if unparsed:
            notes.append(left_out_note(folder, unparsed, len(names[split]), example))
        failed += unparsed
        splits[split] = tuple(crops)
    if not any(splits.values()):
        raise DataError(f"{root}: no crops named like {example}{' but ' + some_of(failed) if failed else ''}")
    train, query, gallery = (splits[split] for split in ("train", "query", "gallery"))
    dataset = ReIDDataset(name or key, root, train, query, gallery, protocol_of(key), kind=key)
    return replace(dataset, notes=as_notes((*notes, *compare(key, dataset.summary()))))
