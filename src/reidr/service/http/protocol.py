"""uvicorn's HTTP/1.1 connections with what it leaves open: a bound on their number, a deadline for a request's head."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from reidr.service.http.errors import ErrorBody, RequestError, error_headers, problem_body
from reidr.service.http.limits import HttpLimits


def bounded_protocol(limits: HttpLimits, error_body: ErrorBody = problem_body) -> type[asyncio.Protocol]:
    """The protocol class for uvicorn's `http` option."""

    class BoundedProtocol(H11Protocol):
        """One connection."""

        head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                self._end(RequestError(f"{limits.connections} connections are open already; try again", 503))
            else:
                self._watch_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget_head()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            super().data_received(data)
            self._watch_head()

        def send_400_response(self, msg: str) -> None:
            self._end(RequestError("this is no HTTP request"))

        def _watch_head(self) -> None:
            """Between two requests uvicorn's keep-alive timer watches; within a request's body, the application."""
            if self.conn.their_state is not h11.IDLE or self.timeout_keep_alive_task is not None:
                self._forget_head()
            elif self.head_timer is None:
                late = RequestError(f"no request came in within {limits.head_seconds:g} seconds", 408)
                self.head_timer = self.loop.call_later(limits.head_seconds, self._end, late)

        def _forget_head(self) -> None:
            if self.head_timer is not None:
                self.head_timer.cancel()
                self.head_timer = None

        def _end(self, error: RequestError) -> None:
            """Answer, where no answer is under way, and close."""
            if self.transport.is_closing():
                return
            if self.cycle is None or self.cycle.response_complete:
                body, content_type = error_body("/v1", error)
                headers = [*error_headers(error, content_type, len(body)), (b"connection", b"close")]
                head = b"".join(b"%s: %s\r\n" % one for one in headers)
                self.transport.write(b"HTTP/1.1 %d \r\n%s\r\n%s" % (error.status, head, body))
            self.transport.close()

    return BoundedProtocol
