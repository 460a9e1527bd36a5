"""Work kept in flight: what ends makes room at once for what waits, across batches too.

A batch of rollouts ends with its slowest completion. Whoever waits for it before asking for the next batch leaves the
servers idle meanwhile; with completions of very unequal lengths that is most of the time
(`benchmarks/rollout_schedule.py`). So the next batches may be announced: they begin behind the present one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
Work = Mapping[Hashable, Callable[[], T]]
"""What is to be done, by a name that stands for the same result whenever it is asked for."""


class InFlight(Generic[T]):
    """Does work in threads, first come, first served. Use it from one thread."""

    def __init__(self, capacity: int) -> None:
        """`capacity`: how much is done at a time."""
        self.capacity = capacity
        self._pool = ThreadPoolExecutor(capacity)
        self._begun: dict[Hashable, Future[T]] = {}

    def collect(self, wanted: Work[T], announced: Work[T] | None = None) -> list[T]:
        """The results of `wanted`, in its order, each computed once.

        Args:
            announced: what will be wanted next; it begins when all of `wanted` has begun, and is kept until it is
                asked for.

        Raises:
            Exception: as the work; what has not begun yet is then given up.
        """
        for name, work in {**wanted, **(announced or {})}.items():
            if name not in self._begun:
                self._begun[name] = self._pool.submit(work)
        try:
            return [self._begun.pop(name).result() for name in wanted]
        except BaseException:
            self.drop()
            raise

    def drop(self) -> None:
        """Give up what was announced and not asked for; what is under way ends for nothing."""
        for future in self._begun.values():
            future.cancel()
        self._begun.clear()
