"""Camera and time from paths: a readable template, and one sentence where it cannot be used."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reidr.data.reading.labels import read_label
from reidr.data.reading.path_pattern import PathFacts, PathPattern
from reidr.errors import DataError

DAYS = "{camera}/{date}/{time}_{}.jpg"


def seconds(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("template", "path", "facts"),
    [
        (DAYS, "cam1/2026-11-27/08-38-44_106.jpg",
         PathFacts("cam1", None, seconds(2026, 11, 27, 8, 38, 44), shown="2026-11-27 08:38:44")),
        (DAYS, "cam 2/20261127/083844.5_x.jpg",
         PathFacts("cam 2", None, seconds(2026, 11, 27, 8, 38, 44) + 0.5, shown="2026-11-27 08:38:44.5")),
        ("{person}_{camera}_{frame}.png", "7_hall_0120.png", PathFacts("hall", "7", 120.0, "frames", "frame 0120")),
        ("{camera}/{time}.png", "c/00-00-00.png", PathFacts("c", None, 0.0, shown="00:00:00")),
        ("{camera}/{time}.png", "c/08.38.44.png", PathFacts("c", None, 8 * 3600 + 38 * 60 + 44.0, shown="08:38:44")),
        ("{camera}/{date:%d.%m.%y}/{}", "c/27.11.26/a.jpg",
         PathFacts("c", None, seconds(2026, 11, 27), shown="2026-11-27")),
        ("{camera}_{date:%Y%m%dT%H%M%S}.jpg", "c_20261127T083844.jpg",
         PathFacts("c", None, seconds(2026, 11, 27, 8, 38, 44), shown="2026-11-27 08:38:44")),
        ("{camera}/{}", "c/any thing.jpg", PathFacts("c", unit="frames")),
        ("{camera}/{}", "none/x.jpg", PathFacts(None, unit="frames")),  # labels are read as everywhere
        ("{camera}/{}", " 1.0 /x.jpg", PathFacts("1", unit="frames")),
        ("a.b/{camera}.jpg", "a.b/c.jpg", PathFacts("c", unit="frames")),
        ("a.b/{camera}.jpg", "axb/c.jpg", None),  # a dot is a dot
        (DAYS, "cam1/2026-13-27/08-38-44_1.jpg", None),  # no such month
        (DAYS, "cam1/2026-11-27/25-00-00_1.jpg", None),
        (DAYS, "x/cam1/2026-11-27/08-38-44_1.jpg", None),  # the whole path, not its end
        (DAYS, "cam1/2026-11-27/08-38-44_1.jpg.part", None),
    ],
)  # fmt: skip
def test_what_a_path_says(template: str, path: str, facts: PathFacts | None) -> None:
    assert PathPattern(template).read(path) == facts


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("crops", "no field in braces"),
        ("{cam}/x.jpg", "no field {cam}"),
        ("{camera}{time}.jpg", "side by side"),
        ("{camera}/{time.jpg", "not closed"),
        ("{camera}/{}}.jpg", "not closed"),
        ("{camera}/{camera}.jpg", "twice"),
        ("{camera:%d}/x", "{camera:%d}"),
        ("{date:%Q}/x", "bad directive"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(template: str, said: str) -> None:
    with pytest.raises(DataError, match="pattern") as refused:
        PathPattern(template)
    assert said in str(refused.value)


@settings(max_examples=80, deadline=None)
@example(camera="INF", moment=datetime(2026, 11, 27), rest="")
@given(
    camera=st.text(string.ascii_letters + string.digits + " .-", min_size=1, max_size=8),
    moment=st.datetimes(datetime(1990, 1, 1), datetime(2099, 1, 1)),
    rest=st.text(string.ascii_letters, max_size=6),
)
def test_what_is_written_by_a_template_is_read_by_it(camera: str, moment: datetime, rest: str) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    found = PathPattern(DAYS).read(f"{camera}/{moment:%Y-%m-%d}/{moment:%H-%M-%S}_{rest}.jpg")
    assert found is not None
    assert found.camera == read_label(camera)
    assert found.time is not None
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=found.time) == moment
    assert found.shown == f"{moment:%Y-%m-%d %H:%M:%S}"
