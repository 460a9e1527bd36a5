"""What is searched: folders, manifests, files, pictures in memory or crops, made one list of crops."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reidr.core.text import some_of
from reidr.data.manifest import load_manifest
from reidr.data.pictures.images import PictureSource, read_picture
from reidr.data.pictures.regular_files import check_name
from reidr.data.reading.folder import crop_of_file, list_crops
from reidr.data.reading.listing import is_picture_name, link_notes
from reidr.data.reading.notes import as_notes
from reidr.data.reading.path_pattern import PathPattern
from reidr.data.types import Crop
from reidr.errors import DataError, ImageError
from reidr.search.query.left_out import JUNK, UNREADABLE, LeftOut, left_out_of, merged
from reidr.search.query.query import Names, is_in_memory

Searchable = str | os.PathLike[str] | Iterable[PictureSource | Crop]
"""A folder, a manifest, or a list of folders, manifests and pictures."""
MANIFESTS = (".csv", ".jsonl")
ACCEPTED = (
    "a folder, a manifest (.csv or .jsonl), or a list of folders, manifests, picture files, Pillow images, arrays or "
    "crops"
)


@dataclass(frozen=True)
class Collected:
    """The crops to search.

    Attributes:
        crops: with ids that are unique. name: what they are called together.
        times: date and time for reading, by crop id, where a pattern found them; such times count seconds.
        followed: how many paths follow the pattern.
        left_out: by reason. problems: a sentence for each picture in memory that cannot be used. notes: what a reader
            should know of how the list was made.
    """

    crops: tuple[Crop, ...]
    name: str
    times: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    followed: int = 0


def collect(gallery: Searchable, pattern: str | None = None) -> Collected:
    """`gallery` as a list of crops; no file is opened but manifests.

    Args:
        gallery: see `ACCEPTED`. pattern: camera and time of files in folders (`data.path_pattern`).

    Raises:
        DataError: a folder or manifest that is not there or holds no picture, a pattern that no path follows, or
            something that is none of the above, by its type.
    """
    template = None if pattern is None else PathPattern(pattern)
    roots = [gallery] if isinstance(gallery, str | os.PathLike) else gallery
    if isinstance(roots, Crop | Mapping) or is_in_memory(roots) or not isinstance(roots, Iterable):
        raise DataError(f"the gallery is of type {type(gallery).__name__}; give {ACCEPTED}")
    roots = list(roots)
    if isinstance(gallery, str | os.PathLike):
        check_place(Path(gallery))
    parts = [part_of(root, place, len(roots) > 1, template) for place, root in enumerate(roots)]
    if not parts:
        raise DataError(f"the gallery is an empty list; give {ACCEPTED}")
    if template is not None and not any(part.followed for part in parts):
        raise DataError(f"pattern {pattern!r}: no path in {named(roots)} follows it, for example {example(parts)}")
    return joined(parts, named(roots), several=len(roots) > 1)


def part_of(root: Any, place: int, several: bool, template: PathPattern | None) -> Collected:
    """One folder, manifest, file, picture or crop."""
    if isinstance(root, Crop):
        image: Any = root.image
        if is_in_memory(image):
            return in_memory(image, root)
        return Collected((replace(root, image=Path(image)),), root.id)
    if is_in_memory(root):
        return in_memory(root, Crop(f"gallery[{place}]", Path()))
    if not isinstance(root, str | os.PathLike):
        raise DataError(f"gallery[{place}] is of type {type(root).__name__}; give {ACCEPTED}")
    path, prefix = Path(root), f"{Path(root).as_posix()}/" if several else ""
    check_name(path)
    if is_manifest(path):
        return of_manifest(path, f"{path.parent.as_posix()}/" if several else "")
    if path.is_dir():
        return of_folder(path, prefix, template)
    if not path.exists() and not is_picture_name(path.name):
        raise DataError(f"{path}: no such folder, manifest or picture")
    return Collected((crop_of_file(path, path.as_posix()),), path.as_posix())


def in_memory(picture: Any, crop: Crop) -> Collected:
    """A picture in memory, decoded now: one that turns out to be truncated later would end the search."""
    try:
        return Collected((replace(crop, image=read_picture(picture, crop.id)),), crop.id)
    except ImageError as error:
        return Collected((), crop.id, left_out=(LeftOut(UNREADABLE, (crop.id,)),), problems=(str(error),))


def of_folder(folder: Path, prefix: str, template: PathPattern | None) -> Collected:
    """A folder and all below it; ids are paths relative to it, behind `prefix`."""
    listing = list_crops(folder)
    crops, times, strange = [], {}, []
    for found in listing.crops:
        path, crop = found.id, replace(found, id=prefix + found.id)
        if template is not None:
            facts = template.read(path)
            if facts is None:
                strange.append(path)
            else:
                person = None if crop.junk else facts.person or crop.person
                crop = replace(crop, camera=facts.camera or crop.camera, person=person, track=facts.track or crop.track)
                crop = crop if facts.time is None else replace(crop, time=facts.time)
                if facts.shown:
                    times[crop.id] = facts.shown
        crops.append(crop)
    notes = [str(note) for note in link_notes(str(folder), listing.links)]
    if strange and template is not None:
        notes.append(
            f"{folder}: {len(strange):,} of {len(crops):,} paths do not follow the pattern {template.template}; they "
            f"are searched without camera and time: {some_of(strange)}"
        )
    elif template is None and (labelled := sum(crop.camera is not None for crop in crops)):
        notes.append(f"{folder}: cameras of {labelled:,} crops are read from names like 0002_c1s1_000451_03.jpg")
    rest = tuple(replace(each, files=tuple(prefix + name for name in each.files)) for each in left_out_of(listing))
    followed = 0 if template is None else len(crops) - len(strange)
    return Collected(tuple(crops), str(folder), times, rest, notes=tuple(notes), followed=followed)


def of_manifest(path: Path, prefix: str) -> Collected:
    """The gallery of a manifest; all its rows where it has no gallery."""
    dataset = load_manifest(path)
    rows = dataset.gallery or (*dataset.train, *dataset.query)
    which = "gallery rows" if dataset.gallery else "rows, none of which is in the gallery split"
    junk = tuple(prefix + crop.id for crop in rows if crop.junk)
    crops = {crop.id: replace(crop, id=prefix + crop.id) for crop in rows if not crop.junk}
    left_out = (LeftOut(JUNK, junk),) if junk else ()
    # Missing pictures are named one by one when they are opened.
    told = [f"{path}: {note}" for note in as_notes(dataset.notes) if note.kind in ("label spelling", "other ending")]
    notes = (f"{path}: {len(crops):,} {which}", *told)
    return Collected(tuple(crops.values()), str(path), left_out=left_out, notes=notes)


def joined(parts: Sequence[Collected], name: str, *, several: bool) -> Collected:
    """All parts as one list: a file that is reached twice is searched once, and ids that print alike are numbered."""
    crops, seen, names, twice = [], set(), Names(), 0
    times: dict[str, str] = {}
    for part in parts:
        for crop in part.crops:
            if several and isinstance(crop.image, Path):
                where = crop.image.resolve()
                if where in seen:
                    twice += 1
                    continue
                seen.add(where)
            own = names.own(crop.id)
            fresh = crop if own == crop.id else replace(crop, id=own)
            if crop.id in part.times:
                times[fresh.id] = part.times[crop.id]
            crops.append(fresh)
    notes = [note for part in parts for note in part.notes]
    if twice:
        notes.append(f"{twice:,} files are reached twice and searched once")
    problems = tuple(problem for part in parts for problem in part.problems)
    left_out = merged(told_once(each for part in parts for each in part.left_out) if several else parts[0].left_out)
    return Collected(tuple(crops), name, times, left_out, problems, tuple(notes))


def told_once(all_left_out: Iterable[LeftOut]) -> Iterator[LeftOut]:
    """The same without files that were reached before by another path."""
    seen = set()
    for each in all_left_out:
        fresh = []
        for name in each.files:
            folder, _, own = name.rpartition("/")  # the link itself was left out, not what it leads to
            place = (os.path.realpath(folder), own)
            if place not in seen:
                seen.add(place)
                fresh.append(name)
        if fresh:
            yield replace(each, files=tuple(fresh))


def check_place(path: Path) -> None:
    """Raise DataError unless `path` is a folder or a manifest."""
    check_name(path)
    if is_manifest(path) or path.is_dir():
        return
    if not path.exists():
        raise DataError(f"{path}: no such folder of crops")
    raise DataError(
        f"{path}: is a file, not a folder or a manifest (.csv, .jsonl); to search single files, give a list of them "
        "(in Python), or the folder that they lie in"
    )


def is_manifest(path: str | Path) -> bool:
    """Whether a path is that of a manifest, by its ending."""
    return Path(path).suffix.lower() in MANIFESTS and not Path(path).is_dir()


def named(roots: Sequence[Any]) -> str:
    """What is searched, for titles: "crops", "a and b", "12 crops and files"."""
    paths = [Path(root).as_posix() for root in roots if isinstance(root, str | os.PathLike)]
    if len(paths) != len(roots) or len(paths) > 3 or not paths:
        return f"{len(roots):,} given pictures and folders"
    return " and ".join(paths)


def example(parts: Sequence[Collected]) -> str:
    """One of the paths, to compare a pattern with."""
    return next((crop.id for part in parts for crop in part.crops), "none")
