"""What every request passes first: whose address it was sent to, the key, whether the server is ending.

It also sees to it that an error is always an answer: nothing raised below it reaches the log with its caller.
"""

from __future__ import annotations

import asyncio
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from reidr.service.http.errors import (
    STOPPING,
    ClientGoneError,
    ErrorBody,
    RequestError,
    error_headers,
    problem_body,
)
from reidr.service.http.exchange import Exchange

LOOPBACK = ("127.0.0.1", "localhost", "::1")
OWN_HOST = re.compile(r"(?:127\.0\.0\.1|localhost\.?|\[::1\])(?::\d{1,5})?", re.I | re.A)


class Stoppable(Protocol):
    """Something that can be asked whether it is ending."""

    @property
    def stopping(self) -> bool:
        """Whether no more requests are taken."""


class Guard:
    """ASGI middleware around a whole server."""

    def __init__(
        self,
        app: ASGIApp,
        service: Stoppable,
        *,
        local: bool,
        check: Callable[[Scope, Headers], None] | None = None,
        error_body: ErrorBody = problem_body,
    ) -> None:
        """`local`: the server listens on this machine only. `check` raises RequestError for a request that is refused.

        `error_body`: how errors look.
        """
        self.app, self.service, self.local = app, service, local
        self._also, self._error_body = check, error_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        exchange = Exchange(headers, receive, send)
        try:
            self._check(scope, headers, exchange)
            await self.app(scope, exchange.receive, exchange.send)
        except ClientGoneError:
            return
        except RequestError as error:
            await self._refuse(scope, exchange, error)
        except asyncio.CancelledError:
            # The grace period is over, and uvicorn ends what is left: a request that is still coming in.
            exchange.drains = False
            await self._refuse(scope, exchange, RequestError(STOPPING, 503))
        except Exception as error:
            # Whatever it is: the caller gets an answer, and the log the place in our code, not the caller's address.
            places = traceback.extract_tb(error.__traceback__)
            place = next((one for one in reversed(places) if "reidr" in Path(one.filename).parts), places[-1])
            sys.stderr.write(f"reidr: internal error {type(error).__name__} at {place.filename}:{place.lineno}\n")
            await self._refuse(scope, exchange, RequestError("internal error; the server's log names the place", 500))

    def _check(self, scope: Scope, headers: Headers, exchange: Exchange) -> None:
        if self.local and not is_loopback(headers.get("host", "")):
            # On this machine only, and not under a name that a web page has pointed here.
            raise RequestError("this server answers requests to its own address only", 403)
        if "content-length" in headers and "transfer-encoding" in headers:
            # A proxy before us may believe the other one, and take the rest for somebody else's request.
            raise RequestError("a request has a Content-Length or comes in chunks, not both")
        if scope["method"] != "POST" and exchange.has_body:
            raise RequestError(f"a {scope['method']} request takes no body here")
        if self.service.stopping:
            raise RequestError(STOPPING, 503)
        if self._also is not None:
            self._also(scope, headers)

    async def _refuse(self, scope: Scope, exchange: Exchange, error: RequestError) -> None:
        if exchange.started:
            return
        if error.status != 408:  # then we have waited already
            await exchange.drain()
        body, content_type = self._error_body(scope["path"], error)
        start: dict[str, Any] = {"type": "http.response.start", "status": error.status}
        await exchange.send({**start, "headers": error_headers(error, content_type, len(body))})
        await exchange.send({"type": "http.response.body", "body": body})


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine."""
    return OWN_HOST.fullmatch(host) is not None
