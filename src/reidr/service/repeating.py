"""Work that a service does by itself again and again, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from reidr.errors import ReIDError


class Repeating:
    """Does a piece of work at once, and again after every pause, from `start` to `stop`."""

    def __init__(
        self, name: str, work: Callable[[], object], pause: float, failed: Callable[[ReIDError], object]
    ) -> None:
        """Args:
        name: of the thread. pause: seconds between one piece of work and the next. failed: is told of an error; the
            next time comes all the same, since a database may be away for a moment.
        """
        self._work, self._pause, self._failed = work, pause, failed
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is under way is finished first."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._work()
            except ReIDError as error:
                self._failed(error)
            self._ended.wait(self._pause)
