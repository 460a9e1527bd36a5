"""Video files, read by PyAV (FFmpeg): exact time stamps, upright frames, and what can be read of a damaged file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reidr.core.text import number_of, shown
from reidr.core.times import length_in_words
from reidr.data.pictures.images import MAXIMUM_PIXELS
from reidr.errors import DataError, MissingExtraError
from reidr.service.ingest.sources.frame import Frame, Pixels, Place, Recording, Selector

if TYPE_CHECKING:
    import av

INSTALL = "install them with: pip install 'reidr[video]'"
MISSING_SHARE = 0.02  # of a file's stated length; what lacks more was broken off
PATIENCE = (20.0, 20.0)  # seconds to wait for the head of a stream, and for its next part
USUAL_RATE = 25.0  # frames a second of a stream that does not say


def load_av() -> Any:
    """The package PyAV. Raises MissingExtraError where it is not installed."""
    try:
        import av
    except ImportError:
        raise MissingExtraError(f"videos need the packages of the extra `video`; {INSTALL}") from None
    return av


@contextmanager
def opened(name: str, address: str, options: dict[str, str]) -> Iterator[Any]:
    """An open container. Raises DataError for what is no video, or has no picture in it."""
    av = load_av()
    try:
        container = av.open(address, options=options, timeout=PATIENCE)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        live = "check the address, and that the camera is on"
        hint = live if "://" in name else "it is no video, or was not written to its end"
        raise DataError(f"{name}: cannot be opened as a video ({reason_of(error)}); {hint}") from None
    with container:
        if not container.streams.video:
            raise DataError(f"{name}: holds no video, only {kinds_in(container)}; give a file with moving pictures")
        yield container


@contextmanager
def opened_file(path: Path) -> Iterator[Any]:
    """An open video file. A playlist that names other files, or addresses, reaches nothing but files.

    Raises DataError as `opened`.
    """
    with opened(str(path), f"file:{path}", {"protocol_whitelist": "file"}) as container:
        yield container


def kinds_in(container: Any) -> str:
    """What an open container holds: "audio and subtitle"."""
    return " and ".join(sorted({stream.type or "data" for stream in container.streams})) or "nothing that can be read"


def reason_of(error: Exception) -> str:
    """FFmpeg's words for what went wrong, without the file's name, which the sentence begins with."""
    text = str(getattr(error, "strerror", None) or error) or type(error).__name__
    return " ".join(text.split())[:150]


class VideoFile:
    """The frames of a video file; a `FrameSource`."""

    def __init__(self, path: Path, camera: str, start: float | None = None) -> None:
        """Open the file, read its head, and hash its content.

        Raises DataError where it is no video or its first frame cannot be read, MissingExtraError without PyAV.
        """
        self.path = path
        self.remarks: list[str] = []
        with opened_file(path) as container:
            stream = container.streams.video[0]
            check_pixels(str(path), stream.width, stream.height)
            rate = stream.average_rate or stream.guessed_rate
            self.rate = Fraction(rate) if rate else Fraction(USUAL_RATE)
            length = seconds_of(stream, container)
            first = next((frame for frame in self._decoded(container) if frame.pts is not None), None)
            if first is None:
                raise DataError(f"{path}: not one frame of it can be read; copy the file again, or convert it")
            self._origin, self._unit = int(first.pts), Fraction(stream.time_base or 1 / self.rate)
        self.remarks.clear()
        self.recording = Recording(
            key=content_key_of(path),
            name=shown(path.name),
            camera=camera,
            start=start,
            length=length,
            frame_rate=float(self.rate),
            width=first.width,
            height=first.height,
        )

    def frames(self, per_second: float, begin: Place | None = None) -> Iterator[Frame]:
        """See `FrameSource`."""
        if begin is not None and begin.number:
            for number, frame in enumerate(self._sought(per_second, begin)):
                if number == 0 and frame.place.mark != begin.mark:
                    break  # the file cannot be searched: read it from its beginning
                yield frame
            else:
                return
        yield from self._read(per_second, begin)

    def _sought(self, per_second: float, begin: Place) -> Iterator[Frame]:
        """From the key frame before `begin` on; frames before it are decoded and passed over."""
        with opened_file(self.path) as container:
            container.seek(begin.mark, stream=container.streams.video[0], backward=True)
            yield from self._chosen(container, per_second, begin, begin.number)

    def _read(self, per_second: float, begin: Place | None) -> Iterator[Frame]:
        with opened_file(self.path) as container:
            yield from self._chosen(container, per_second, begin, 0)

    def _chosen(
        self, container: av.container.InputContainer, per_second: float, begin: Place | None, number: int
    ) -> Iterator[Frame]:
        """Frames of an open container; the first of them has `number`, or where that is `begin`'s, the first kept."""
        selector, last, seeking = Selector(per_second), -1.0, begin is not None and number == begin.number > 0
        for frame in self._decoded(container):
            mark = frame.pts if frame.pts is not None else None
            seconds = last + float(1 / self.rate) if mark is None else float((mark - self._origin) * self._unit)
            if seconds <= last:  # a clock that was set back, or a time stamp that is missing and was guessed
                if seeking:
                    continue
                seconds = last + float(1 / self.rate)
            if begin is not None and seeking and mark is not None and mark < begin.mark:
                continue
            seeking, last = False, seconds
            own = number
            number += 1
            if begin is not None and own < begin.number:
                continue
            if selector.takes(seconds):
                yield Frame(Place(own, -1 if mark is None else int(mark), seconds), upright(frame))
        self._note_end(container, last)

    def _decoded(self, container: Any) -> Iterator[Any]:
        """Every frame that can be decoded; what cannot be is counted and said."""
        av, damaged, broken = load_av(), 0, ""
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError) as error:
                broken = reason_of(error)
                break
            if packet is None:
                break
            try:
                yield from packet.decode()
            except av.error.EOFError:
                break
            except av.error.FFmpegError:
                damaged += 1
        if damaged or broken:
            why = f"it breaks off ({broken})" if broken else f"{number_of(damaged, 'part')} cannot be decoded"
            self._remark(f"{self.path}: {why}; what could be read of it was taken")

    def _remark(self, sentence: str) -> None:
        if sentence not in self.remarks:
            self.remarks.append(sentence)

    def _note_end(self, container: Any, last: float) -> None:
        """Say where the file ends before the end that it states."""
        stated = seconds_of(container.streams.video[0], container)
        read = last + float(1 / self.rate)
        if stated is not None and stated - read > max(MISSING_SHARE * stated, 1.0) and not self.remarks:
            self._remark(
                f"{self.path}: is truncated: of {length_in_words(stated)} the first {length_in_words(max(read, 0.0))} "
                "could be read; that part was taken"
            )


def seconds_of(stream: Any, container: Any) -> float | None:
    """The length that a file states; None where it states none."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else float(container.duration) / 1e6


def check_pixels(name: str, width: int, height: int) -> None:
    """Raise DataError for a video without a size, or with more pixels a frame than any picture may have."""
    if not width or not height:
        raise DataError(f"{name}: says no size of its frames; it is damaged or not whole: copy it again, or convert it")
    if width * height > MAXIMUM_PIXELS:
        raise DataError(f"{name}: frames of {width}x{height} are more than {MAXIMUM_PIXELS:,} pixels; shrink it first")


def content_key_of(path: Path) -> str:
    """SHA-256 of a file's bytes. Raises DataError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def upright(frame: Any) -> Pixels:
    """A decoded frame as RGB, turned as its display matrix says (phones record sideways)."""
    pixels: Pixels = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels
