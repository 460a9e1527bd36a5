"""What every request passes first: whose address it was sent to, the key, whether the server is ending.

It also sees to it that an error is always an answer: nothing raised below it reaches the log with its caller.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import sys
import traceback
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reidr.service.model_server.http.errors import ClientGoneError, RequestError, error_body, error_headers
from reidr.service.model_server.work import STOPPING, ChatService

LOOPBACK = ("127.0.0.1", "localhost", "::1")
OWN_HOST = re.compile(r"(?:127\.0\.0\.1|localhost\.?|\[::1\])(?::\d{1,5})?", re.I | re.A)
DRAIN_SECONDS, DRAIN_BYTES = 2.0, 32_000_000


class Exchange:
    """One request and its response: whether the request's body has been read, and whether an answer has begun."""

    def __init__(self, headers: Headers, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.started = False
        length = headers.get("content-length", "").strip("0")
        self.has_body = bool(length) or "transfer-encoding" in headers
        self.unread = self.has_body
        # A caller who waits for "100 Continue" sends nothing yet.
        self.drains = "expect" not in headers

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.unread = self.unread and message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            if self.unread:
                # What is left of the request would be read as the next one, or never end.
                message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
        await self._send(message)

    async def drain(self) -> None:
        """Read on for a moment: a caller who is still sending would find the connection broken before our answer."""
        if not self.drains:
            return
        left = DRAIN_BYTES
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while self.unread and left > 0:
                    message = await self._receive()
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return
                    left -= len(message.get("body", b""))
        except TimeoutError:
            return


class Guard:
    """ASGI middleware around the whole server."""

    def __init__(self, app: ASGIApp, service: ChatService, local: bool, key: str | None) -> None:
        """`local`: the server listens on this machine only. `key`: what callers of /v1 must know."""
        self.app, self.service, self.local = app, service, local
        self._expected = None if key is None else f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
        if self._expected is not None and scope["path"].startswith("/v1"):
            given = headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, self._expected):
                raise RequestError("this server wants its key (Authorization: Bearer …)", 401)

    async def _refuse(self, scope: Scope, exchange: Exchange, error: RequestError) -> None:
        if exchange.started:
            return
        if error.status != 408:  # then we have waited already
            await exchange.drain()
        body, content_type = error_body(scope["path"], error)
        start: dict[str, Any] = {"type": "http.response.start", "status": error.status}
        await exchange.send({**start, "headers": error_headers(error, content_type, len(body))})
        await exchange.send({"type": "http.response.body", "body": body})


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine."""
    return OWN_HOST.fullmatch(host) is not None
