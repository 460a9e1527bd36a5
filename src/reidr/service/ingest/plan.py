"""What is to be indexed: each source is opened before the first long step, so that a slip is said at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from reidr.data.pictures.regular_files import check_name
from reidr.data.reading.listing import is_picture_name
from reidr.data.reading.path_pattern import PathPattern
from reidr.errors import DataError
from reidr.search.query.gallery import is_manifest
from reidr.service.ingest.ready_crops import CropFacts, ReadyCrops, ready_crops
from reidr.service.ingest.sources.frame import FrameSource
from reidr.service.ingest.sources.frame_folder import FrameFacts, frame_folders
from reidr.service.ingest.sources.moments import moment_of
from reidr.service.ingest.sources.stream import LiveStream, is_address, without_secrets
from reidr.service.ingest.sources.video import VideoFile

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """What the user says of the sources.

    Attributes:
        cameras, starts: none, one for all sources, or one for each in their order. detector: whether there is one:
            without it folders hold ready crops, with it frames. duration: seconds of a live stream. frame_rate: of
            folders of frames.
    """

    sources: tuple[str, ...]
    cameras: tuple[str, ...] = ()
    starts: tuple[float, ...] = ()
    pattern: PathPattern | None = None
    frame_rate: float | None = None
    duration: float | None = None
    detector: bool = False


@dataclass(frozen=True)
class Plan:
    """The sources, ready to be read, in the order in which they were named."""

    recordings: tuple[FrameSource, ...] = ()
    crops: tuple[ReadyCrops, ...] = ()


def plan_of(asked: Asked) -> Plan:
    """Find out and open every source.

    Raises DataError for the first that cannot be used, or where options do not fit it; MissingExtraError without PyAV.
    """
    check_number("--camera", asked.cameras, asked.sources)
    check_number("--start", asked.starts, asked.sources)
    recordings: list[FrameSource] = []
    crops: list[ReadyCrops] = []
    live = [source for source in asked.sources if is_address(source)]
    if asked.duration is not None and not live:
        raise DataError("--duration is for live streams (rtsp://…); files are read to their end")
    for place, source in enumerate(asked.sources):
        camera, start = one_of(asked.cameras, place), one_of(asked.starts, place)
        if source in live:
            recordings.append(stream_of(source, camera, start, asked))
            continue
        path = Path(source)
        check_name(path)
        if not path.exists():
            raise DataError(f"{source}: no such video, folder or manifest")
        if is_manifest(path) or (path.is_dir() and not asked.detector):
            if asked.detector:
                raise DataError(
                    f"{source}: is a manifest of ready crops, in which nobody has to be detected; leave out --detector"
                )
            crops.append(ready_crops(path, CropFacts(camera, start, asked.pattern, asked.frame_rate)))
        elif path.is_dir():
            recordings += frame_folders(path, FrameFacts(camera, start, asked.pattern, asked.frame_rate))
        else:
            recordings.append(video_of(path, camera, start, asked))
    return Plan(tuple(recordings), tuple(crops))


def stream_of(address: str, camera: str | None, start: float | None, asked: Asked) -> LiveStream:
    """A live stream. Raises DataError without a duration or a detector, and where a start is given."""
    name = without_secrets(address)
    check_detector(name, asked)
    if asked.duration is None:
        raise DataError(f"{name}: is a live stream; say with --duration how long to look, for example --duration 10m")
    if start is not None:
        raise DataError(f"{name}: is a live stream, which starts now; leave out --start")
    return LiveStream(address, camera or name.split("://", 1)[1].rstrip("/"), asked.duration)


def video_of(path: Path, camera: str | None, start: float | None, asked: Asked) -> VideoFile:
    """A video file; camera and start also by the pattern, which describes the end of its path.

    Raises DataError where it is none, without a detector, and where its path does not follow the pattern.
    """
    if is_picture_name(path.name):
        raise DataError(f"{path}: is a single picture; give the folder of frames or crops that it lies in")
    check_detector(str(path), asked)
    if asked.pattern is not None:
        template = asked.pattern.template
        tail = "/".join(path.resolve().parts[-(template.count("/") + 1) :])
        facts = asked.pattern.read(tail)
        if facts is None:
            raise DataError(f"{path}: {tail} does not follow the pattern {template!r}")
        camera = facts.camera or camera
        found = moment_of(facts, start, None, template)
        start = start if found is None else found
    return VideoFile(path, camera or path.stem, start)


def check_detector(name: str, asked: Asked) -> None:
    """Raises DataError where people have to be found, and no detector is named."""
    if not asked.detector:
        raise DataError(
            f"{name}: people have to be found in it; name a detector with --detector, for example an ONNX file of "
            "YOLOX, RT-DETR, D-FINE or RF-DETR (docs/index-video.md)"
        )


def check_number(option: str, given: Sequence[object], sources: Sequence[str]) -> None:
    """Raises DataError unless an option is given never, once, or once for each source."""
    if len(given) not in (0, 1, len(sources)):
        raise DataError(
            f"{option} is given {len(given)} times for {len(sources)} sources; give it once for all of them, or once "
            "for each in their order"
        )


def one_of(given: Sequence[T], place: int) -> T | None:
    """What is said of the source at a place."""
    return None if not given else given[0] if len(given) == 1 else given[place]
