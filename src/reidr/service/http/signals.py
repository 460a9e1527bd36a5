"""The signals that end the server."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


@contextlib.contextmanager
def ended_by(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Within the block `handler` is called for the signals that end a program; afterwards all is as before.

    A signal whose ignoring was inherited (`nohup`, `&`) stays ignored. Only the main thread can listen to signals; in
    any other one this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    before = {one: signal.getsignal(one) for one in numbers if signal.getsignal(one) != signal.SIG_IGN}
    for one in before:
        signal.signal(one, handler)
    try:
        yield
    finally:
        for one, earlier in before.items():
            # None: a handler that was not set from Python.
            signal.signal(one, signal.SIG_DFL if earlier is None else earlier)
