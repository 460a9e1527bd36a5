"""What every request of the search service passes before it is read: who asks, how often, how much; and is counted."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reidr.service.api.admission.callers import LOCAL, Caller, Identify
from reidr.service.api.admission.rates import Rates
from reidr.service.api.metrics import Metrics
from reidr.service.api.settings import ServiceLimits
from reidr.service.http.body import BoundedBody, Memory, check_headers
from reidr.service.http.errors import RequestError

GUARDED = "/v1/"
LONGEST_KEY = 200
NO_KEY = "a key is wanted: Authorization: Bearer KEY (`reidr keys add` makes one)"


class Gate:
    """ASGI middleware. Paths below /v1 want a key where there are keys; the page and /healthz do not."""

    def __init__(self, app: ASGIApp, *, limits: ServiceLimits, metrics: Metrics, identify: Identify | None) -> None:
        """`identify`: None where no key is wanted."""
        self.app, self.limits, self.metrics, self._identify = app, limits, metrics, identify
        self.memory = Memory(limits.memory_bytes)
        self.rates = Rates(limits.per_second, limits.at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *self._headers(scope)]
            await send(message)

        try:
            await self._admit(scope, receive, counted)
        except RequestError as error:
            status = error.status
            raise
        finally:
            method, path = scope["method"], template_of(scope)
            self.metrics.requests.labels(method if path else "other", path or "other", status).inc()
            if path:
                self.metrics.seconds.labels(method, path).observe(time.perf_counter() - started)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        caller = await self._caller(scope, headers)
        scope.setdefault("state", {})["caller"] = caller
        with contextlib.ExitStack() as stack:
            if caller.keyed:
                try:
                    stack.enter_context(self.rates.entered(caller.name))
                except RequestError:
                    self.metrics.refused.labels("caller").inc()
                    raise
            held = stack.enter_context(self.memory.hold())
            if scope["method"] == "POST":
                check_headers(headers, self.limits)
                receive = BoundedBody(receive, held, self.limits).receive
            await self.app(scope, receive, send)

    async def _caller(self, scope: Scope, headers: Headers) -> Caller:
        if self._identify is None or not scope["path"].startswith(GUARDED):
            return LOCAL
        kind, _, key = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not key or len(key) > LONGEST_KEY:
            raise RequestError(NO_KEY, 401)
        caller = await asyncio.to_thread(self._identify, key.strip())
        if caller is None:
            raise RequestError("there is no such key, or it was revoked", 401)
        return caller

    @staticmethod
    def _headers(scope: Scope) -> list[tuple[bytes, bytes]]:
        """What every answer below /v1 says: pictures of people are kept by no cache, and nothing is guessed."""
        if not scope["path"].startswith(GUARDED):
            return []
        return [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


def template_of(scope: Scope) -> str:
    """The path of the route that answers, with its parameters' names; empty where there is none."""
    route: Any = scope.get("route")
    return str(getattr(route, "path", ""))
