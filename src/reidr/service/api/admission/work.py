"""The one model's turns, and the stores': bounded, in order, given up when the caller goes or waits too long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

from starlette.requests import Request

from reidr.service.api.metrics import Metrics
from reidr.service.api.settings import ServiceLimits
from reidr.service.http.errors import STOPPING, RequestError
from reidr.service.http.waiting import first_of, until_gone

Result = TypeVar("Result")
Lane = Literal["models", "stores"]
STORE_THREADS = 4
USUAL_SECONDS = 0.2  # of one turn of the models, before any is known
MEMORY = 0.2  # weight of the last turn in the running mean
LONGEST_RETRY = 60
IN_TIME = 0.8  # of the time for an answer that the queue may take: pieces differ


class WorkQueue:
    """Runs work in threads. Its methods are for one event loop.

    The models work for one request at a time. What only reads or writes the stores does not wait for them.
    """

    def __init__(self, limits: ServiceLimits, metrics: Metrics) -> None:
        self.limits, self.metrics = limits, metrics
        self.stopping = False
        self.waiting = 0
        """Pieces of work that wait for the models or are done by them."""
        self._seconds = USUAL_SECONDS
        self._under_way: set[asyncio.Future[None]] = set()
        self._threads = {
            "models": ThreadPoolExecutor(1, "reidr-models"),
            "stores": ThreadPoolExecutor(STORE_THREADS, "reidr-stores"),
        }

    async def run(self, request: Request, lane: Lane, kind: str, job: Callable[[], Result]) -> Result:
        """What `job` gives, in its turn. A job that has begun runs to its end; its result is then given to nobody.

        Raises:
            RequestError: 429, too much waits already; 503, it takes too long, or the server ends; or what `job` raises.
            ClientGoneError: the caller has gone.
        """
        if self.stopping:
            raise RequestError(STOPPING, 503)
        counted = int(lane == "models")
        if counted and not self._has_room():
            raise self.full()
        loop = asyncio.get_running_loop()
        given_up: asyncio.Future[None] = loop.create_future()
        self._under_way.add(given_up)
        gone = asyncio.create_task(until_gone(request))
        self.waiting += counted
        self.metrics.waiting.set(self.waiting)
        work = loop.run_in_executor(self._threads[lane], self._timed, lane, kind, job)
        try:
            async with asyncio.timeout(self.limits.answer_seconds):
                return await first_of(work, gone, given_up)
        except TimeoutError:
            raise RequestError(
                f"the answer was not ready within {self.limits.answer_seconds:g} seconds; try again", 503,
                retry=self.retry_seconds(),
            ) from None  # fmt: skip
        finally:
            work.cancel()  # taken from the queue, where it has not begun: nobody waits for it any more
            gone.cancel()
            self._under_way.discard(given_up)
            self.waiting -= counted
            self.metrics.waiting.set(self.waiting)

    def _has_room(self) -> bool:
        """Whether one more piece of work would be done in time, by how long pieces have taken of late.

        Whoever would wait in vain is better told at once: work that is given up half-way helps nobody.
        """
        in_time = (self.waiting + 1) * self._seconds <= IN_TIME * self.limits.answer_seconds
        return self.waiting < self.limits.waiting and (in_time or self.waiting == 0)

    def full(self) -> RequestError:
        """Too much waits already; says when to come back."""
        self.metrics.refused.labels("queue").inc()
        told = f"{self.waiting} requests wait already, as many as are answered in time; try again later"
        return RequestError(told, 429, retry=self.retry_seconds())

    def retry_seconds(self) -> int:
        """After how many seconds half of what waits now will be done."""
        return max(1, min(LONGEST_RETRY, round(self.waiting * self._seconds / 2)))

    def _timed(self, lane: Lane, kind: str, job: Callable[[], Result]) -> Result:
        started = time.perf_counter()
        try:
            return job()
        finally:
            seconds = time.perf_counter() - started
            self.metrics.work.labels(kind).observe(seconds)
            if lane == "models":  # one thread alone writes it
                self._seconds += MEMORY * (seconds - self._seconds)

    def stop(self) -> None:
        """Take no more work; what is under way goes on."""
        self.stopping = True

    def cancel(self) -> None:
        """Let nobody wait any longer."""
        for given_up in list(self._under_way):
            if not given_up.done():
                given_up.set_result(None)

    def close(self) -> None:
        """Give the threads back, once what they do is done."""
        for threads in self._threads.values():
            threads.shutdown(wait=True, cancel_futures=True)
