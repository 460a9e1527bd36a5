"""The queue before the models."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from reidr.service.api.admission.work import IN_TIME, USUAL_SECONDS, WorkQueue
from reidr.service.api.metrics import Metrics
from reidr.service.api.settings import ServiceLimits
from reidr.service.http.errors import ClientGoneError, RequestError


class Connection:
    """A caller who waits, until told to go."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, str]:
        await self.gone.wait()
        return {"type": "http.disconnect"}


def in_queue(limits: ServiceLimits, scenario: Callable[[WorkQueue], Coroutine[Any, Any, None]]) -> None:
    work = WorkQueue(limits, Metrics())
    try:
        asyncio.run(asyncio.wait_for(scenario(work), 20))
    finally:
        work.close()


def test_work_is_done_in_order_by_one_thread_and_more_than_fits_is_refused_with_a_time_to_return() -> None:
    gate = threading.Event()
    done: list[tuple[int, str]] = []

    def job(number: int) -> int:
        gate.wait(10)
        done.append((number, threading.current_thread().name))
        return number

    async def scenario(work: WorkQueue) -> None:
        waiting = [
            asyncio.create_task(work.run(Connection(), "models", "search", lambda n=n: job(n)))
            for n in range(4)  # type: ignore[arg-type, misc]
        ]
        await asyncio.sleep(0.05)
        with pytest.raises(RequestError) as full:
            await work.run(Connection(), "models", "search", lambda: job(9))  # type: ignore[arg-type]
        assert full.value.status == 429
        assert full.value.retry >= 1
        # What only reads the stores does not wait for the models.
        assert await work.run(Connection(), "stores", "list", lambda: "read") == "read"  # type: ignore[arg-type]
        gate.set()
        assert await asyncio.gather(*waiting) == [0, 1, 2, 3]
        assert [number for number, _ in done] == [0, 1, 2, 3]
        assert len({thread for _, thread in done}) == 1
        assert work.waiting == 0

    in_queue(ServiceLimits(waiting=4), scenario)


def test_whoever_goes_is_taken_from_the_queue() -> None:
    gate, begun = threading.Event(), threading.Event()
    done: list[str] = []

    def first() -> None:
        begun.set()
        gate.wait(10)

    async def scenario(work: WorkQueue) -> None:
        busy = asyncio.create_task(work.run(Connection(), "models", "search", first))  # type: ignore[arg-type]
        await asyncio.to_thread(begun.wait, 5)
        caller = Connection()
        waiting = asyncio.create_task(work.run(caller, "models", "search", lambda: done.append("x")))  # type: ignore[arg-type]
        await asyncio.sleep(0.02)
        caller.gone.set()
        with pytest.raises(ClientGoneError):
            await waiting
        gate.set()
        await busy
        assert done == []

    in_queue(ServiceLimits(), scenario)


def test_who_waits_too_long_is_told_to_come_back_and_stopping_refuses() -> None:
    gate = threading.Event()

    async def scenario(work: WorkQueue) -> None:
        started = time.perf_counter()
        with pytest.raises(RequestError) as late:
            await work.run(Connection(), "models", "search", lambda: gate.wait(10))  # type: ignore[arg-type]
        assert late.value.status == 503
        assert time.perf_counter() - started < 5
        waiting = asyncio.create_task(work.run(Connection(), "models", "search", lambda: None))  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        work.stop()
        with pytest.raises(RequestError) as refused:
            await work.run(Connection(), "stores", "list", lambda: None)  # type: ignore[arg-type]
        assert refused.value.status == 503
        work.cancel()
        with pytest.raises(RequestError):
            await waiting
        gate.set()

    in_queue(ServiceLimits(answer_seconds=0.2), scenario)


def test_what_nobody_waits_for_any_more_is_not_done() -> None:
    gate = threading.Event()
    done: list[str] = []

    async def scenario(work: WorkQueue) -> None:
        busy = asyncio.create_task(work.run(Connection(), "models", "search", lambda: gate.wait(10)))  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        late = asyncio.create_task(work.run(Connection(), "models", "search", lambda: done.append("late")))  # type: ignore[arg-type]
        results = await asyncio.gather(busy, late, return_exceptions=True)
        assert [getattr(one, "status", None) for one in results] == [503, 503]
        gate.set()
        assert await work.run(Connection(), "models", "search", lambda: "next") == "next"  # type: ignore[arg-type]
        assert done == []

    in_queue(ServiceLimits(answer_seconds=1.0), scenario)


def test_no_more_is_taken_than_can_be_answered_in_time() -> None:
    gate = threading.Event()

    async def scenario(work: WorkQueue) -> None:
        pieces = [
            asyncio.create_task(work.run(Connection(), "models", "search", lambda: gate.wait(10)))  # type: ignore[arg-type]
            for _ in range(60)
        ]
        await asyncio.sleep(0.05)
        assert work.waiting == int(IN_TIME * 8.0 / USUAL_SECONDS) == 32
        gate.set()
        results = await asyncio.gather(*pieces, return_exceptions=True)
        statuses = [getattr(one, "status", 200) for one in results]
        assert (statuses.count(200), statuses.count(429)) == (32, 28)

    in_queue(ServiceLimits(answer_seconds=8.0, waiting=64), scenario)
