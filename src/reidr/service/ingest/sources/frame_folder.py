"""Folders of frames: one picture file a frame, in the order of their times, their numbers, or their names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reidr.core.text import number_of, some_of
from reidr.data.pictures.images import open_image
from reidr.data.reading.folder import list_crops
from reidr.data.reading.path_pattern import PathFacts, PathPattern
from reidr.errors import DataError, ImageError
from reidr.service.ingest.sources.frame import Frame, Place, Recording, Selector
from reidr.service.ingest.sources.moments import moment_of
from reidr.service.ingest.sources.video import content_key_of

DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class FrameFile:
    """One picture of a folder of frames. seconds: since the first of them."""

    path: Path
    seconds: float


class FrameFolder:
    """The frames of one camera in a folder; a `FrameSource`."""

    def __init__(self, name: str, files: Sequence[FrameFile], camera: str, start: float | None) -> None:
        """`files` in their order, at least one. Raises DataError where the first cannot be read."""
        self.files = tuple(files)
        self.remarks: list[str] = []
        first = open_image(files[0].path)
        length = files[-1].seconds if len(files) > 1 else 0.0
        self.recording = Recording(
            key=key_of(files),
            name=name,
            camera=camera,
            start=start,
            length=length,
            frame_rate=(len(files) - 1) / length if length else 1.0,
            width=first.width,
            height=first.height,
        )

    def frames(self, per_second: float, begin: Place | None = None) -> Iterator[Frame]:
        """See `FrameSource`."""
        selector = Selector(per_second)
        unreadable = []
        for number in range(begin.number if begin is not None else 0, len(self.files)):
            file = self.files[number]
            if not selector.takes(file.seconds):
                continue
            try:
                pixels = np.asarray(open_image(file.path), dtype=np.uint8)
            except ImageError as error:
                unreadable.append(str(error))
                continue
            yield Frame(Place(number, number, file.seconds), pixels)
        if unreadable:
            self.remarks.append(f"{number_of(len(unreadable), 'frame')} cannot be read: {some_of(unreadable, 1)}")


@dataclass(frozen=True)
class FrameFacts:
    """What the user says of a folder of frames: None where its names say it.

    Attributes:
        start: when the first frame was taken. frame_rate: how many were taken a second.
    """

    camera: str | None = None
    start: float | None = None
    pattern: PathPattern | None = None
    frame_rate: float | None = None


def frame_folders(folder: Path, facts: FrameFacts) -> list[FrameFolder]:
    """The recordings in a folder: one, or with `{camera}` in the pattern one of each camera.

    Times are those of the pattern's {date} and {time} (local time), else the frame's number (the pattern's {frame}, or
    its place in the order of the names, where 9 comes before 10) divided by the frame rate.

    The folder's name is the camera where nothing says another. Raises DataError where nobody says the frame rate, or
    where no path follows the pattern.
    """
    by_camera: dict[str, list[tuple[PathFacts | None, Path]]] = {}
    strange = []
    for crop in sorted(list_crops(folder).crops, key=lambda crop: natural(crop.id)):
        found = facts.pattern.read(crop.id) if facts.pattern is not None else None
        if facts.pattern is not None and found is None:
            strange.append(crop.id)
            continue
        own = (found.camera if found is not None else None) or facts.camera or folder.resolve().name
        by_camera.setdefault(own, []).append((found, folder / crop.id))
    if not by_camera:
        template = "" if facts.pattern is None else facts.pattern.template
        raise DataError(f"pattern {template!r}: no path in {folder} follows it, for example {strange[0]}")
    made = []
    for own, files in by_camera.items():
        name = folder.resolve().name if len(by_camera) == 1 else f"{folder.resolve().name}/{own}"
        start, timed = timed_frames(folder, files, facts)
        made.append(FrameFolder(name, timed, own, start))
        if strange:
            made[-1].remarks.append(
                f"{folder}: left out {number_of(len(strange), 'picture')} that do not follow the pattern: "
                f"{some_of(strange)}"
            )
    return made


def timed_frames(
    folder: Path, files: Sequence[tuple[PathFacts | None, Path]], facts: FrameFacts
) -> tuple[float | None, list[FrameFile]]:
    """When the first frame was taken, and the frames in the order of their times."""
    clocks = [found for found, _ in files if found is not None and found.unit == "seconds" and found.time is not None]
    if len(clocks) == len(files):
        template = "" if facts.pattern is None else facts.pattern.template
        moments = sorted((moment_of(found, facts.start, None, template) or 0.0, path) for found, path in files)
        return moments[0][0], [FrameFile(path, moment - moments[0][0]) for moment, path in moments]
    if facts.frame_rate is None:
        raise DataError(
            f"{folder}: its names tell no time; say how many frames a second were taken with --frame-rate, or where "
            "the names hold date and time with --pattern"
        )
    counted = [None if found is None else found.time for found, _ in files]
    numbers = [
        (float(place) if time is None else time, path)
        for place, (time, (_, path)) in enumerate(zip(counted, files, strict=True))
    ]
    if None not in counted:
        numbers.sort()
    return facts.start, [FrameFile(path, (number - numbers[0][0]) / facts.frame_rate) for number, path in numbers]


def natural(name: str) -> list[tuple[int, int | str]]:
    """A key by which 9.jpg comes before 10.jpg."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in DIGITS.split(name) if part]


def key_of(files: Sequence[FrameFile]) -> str:
    """Hash of the files' contents, in their order."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(bytes.fromhex(content_key_of(file.path)))
    return digest.hexdigest()
