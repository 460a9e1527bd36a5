"""Listening, answering, and ending in order."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Generator
from types import FrameType
from typing import Any, Protocol

import uvicorn
from starlette.types import ASGIApp

from reidr.errors import ReIDError
from reidr.service.http.errors import ErrorBody, problem_body
from reidr.service.http.limits import HttpLimits
from reidr.service.http.protocol import bounded_protocol
from reidr.service.http.signals import ended_by

IDLE_SECONDS = 30  # an unused connection is kept open
IMPATIENT_SECONDS = 1.0  # some launchers pass a signal on twice: only a later one means "at once"
LAST_SECONDS = 2  # for answers to be written after the grace period


class Served(Protocol):
    """What a server answers with, as far as its ending is concerned."""

    @property
    def limits(self) -> HttpLimits:
        """Its bounds."""

    @property
    def stopping(self) -> bool:
        """Whether no more requests are taken."""

    def stop(self) -> None:
        """Take no more requests; what is under way goes on."""

    def cancel(self) -> None:
        """End what is under way, too."""

    def close(self) -> None:
        """Give threads, files and connections back."""


class GracefulServer(uvicorn.Server):
    """uvicorn that, asked to end, first finishes what is under way while it refuses what is new."""

    def __init__(self, config: uvicorn.Config, service: Served) -> None:
        super().__init__(config)
        self.service = service
        self._asked = 0.0
        self._deadline: float | None = None

    def stop(self) -> None:
        """End when what is under way is done, or after the grace period. Called again, a second later: end now.

        Safe to call from another thread and from a signal handler.
        """
        now = time.monotonic()
        if not self.service.stopping:
            self._asked, self._deadline = now, now + self.service.limits.grace_seconds
            self.service.stop()
        elif now - self._asked > IMPATIENT_SECONDS:
            self._deadline = now

    async def on_tick(self, counter: int) -> bool:
        """uvicorn asks ten times a second whether to end."""
        if self._deadline is not None and not self.should_exit:
            if time.monotonic() >= self._deadline:
                self.service.cancel()
                self.should_exit = True
            elif not self.server_state.tasks:
                self.should_exit = True
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """What a signal does."""
        self.stop()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As uvicorn's, but a stop that was asked for is no failure: the signal is not raised again afterwards."""
        with ended_by(self.handle_exit):
            yield


class HttpServer:
    """A server; `serve_forever` runs it, `shutdown` (from another thread) and `server_close` end it."""

    def __init__(
        self, service: Served, app: ASGIApp, bound: socket.socket, *, error_body: ErrorBody = problem_body
    ) -> None:
        """Listen on the socket that `bind` gave. Raises ReIDError: another program listens there."""
        self.service = service
        self._socket = bound
        try:
            self._socket.listen()
        except OSError as error:  # two sockets were bound to it, and the other one listens
            host, port = bound.getsockname()[:2]
            raise ReIDError(f"cannot listen on {host}:{port}: {error}") from None
        self.server_address: tuple[Any, ...] = self._socket.getsockname()
        limits = service.limits
        config = uvicorn.Config(
            app,
            http=bounded_protocol(limits, error_body),
            loop="asyncio",
            ws="none",
            lifespan="off",
            interface="asgi3",
            # Nothing is written down: who asked, and for whom, is nobody's business.
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=limits.connections,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=LAST_SECONDS,
        )
        self._server = GracefulServer(config, service)
        self._ended = threading.Event()
        self._ended.set()

    @property
    def address(self) -> str:
        """`http://host:port`."""
        host, port = self.server_address[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def serve_forever(self, poll_interval: float | None = None) -> None:
        """Serve until `shutdown`, SIGINT or SIGTERM (the signals: in the main thread only).

        `poll_interval` means nothing here; `socketserver` has it.
        """
        self._ended.clear()
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self.service.cancel()
            self.service.close()
            self._ended.set()

    def shutdown(self) -> None:
        """Finish what is under way, within the grace period, and return when `serve_forever` has ended."""
        self._server.stop()
        self._ended.wait()

    def server_close(self) -> None:
        """Give the port back."""
        self._socket.close()

    def __enter__(self) -> HttpServer:
        return self

    def __exit__(self, *_: Any) -> None:
        self.server_close()


def bind(host: str, port: int) -> socket.socket:
    """A socket that has the address and does not listen yet. Raises ReIDError: it is taken, or not to be had."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        # "localhost" may be both; callers try the fourth version at least.
        family, kind, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        bound = socket.socket(family, kind)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        raise ReIDError(f"cannot listen on {host}:{port}: {error}") from None
    return bound
