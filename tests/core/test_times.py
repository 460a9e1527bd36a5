"""Times as people write them: with a zone, without one, and wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from reidr.core.times import length_in_words, local_seconds, read_duration, read_time, time_in_words
from reidr.errors import ReIDError


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_a_time_without_a_zone_is_local() -> None:
    noon = datetime(2026, 11, 30, 11, tzinfo=UTC).timestamp()
    assert read_time("2026-11-30T12:00") == noon
    assert read_time("2026-11-30T12:00:00+01:00") == noon
    assert read_time("2026-11-30t11:00:00z") == noon
    assert time_in_words(noon) == "2026-11-30 12:00:00"
    assert local_seconds(datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()) == noon
    july = datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()
    assert local_seconds(july) == july - 7200  # summer time


@pytest.mark.parametrize("text", ["", "noon", "30.11.2026", "2026-13-01T10:00"])
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(ReIDError, match=r"--start .*not a time; write it like 2026-11-30T09:15"):
        read_time(text, "--start")


def test_durations() -> None:
    assert [read_duration(text) for text in ("90", "1.5s", "10m", "1h30m", "2h")] == [90, 1.5, 600, 5400, 7200]
    for wrong in ("", "0", "ten", "-5", "5 m", "1d"):
        with pytest.raises(ReIDError, match="not a length of time"):
            read_duration(wrong)
    assert [length_in_words(seconds) for seconds in (3.44, 125, 4800)] == ["3.4 s", "2 min 5 s", "1 h 20 min"]
