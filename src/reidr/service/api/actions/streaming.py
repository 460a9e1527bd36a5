"""Reasons as they are thought: server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel

from reidr.errors import ReIDError
from reidr.service.api.problems import as_request_error
from reidr.service.api.service import Asking
from reidr.service.http.errors import RequestError, problem_of

EVENTS = "text/event-stream"
HEADERS = {"X-Accel-Buffering": "no"}  # nginx would hold the events back until it has a page of them
BEAT_SECONDS = 10.0
BEAT = b": thinking\n\n"

Item = TypeVar("Item")


def event(kind: str, value: BaseModel | dict[str, Any]) -> bytes:
    """One event; its data is one line of JSON."""
    text = value.model_dump_json() if isinstance(value, BaseModel) else json.dumps(value)
    return f"event: {kind}\ndata: {text}\n\n".encode()


async def events_of(
    ask: Asking, kind: str, begin: Callable[[], Iterator[Item]], show: Callable[[Item], BaseModel]
) -> AsyncIterator[bytes]:
    """An event for every item, then `done`; or `problem` where it ends early. In between a comment now and then.

    Each item is a turn of the models of its own, so that whoever searches need not wait until all is thought. When the
    caller goes, the item that is being made is the last one.
    """
    items: list[Iterator[Item]] = []

    def following() -> Item | None:
        if not items:
            items.append(begin())
        return next(items[0], None)

    try:
        while True:
            turn = asyncio.ensure_future(patient(ask, kind, following))
            try:
                while not (await asyncio.wait((turn,), timeout=BEAT_SECONDS))[0]:
                    yield BEAT
                item = turn.result()
            finally:
                turn.cancel()
            if item is None:
                break
            yield event(kind, show(item))
        yield event("done", {})
    except ReIDError as error:
        yield event("problem", problem_of(as_request_error(error)))


async def patient(ask: Asking, kind: str, job: Callable[[], Item]) -> Item:
    """A turn of the models that waits where too much waits already: who listens to a stream cannot come back."""
    while True:
        try:
            return await ask.compute(kind, job)
        except RequestError as error:
            if error.status != 429:
                raise
            await asyncio.sleep(error.retry)
