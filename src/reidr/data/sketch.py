"""A sketch of a data set's pictures: a model that keeps it knows its training data again under another name.

It holds the smallest hashes of the pictures' file names and sizes (bottom-k sampling, Cohen and Kaplan 2007), which say
nothing of anybody's looks. A copy, a subset and a larger edition of the data share them; other data do not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path

from reidr.data.types import Crop, ReIDDataset

SIZE = 512  # hashes: of a subset of one in a hundred pictures, five are among them on average
FEWEST = 3  # common pictures, by which data sets are known again
SHARE = 0.2  # and of the hashes that would be there if one were part of the other


class TrainingData(str):
    """The name (or folder) of a model's training data, with the sketch of its pictures where the model keeps one."""

    pictures: frozenset[str]

    def __new__(cls, name: str, pictures: Iterable[str] = ()) -> TrainingData:
        self = super().__new__(cls, name)
        self.pictures = frozenset(pictures)
        return self


def sketch_of(dataset: ReIDDataset) -> tuple[str, ...]:
    """The `SIZE` smallest hashes of all pictures of a data set, ascending; fewer where it has fewer files."""
    return tuple(sorted(hashes_of((*dataset.train, *dataset.query, *dataset.gallery)))[:SIZE])


def hashes_of(crops: Iterable[Crop]) -> set[str]:
    """A hash of each picture's file name and size; pictures in memory and files that are not there have none."""
    found = set()
    for crop in crops:
        if not isinstance(crop.image, Path):
            continue
        try:
            size = crop.image.stat().st_size
        except OSError:
            continue
        name = crop.image.name.encode("utf-8", "surrogateescape")
        found.add(hashlib.sha256(name + f"/{size}".encode()).hexdigest()[:16])
    return found


def resembles(sketch: Collection[str], dataset: ReIDDataset) -> bool:
    """Whether a data set holds, or is held by, the one that the sketch was made of, in good part."""
    if not sketch:
        return False
    own = hashes_of((*dataset.train, *dataset.query, *dataset.gallery))
    highest = max(sketch) if len(sketch) >= SIZE else "g"  # a whole small data set: any hash might be in it
    comparable = {each for each in own if each <= highest}
    common = comparable & set(sketch)
    return len(common) >= FEWEST and len(common) >= SHARE * min(len(comparable), len(sketch))
