"""Waiting for work while the caller may go, and the server may end."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from starlette.requests import Request

from reidr.service.http.errors import STOPPING, ClientGoneError, RequestError

Result = TypeVar("Result")


async def until_gone(request: Request) -> None:
    """Returns when the caller has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def first_of(work: asyncio.Future[Result], gone: asyncio.Task[None], given_up: asyncio.Future[None]) -> Result:
    """What the work gives, unless something else comes first; then it is taken from its queue.

    Raises:
        ClientGoneError: `gone` is done. RequestError: `given_up` is, or what the work raises.
    """
    waited: set[asyncio.Future[Any]] = {work, gone, given_up}
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    if given_up.done():
        work.cancel()
        raise RequestError(STOPPING, 503)
    if not work.done():
        work.cancel()
        raise ClientGoneError
    return work.result()
