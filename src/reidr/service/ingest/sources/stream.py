"""Live streams (RTSP and whatever else FFmpeg opens by an address), for a stated time.

A camera does not wait: a thread decodes all the time, and where looking at frames is slower than the camera takes them,
the oldest waiting ones are dropped and counted. Where the connection ends, it is opened again until the time is over.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from reidr.core.process.signals import check_interrupted
from reidr.core.text import number_of
from reidr.core.times import length_in_words
from reidr.errors import DataError, ReIDError
from reidr.service.ingest.sources.frame import Frame, Place, Recording, Selector
from reidr.service.ingest.sources.video import (
    USUAL_RATE,
    check_pixels,
    load_av,
    opened,
    reason_of,
    seconds_of,
    upright,
)

ADDRESS = re.compile(r"(rtsps?|rtmps?|https?|srt|udp|tcp)://", re.IGNORECASE)
OPTIONS: Mapping[str, str] = {"rtsp_transport": "tcp"}
WAITING = 16  # decoded frames; a second or so of a camera, and in memory not more than some hundred megabytes
CLOCK_JUMP = 10.0  # seconds between a camera's clock and ours that no delay explains
PAUSE = 2.0  # seconds before a lost connection is tried again


def is_address(source: str) -> bool:
    """Whether a source is the address of a stream, not a file or folder."""
    return ADDRESS.match(source) is not None


def without_secrets(address: str) -> str:
    """An address without user name, password and query: what may be kept and shown."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


class LiveStream:
    """Frames of a camera from now on; a `FrameSource` that can be read once.

    What states its own length (a file behind an address) is no camera and waits: none of its frames is dropped.
    """

    def __init__(self, address: str, camera: str, duration: float, options: Mapping[str, str] = OPTIONS) -> None:
        """Connect, to find out whether it can be read. Raises DataError where it cannot."""
        self.address, self.duration, self.options = address, duration, dict(options)
        self.name = without_secrets(address)
        self.remarks: list[str] = []
        with opened(self.name, address, self.options) as container:
            stream = container.streams.video[0]
            check_pixels(self.name, stream.width, stream.height)
            rate, width, height = float(stream.average_rate or USUAL_RATE), stream.width, stream.height
            self.waits = (seconds_of(stream, container) or 0.0) > 0.0
        now = time.time()
        key = hashlib.sha256(f"{self.name}\0{camera}\0{now!r}".encode()).hexdigest()
        self.recording = Recording(key, self.name, camera, now, duration, rate, width, height, resumable=False)

    def frames(self, per_second: float, begin: Place | None = None) -> Iterator[Frame]:
        """See `FrameSource`; `begin` is refused, for the past of a camera is gone. The recording starts now."""
        if begin is not None:
            raise ReIDError(f"{self.name}: a live stream cannot be read again")
        self.recording = replace(self.recording, start=time.time())
        waiting: queue.Queue[Frame | None] = queue.Queue(WAITING)
        over = threading.Event()
        reader = threading.Thread(target=self._read, args=(waiting, over, per_second), daemon=True)
        reader.start()
        try:
            while True:
                check_interrupted()
                try:
                    frame = waiting.get(timeout=1.0)
                except queue.Empty:
                    if reader.is_alive():
                        continue
                    break
                if frame is None:
                    break
                yield frame
        finally:
            over.set()
            for _ in range(50):  # it may wait for room to say that it has ended
                with contextlib.suppress(queue.Empty):
                    waiting.get(timeout=0.1)
                if not reader.is_alive():
                    break

    def _read(self, waiting: queue.Queue[Frame | None], over: threading.Event, per_second: float) -> None:
        """The thread: decode until the time is over, connecting again where the connection is lost."""
        av, begun, selector = load_av(), time.monotonic(), Selector(per_second)
        number = dropped = lost = 0
        while not over.is_set() and time.monotonic() - begun < self.duration:
            reason = "it ended"
            try:
                for place, seconds, frame in self._decoded(begun, number):
                    number = place + 1
                    if over.is_set() or seconds >= self.duration:
                        over.set()
                        break
                    if selector.takes(seconds):
                        ready = Frame(Place(place, place, seconds), upright(frame))
                        dropped += put_when_free(waiting, ready, over) if self.waits else put_newest(waiting, ready)
            except (DataError, av.error.FFmpegError, OSError) as error:
                reason = reason_of(error)
            if self.waits or over.is_set():
                break
            lost += 1
            over.wait(max(0.0, min(PAUSE, self.duration - (time.monotonic() - begun))))
        if lost:
            self.remarks.append(
                f"{self.name}: the connection was lost {number_of(lost, 'time')}, the last time because {reason}"
            )
        if dropped:
            self.remarks.append(
                f"{self.name}: {number_of(dropped, 'frame')} in {length_in_words(time.monotonic() - begun)} were "
                "passed over because looking at them takes longer than the camera needs; a lower --fps asks for fewer"
            )
        put_when_free(waiting, None, threading.Event())

    def _decoded(self, begun: float, number: int) -> Iterator[tuple[int, float, Any]]:
        """(number, seconds since `begun`, frame) of one connection. Seconds follow the camera's own clock."""
        with opened(self.name, self.address, self.options) as container:
            origin, shift, last = None, 0.0 if self.waits else time.monotonic() - begun, -1e-3
            for frame in container.decode(container.streams.video[0]):
                arrived = time.monotonic() - begun
                if origin is None:
                    origin, shift = frame.time, shift if self.waits else arrived
                seconds = arrived if frame.time is None or origin is None else shift + float(frame.time - origin)
                if not self.waits and abs(seconds - arrived) > CLOCK_JUMP:  # its clock was set: from now on by ours
                    origin, shift, seconds = frame.time, arrived, arrived
                last = max(seconds, last + 1e-3)
                yield number, last, frame
                number += 1


def put_when_free(waiting: queue.Queue[Frame | None], item: Frame | None, over: threading.Event) -> int:
    """Put `item` in as soon as there is room, unless all is over; returns 0, for nothing was dropped."""
    while not over.is_set():
        try:
            waiting.put(item, timeout=0.5)
            break
        except queue.Full:
            continue
    return 0


def put_newest(waiting: queue.Queue[Frame | None], item: Frame | None) -> int:
    """Put `item` in, taking out the oldest where there is no room; returns how many were taken out."""
    dropped = 0
    while True:
        try:
            waiting.put_nowait(item)
            return dropped
        except queue.Full:
            try:
                waiting.get_nowait()
                dropped += 1
            except queue.Empty:
                continue
