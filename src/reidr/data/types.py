"""What everything passes around: a `Crop` (one picture of one person) and a `ReIDDataset` (three lists of them)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from PIL import Image

from reidr.data.pictures.images import read_picture
from reidr.data.reading.labels import check_code_label
from reidr.data.reading.notes import Note, as_notes
from reidr.errors import DataError

LABELS = ("person", "camera", "outfit", "sequence", "track")


def no_attributes() -> Mapping[str, str]:
    """An empty, unchangeable mapping."""
    return MappingProxyType({})


@dataclass(frozen=True)
class Crop:
    """One person crop: where its pixels are and what is known of it.

    Attributes:
        id: unique within a data set; for files the path relative to the data set's root, with `/`.
        image: a file, or a picture already in memory.
        person: identity label, or None where the person is unknown (a crop to be searched, or a distractor
            of the gallery, which by definition matches no query).
        camera: camera label, or None where unknown. Labels are compared, never computed with.
        outfit: clothing label within the person (`"2"` = the person's second outfit), for clothes-changing protocols.
        sequence: recording label.
        time: seconds or frame number, whichever the source has; only its order is used.
        junk: True for detections that every protocol leaves out of the ranking (Market-1501's person -1).
        attributes: known attributes of the appearance by name (rendered street, annotation files); never predictions.
        track: label of the tracklet: pictures of one person that one camera took one after the other.

    Labels are read by the rule of `reidr.data.reading.labels`: `"1.0"` is `"1"`; a number or a word like "nan" is
    refused here.
    """

    id: str
    image: Path | Image.Image = field(compare=False, repr=False)
    person: str | None = None
    camera: str | None = None
    outfit: str | None = None
    sequence: str | None = None
    time: float | None = None
    junk: bool = False
    attributes: Mapping[str, str] = field(default_factory=no_attributes, compare=False, repr=False)
    track: str | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise DataError("a crop needs a non-empty id")
        for name in LABELS:
            value = getattr(self, name)
            if value is None:
                continue
            try:
                label = check_code_label(value)
            except DataError as error:
                raise DataError(f"crop {self.id}: {name} {error}") from None
            if label != value:
                object.__setattr__(self, name, label)  # the way into a frozen dataclass; nobody has seen it yet
        if self.junk and self.person is not None:
            raise DataError(f"crop {self.id}: junk crops carry no person, but this one says {self.person!r}")

    def open(self) -> Image.Image:
        """The picture as RGB. Raises ImageError with one sentence when it cannot be used."""
        return read_picture(self.image, f"crop {self.id}")


@dataclass(frozen=True)
class Caption:
    """What somebody wrote about a training person (`reidr.data.captions`).

    Attributes:
        person: label of the person. sentences: one or more descriptions, as they were written.
        images: ids of the crops that are described; empty where it is not known which of the person's crops they are.
    """

    person: str
    sentences: tuple[str, ...]
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReIDDataset:
    """A re-identification data set: training crops, queries and gallery, ids unique within each list.

    `protocol` names the evaluation rule that fits the data set (a key of `reidr.data.protocols.trial`).
    `notes` are sentences about what was found when it was read (layout, version, what was left out and why), each with
    its grade and a count (`Note`); plain sentences given here become information. `kind` is what it was read as: a data
    set of `reidr.data.checks.official_counts` where it was recognised, else the layout; None for a manifest and for
    data made in code, which may be of any data set. `captions` are sentences about training persons.
    """

    name: str
    root: Path | None
    train: tuple[Crop, ...] = ()
    query: tuple[Crop, ...] = ()
    gallery: tuple[Crop, ...] = ()
    protocol: str = "standard"
    notes: tuple[Note, ...] = ()
    kind: str | None = None
    captions: tuple[Caption, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", as_notes(self.notes))
        for split in ("train", "query", "gallery"):
            repeated = [i for i, n in Counter(c.id for c in getattr(self, split)).items() if n > 1]
            if repeated:
                raise DataError(f"{self.name}: {split} lists {repeated[0]!r} twice; give every crop an id of its own")

    def summary(self) -> dict[str, dict[str, int]]:
        """Per split: images, persons, cameras, distractors, junk."""
        return {split: count_crops(getattr(self, split)) for split in ("train", "query", "gallery")}


def count_crops(crops: Iterable[Crop]) -> dict[str, int]:
    """Counts of images, persons, cameras, distractors (unknown person, not junk) and junk in `crops`."""
    crops = tuple(crops)
    return {
        "images": len(crops),
        "persons": len({c.person for c in crops if c.person is not None}),
        "cameras": len({c.camera for c in crops if c.camera is not None}),
        "distractors": sum(c.person is None and not c.junk for c in crops),
        "junk": sum(c.junk for c in crops),
    }
