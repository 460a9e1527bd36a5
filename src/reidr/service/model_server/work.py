"""The one model's turns: requests wait in order, those whose caller has gone are dropped, and all can be stopped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.requests import Request

from reidr.reasoning.backends.card import FIELD, stored_card
from reidr.reasoning.backends.reference import Reasoner
from reidr.service.http.body import Memory, read_body
from reidr.service.http.errors import RequestError
from reidr.service.http.waiting import first_of, until_gone
from reidr.service.model_server.answering.completion import Completer
from reidr.service.model_server.answering.prepare import Pictures, Prepared, Preparer
from reidr.service.model_server.limits import Limits

Work = TypeVar("Work", Prepared, Pictures)


class ChatService:
    """Chat completions of one reasoner. Its methods are for one event loop; the model works in a thread beside it."""

    def __init__(self, reasoner: Reasoner, limits: Limits | None = None) -> None:
        self.reasoner = reasoner
        self.limits = limits or Limits()
        self.memory = Memory(self.limits.memory_bytes)
        self.preparer = Preparer(reasoner, self.limits)
        self.completer = Completer(reasoner)
        self.stopping = False
        self._under_way: dict[threading.Event, asyncio.Future[None]] = {}
        # One thread each: no two requests are decoded, and no two answered, at the same time.
        self._reading = ThreadPoolExecutor(1, "reidr-prepare")
        self._answering = ThreadPoolExecutor(1, "reidr-answer")

    @property
    def waiting(self) -> int:
        """Requests that are prepared, wait or are answered."""
        return len(self._under_way)

    async def models(self) -> dict[str, Any]:
        """The answer to `/v1/models`. `root` identifies the weights."""
        # Hashing large weights takes seconds, the first time.
        weights = await asyncio.to_thread(lambda: self.reasoner.weights_hash)
        root = f"{self.reasoner.name} {weights}"
        model = {
            FIELD: stored_card(self.reasoner.card),
            "id": self.reasoner.name,
            "object": "model",
            "created": 0,
            "owned_by": "reidr",
            "root": root,
        }
        return {"object": "list", "data": [model | {"max_model_len": self.preparer.context}]}

    async def chat(self, request: Request) -> bytes:
        """The answer to a chat completion request, as JSON. Raises as `_answer`."""
        return await self._answer(request, self.preparer.prepare, self.completer.complete)

    async def embeddings(self, request: Request) -> bytes:
        """The answer to a request for pictures' embeddings, as JSON. Raises as `_answer`."""
        return await self._answer(request, self.preparer.prepare_pictures, self.completer.embed)

    async def _answer(
        self,
        request: Request,
        prepare: Callable[[bytearray], Work],
        complete: Callable[[Work, threading.Event], bytes],
    ) -> bytes:
        """What `complete` makes of what `prepare` reads in a request.

        Raises:
            RequestError: why there is none.
            ClientGoneError: the caller has gone, so nothing more is computed for it.
        """
        with self.memory.hold() as held:
            raw = await read_body(request, held, self.limits)
            if len(self._under_way) >= self.limits.waiting:
                raise RequestError(f"{self.limits.waiting} requests are under way already; try again", 429)
            cancelled = threading.Event()
            loop = asyncio.get_running_loop()
            given_up = self._under_way[cancelled] = loop.create_future()
            gone = asyncio.create_task(until_gone(request))
            try:
                preparing = loop.run_in_executor(self._reading, prepare, raw)
                prepared = await first_of(preparing, gone, given_up)
                del raw, preparing
                held.set(prepared.bytes)
                answering = loop.run_in_executor(self._answering, complete, prepared, cancelled)
                return await first_of(answering, gone, given_up)
            finally:
                # Work that has not begun is taken from the queue by `first_of`; what has, ends at its next token.
                cancelled.set()
                gone.cancel()
                del self._under_way[cancelled]

    def stop(self) -> None:
        """Take no more requests; what is under way goes on."""
        self.stopping = True

    def cancel(self) -> None:
        """End what is under way, too: its callers get an error at once, even where a token takes long."""
        for cancelled, given_up in self._under_way.items():
            cancelled.set()
            if not given_up.done():
                given_up.set_result(None)

    def close(self) -> None:
        """Give the threads back."""
        self._reading.shutdown(wait=False, cancel_futures=True)
        self._answering.shutdown(wait=False, cancel_futures=True)
