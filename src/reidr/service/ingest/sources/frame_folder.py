"""Folders of frames: one picture file a frame, in the order of their times, their numbers, or their names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reidr.core.text import number_of, some_of
from reidr.core.times import local_seconds
from reidr.data.pictures.images import open_image
from reidr.data.reading.folder import list_crops
from reidr.data.reading.path_pattern import PathPattern
from reidr.errors import DataError, ImageError
from reidr.service.ingest.sources.frame import Frame, Place, Recording, Selector
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
        self._unreadable: list[str] = []
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


def frame_folders(
    folder: Path, camera: str | None, start: float | None, pattern: PathPattern | None, frame_rate: float | None
) -> list[FrameFolder]:
    """The recordings in a folder: one, or with `{camera}` in the pattern one of each camera.

    Times are those of the pattern's {date} and {time} (local time), else the frame's number (the pattern's {frame}, or
    its place in the order of the names, where 9 comes before 10) divided by `frame_rate`.

    Raises DataError where nobody says the camera, the rate, or where no path follows the pattern.
    """
    by_camera: dict[str, list[tuple[float | None, bool, Path]]] = {}
    crops = sorted(list_crops(folder).crops, key=lambda crop: natural(crop.id))
    strange = []
    for crop in crops:
        facts = pattern.read(crop.id) if pattern is not None else None
        if pattern is not None and facts is None:
            strange.append(crop.id)
            continue
        own = facts.camera if facts is not None and facts.camera is not None else camera
        if own is None:
            raise DataError(f"{folder}: no camera; name it with --camera, or say in --pattern where its name stands")
        time = facts.time if facts is not None else None
        by_camera.setdefault(own, []).append((time, facts is not None and facts.unit == "seconds", Path(folder / crop.id)))
    if not by_camera:
        raise DataError(f"pattern {pattern.template!r}: no path in {folder} follows it, for example {strange[0]}")  # type: ignore[union-attr]
    made = []
    for own, files in by_camera.items():
        name = folder.name if len(by_camera) == 1 else f"{folder.name}/{own}"
        begun, timed = times_of(folder, files, frame_rate)
        made.append(FrameFolder(name, timed, own, start if begun is None else begun))
        if strange:
            made[-1].remarks.append(f"{folder}: left out {number_of(len(strange), 'picture')} that do not follow the pattern: {some_of(strange)}")
    return made


def times_of(
    folder: Path, files: Sequence[tuple[float | None, bool, Path]], frame_rate: float | None
) -> tuple[float | None, list[FrameFile]]:
    """When the first frame was taken, where the names say it, and the frames in the order of their times."""
    clocks = all(seconds and time is not None for time, seconds, _ in files)
    if clocks:
        moments = sorted((float(time or 0), path) for time, _, path in files)
        day = moments[0][0] > 86_400  # a time of day alone tells no date
        timed = [FrameFile(path, moment - moments[0][0]) for moment, path in moments]
        return local_seconds(moments[0][0]) if day else None, timed
    if frame_rate is None:
        raise DataError(
            f"{folder}: its names tell no time; say how many frames a second were taken with --frame-rate, or where the "
            "names hold date and time with --pattern"
        )
    numbered = all(time is not None for time, _, _ in files)
    numbers = sorted((float(time or 0) if numbered else place, path) for place, (time, _, path) in enumerate(files))
    return None, [FrameFile(path, (number - numbers[0][0]) / frame_rate) for number, path in numbers]


def natural(name: str) -> list[tuple[int, int | str]]:
    """A key by which 9.jpg comes before 10.jpg."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in DIGITS.split(name) if part]


def key_of(files: Sequence[FrameFile]) -> str:
    """Hash of the files' contents, in their order."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(bytes.fromhex(content_key_of(file.path)))
    return digest.hexdigest()
