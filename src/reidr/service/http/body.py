"""Taking in a request's body: bounded in bytes, in time, and in the memory of all of them together."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from reidr.service.http.errors import ClientGoneError, RequestError
from reidr.service.http.limits import HttpLimits


class Memory:
    """Bytes that requests hold, all together. For one event loop."""

    def __init__(self, most: int) -> None:
        self.most, self.used = most, 0

    def hold(self) -> Held:
        """One request's share, empty at first; it is given back at the end of a `with` block."""
        return Held(self)


class Held:
    """What one request holds."""

    def __init__(self, memory: Memory) -> None:
        self._memory, self.bytes = memory, 0

    def set(self, size: int) -> None:
        """Hold so many bytes from now on. Raises RequestError (503) where there is no room for them."""
        more = size - self.bytes
        if more > 0 and self._memory.used + more > self._memory.most:
            raise RequestError("other requests take all memory at the moment; try again", 503)
        self._memory.used += more
        self.bytes = size

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        self.set(0)


def check_headers(headers: Headers, limits: HttpLimits) -> None:
    """What the headers of a request with a body already say against it. Raises RequestError."""
    # A page in a browser can send other types to this machine without being asked, but not this one.
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError("the request's Content-Type must be application/json", 415)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestError("a compressed request is not taken", 415)
    length = headers.get("content-length", "")
    if not length and "transfer-encoding" not in headers:
        raise RequestError("the request needs a Content-Length, or to be sent in chunks", 411)
    if length and not (length.isascii() and length.isdecimal()):
        raise RequestError("the request's Content-Length is no number")
    # Python does not read numbers of more than 4,300 digits.
    if len(length.lstrip("0")) > 20 or int(length or 0) > limits.request_bytes:
        raise too_large(limits)


def too_large(limits: HttpLimits) -> RequestError:
    """The request has too many bytes."""
    return RequestError(f"the request is larger than {limits.request_bytes:,} bytes", 413)


def too_slow(limits: HttpLimits) -> RequestError:
    """The request did not come in in time."""
    return RequestError(f"the request did not come in within {limits.body_seconds:g} seconds", 408)


async def read_body(request: Request, held: Held, limits: HttpLimits) -> bytearray:
    """The whole body; `held` grows with it.

    Raises:
        RequestError: it is too large, comes too slowly, or there is no memory for it.
        ClientGoneError: the caller has gone.
    """
    check_headers(request.headers, limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.stream():
                if len(body) + len(chunk) > limits.request_bytes:
                    raise too_large(limits)
                held.set(len(body) + len(chunk))
                body += chunk
    except TimeoutError:
        raise too_slow(limits) from None
    except ClientDisconnect:
        raise ClientGoneError from None
    return body


class BoundedBody:
    """A body that is read by others (FastAPI), piece by piece, within the same bounds as `read_body`."""

    def __init__(self, receive: Receive, held: Held, limits: HttpLimits) -> None:
        self._receive, self._held, self._limits = receive, held, limits
        self._bytes, self._ended = 0, False
        self._deadline: float | None = None

    async def receive(self) -> Message:
        """The next message. Raises RequestError: too large, too slow, or there is no memory for it."""
        if self._ended:
            return await self._receive()
        now = asyncio.get_running_loop().time()
        self._deadline = self._deadline or now + self._limits.body_seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise too_slow(self._limits) from None
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._limits.request_bytes:
            raise too_large(self._limits)
        self._held.set(self._bytes)
        self._ended = not message.get("more_body", False)
        return message
