"""How long people take between cameras counts for or against a track, never without bounds, and says why."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from reidr.errors import DataError
from reidr.search.appearances.travel import (
    OTHERWISE,
    STRONGEST,
    Sighting,
    TravelTime,
    read_travel_times,
    travel_evidence,
)

ROW = TravelTime.model_validate({"from": "door", "to": "yard", "least": 60, "usual": 90, "most": 180})
PERSON = Sighting("the person", "door", 0.0, 10.0)


def seen(start: float, camera: str = "yard") -> Sighting:
    return Sighting("t", camera, start, start + 5)


def test_the_density_is_one() -> None:
    for row in (ROW, ROW.model_copy(update={"usual": 60.0}), ROW.model_copy(update={"usual": 180.0})):
        seconds = np.linspace(0, 300, 30_001)
        assert np.trapezoid([row.density(each) for each in seconds], seconds) == pytest.approx(1.0, abs=1e-3)


def test_the_usual_time_speaks_for_the_person_most_and_an_impossible_one_against() -> None:
    values = []
    for after in (20, 70, 100, 150, 500):
        found = travel_evidence(seen(10.0 + after), [PERSON], [ROW], 600.0)
        assert found is not None
        values.append(found.log_likelihood)
    impossible, early, usual, late, too_late = values
    assert impossible == too_late == pytest.approx(math.log(OTHERWISE))
    assert impossible < early < usual
    assert late < usual
    # Written out: within ten minutes a stranger's time has the density 1/600.
    assert usual == pytest.approx(math.log(0.9 * (2 / 120) * (180 - 100) / 90 * 600 + 0.1))


def test_no_time_says_more_than_the_bound() -> None:
    found = travel_evidence(seen(100.0), [PERSON], [ROW], math.inf)
    assert found is not None
    assert found.log_likelihood == pytest.approx(math.log(STRONGEST))
    assert "10.0 times likelier for the same person" in found.sentence


def test_before_the_person_was_seen_the_row_of_the_other_direction_counts() -> None:
    before = Sighting("t", "yard", -100.0, -90.0)
    assert travel_evidence(before, [PERSON], [ROW], 600.0) is None
    back = TravelTime.model_validate({"from": "yard", "to": "door", "least": 60, "usual": 90, "most": 180})
    found = travel_evidence(before, [PERSON], [ROW, back], 600.0)
    assert found is not None
    assert found.log_likelihood > 0
    assert "90 s before" in found.sentence


def test_the_sighting_nearest_in_time_counts_alone() -> None:
    later = Sighting("the person again", "door", 1000.0, 1010.0)
    found = travel_evidence(seen(1100.0), [PERSON, later], [ROW], 600.0)
    assert found is not None
    assert "the person again" in found.sentence
    alone = travel_evidence(seen(1100.0), [later], [ROW], 600.0)
    assert alone == found


def test_in_two_places_at_once_is_nobody() -> None:
    found = travel_evidence(seen(5.0), [PERSON], [ROW], 600.0)
    assert found is not None
    assert found.log_likelihood < 0
    assert "while" in found.sentence


def test_cameras_that_no_row_names_say_nothing() -> None:
    assert travel_evidence(seen(100.0, "roof"), [PERSON], [ROW], 600.0) is None
    assert travel_evidence(seen(100.0, "door"), [PERSON], [ROW], 600.0) is None


def test_a_table_is_read_and_every_wrong_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "times.csv"
    file.write_text("from, to,least,usual,most\ndoor,yard,60,90,180\nyard,door,50,80,200\n")
    assert read_travel_times(file) == (
        ROW, TravelTime.model_validate({"from": "yard", "to": "door", "least": 50, "usual": 80, "most": 200}),
    )  # fmt: skip
    wrong = {
        "from,to,least,usual\na,b,1,2\n": "most is missing",
        "from,to,least,usual,most\n": "no row",
        "from,to,least,usual,most\na,b,9,2,3\n": "line 2.*in that order",
        "from,to,least,usual,most\na,b,1,soon,3\n": "line 2.*usual",
        "from,to,least,usual,most\na,a,1,2,3\n": "two different cameras",
        "from,to,least,usual,most\na,b,1,2,3\na,b,1,2,3\n": "line 3.*twice",
    }
    for text, message in wrong.items():
        file.write_text(text)
        with pytest.raises(DataError, match=message):
            read_travel_times(file)
    with pytest.raises(DataError, match="cannot be read"):
        read_travel_times(tmp_path / "none.csv")
