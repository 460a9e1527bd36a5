"""A real RTSP session on this machine: a publisher that hangs up now and then, and a stream that listens for it."""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import time
from fractions import Fraction

import av
import pytest
from filming import HEIGHT, WIDTH, boxes_at, drawn_frame

from reidr.service.ingest.sources import stream as streams
from reidr.service.ingest.sources.stream import OPTIONS, LiveStream

pytestmark = pytest.mark.whole


def publish(address: str, frames: int) -> None:
    """Send a video at 10 frames a second, then hang up."""
    container = av.open(address, "w", format="rtsp", options={"rtsp_transport": "tcp"})
    stream = container.add_stream("libx264", rate=10)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    stream.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "5"}
    began = time.monotonic()
    for number in range(frames):
        frame = av.VideoFrame.from_ndarray(drawn_frame(number, boxes_at(number)), format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, 10)
        container.mux(stream.encode(frame))
        time.sleep(max(0.0, began + number / 10 - time.monotonic()))
    container.close()


def keep_publishing(address: str) -> None:
    """One session after the other, until somebody ends this process."""
    while True:
        with contextlib.suppress(av.error.FFmpegError, OSError):
            publish(address, 20)
        time.sleep(0.1)


@pytest.mark.timeout(60)
def test_a_camera_is_looked_at_for_the_stated_time_although_it_hangs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PAUSE", 0.2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"rtsp://127.0.0.1:{free.getsockname()[1]}/cam"
    # A process of its own: within one, who sends waits with Python's lock for who receives.
    publisher = multiprocessing.get_context("spawn").Process(target=keep_publishing, args=(address,), daemon=True)
    publisher.start()
    try:
        source = LiveStream(address, "gate", 8.0, {**OPTIONS, "rtsp_flags": "listen", "listen_timeout": "10"})
        began = time.monotonic()
        frames = list(source.frames(0))
        took = time.monotonic() - began
    finally:
        publisher.kill()
    times = [frame.place.seconds for frame in frames]
    assert len(frames) >= 15
    assert times == sorted(set(times))
    assert times[-1] < 8.0
    assert took < 25  # what was connected when the time was over is let go
    assert any("the connection was lost" in remark for remark in source.remarks)
    assert all(frame.pixels.shape == (HEIGHT, WIDTH, 3) for frame in frames)
