"""One request and its response, whatever becomes of the request's body."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Send

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
