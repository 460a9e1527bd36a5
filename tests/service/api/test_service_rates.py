"""How often one caller may ask."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reidr.service.api.admission.rates import BURST_SECONDS, Rates
from reidr.service.http.errors import RequestError


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 3), min_size=1, max_size=80), st.floats(0.5, 20))
def test_no_window_of_time_holds_more_than_the_bucket_and_its_filling(pauses: list[float], per_second: float) -> None:
    clock = Clock()
    rates = Rates(per_second, 1000, clock)
    passed: list[float] = []
    for pause in pauses:
        clock.now += pause
        with contextlib.suppress(RequestError), rates.entered("a"):
            passed.append(clock.now)
    for i, begin in enumerate(passed):
        for j in range(i, len(passed)):
            most = max(1.0, per_second * BURST_SECONDS) + per_second * (passed[j] - begin)
            assert j - i + 1 <= most + 1e-6


def test_who_waits_as_told_may_ask_again() -> None:
    clock = Clock()
    rates = Rates(0.5, 1000, clock)
    for _ in range(2):
        with rates.entered("a"):
            pass
    with pytest.raises(RequestError) as refused, rates.entered("a"):
        pass
    assert refused.value.status == 429
    with rates.entered("b"):  # another key has its own bucket
        pass
    clock.now += refused.value.retry
    with rates.entered("a"):
        pass


def test_only_so_many_requests_of_one_key_at_a_time_and_each_gives_its_place_back() -> None:
    rates = Rates(1000.0, 2, Clock())
    with rates.entered("a"), rates.entered("a"):
        with pytest.raises(RequestError), rates.entered("a"):
            pass
        with rates.entered("b"):
            pass
    with pytest.raises(ZeroDivisionError), rates.entered("a"):
        _ = 1 / 0
    with rates.entered("a"), rates.entered("a"):
        pass
