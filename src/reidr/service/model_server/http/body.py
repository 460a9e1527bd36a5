"""Taking in a request's body: bounded in bytes, in time, and in the memory of all of them together."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from reidr.service.model_server.http.errors import ClientGoneError, RequestError
from reidr.service.model_server.limits import Limits


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


def check_headers(request: Request, limits: Limits) -> None:
    """What a request's headers already say against it. Raises RequestError."""
    # A page in a browser can send other types to this machine without being asked, but not this one.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError("the request's Content-Type must be application/json", 415)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestError("a compressed request is not taken", 415)
    length = request.headers.get("content-length", "")
    if not length and "transfer-encoding" not in request.headers:
        raise RequestError("the request needs a Content-Length, or to be sent in chunks", 411)
    if length and not (length.isascii() and length.isdecimal()):
        raise RequestError("the request's Content-Length is no number")
    # Python does not read numbers of more than 4,300 digits.
    if len(length.lstrip("0")) > 20 or int(length or 0) > limits.request_bytes:
        raise too_large(limits)


def too_large(limits: Limits) -> RequestError:
    """The request has too many bytes."""
    return RequestError(f"the request is larger than {limits.request_bytes:,} bytes", 413)


async def read_body(request: Request, held: Held, limits: Limits) -> bytearray:
    """The whole body; `held` grows with it.

    Raises:
        RequestError: it is too large, comes too slowly, or there is no memory for it.
        ClientGoneError: the caller has gone.
    """
    check_headers(request, limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.stream():
                if len(body) + len(chunk) > limits.request_bytes:
                    raise too_large(limits)
                held.set(len(body) + len(chunk))
                body += chunk
    except TimeoutError:
        raise RequestError(f"the request did not come in within {limits.body_seconds:g} seconds", 408) from None
    except ClientDisconnect:
        raise ClientGoneError from None
    return body
