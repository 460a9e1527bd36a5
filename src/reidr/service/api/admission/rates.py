"""How often, and how much at one time, one caller may ask."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from reidr.service.http.errors import RequestError

BURST_SECONDS = 4.0
CALLERS = 10_000  # that are remembered; those who asked last


@dataclass
class Bucket:
    """What one caller has left."""

    tokens: float
    time: float
    under_way: int = 0


class Rates:
    """A token bucket and a count of requests under way for each caller. For one event loop."""

    def __init__(self, per_second: float, at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second, self.at_once, self._clock = per_second, at_once, clock
        self.most = max(1.0, per_second * BURST_SECONDS)
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    @contextmanager
    def entered(self, caller: str) -> Iterator[None]:
        """One request of a caller, from its beginning to its end. Raises RequestError (429) with the time to wait."""
        bucket = self._bucket(caller)
        if bucket.under_way >= self.at_once:
            raise RequestError(f"{self.at_once} requests of this key are under way already; wait for one of them", 429)
        if bucket.tokens < 1.0:
            wait = int((1.0 - bucket.tokens) / self.per_second) + 1
            raise RequestError(f"this key may ask {self.per_second:g} times a second; slow down", 429, retry=wait)
        bucket.tokens -= 1.0
        bucket.under_way += 1
        try:
            yield
        finally:
            bucket.under_way -= 1

    def _bucket(self, caller: str) -> Bucket:
        now = self._clock()
        bucket = self._buckets.pop(caller, None) or Bucket(self.most, now)
        bucket.tokens = min(self.most, bucket.tokens + (now - bucket.time) * self.per_second)
        bucket.time = now
        self._buckets[caller] = bucket
        if len(self._buckets) > CALLERS:
            idle = next((name for name, one in self._buckets.items() if one.under_way == 0), None)
            if idle is not None and idle != caller:
                del self._buckets[idle]
        return bucket
