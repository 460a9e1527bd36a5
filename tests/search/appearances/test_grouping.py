"""Tracks become appearances: properties against a naive twin, and the cases that an engineer would check."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from reidr.search.appearances.grouping import appearance_of, grouped, time_line
from reidr.search.appearances.types import FoundTrack


@dataclass(frozen=True)
class At:
    """A track as grouping sees it."""

    track: str
    camera: str
    start: float | None
    end: float | None


def anybody(_: str, __: str) -> bool:
    return True


def names(groups: list[list[At]]) -> list[list[str]]:
    return [[track.track for track in group] for group in groups]


def test_tracks_of_one_camera_within_the_gap_are_one_appearance() -> None:
    tracks = [At("a", "door", 0, 10), At("b", "yard", 20, 30), At("c", "door", 100, 110), At("d", "door", 300, 310)]
    assert names(grouped(tracks, 120, anybody)) == [["a", "c"], ["b"], ["d"]]
    assert names(grouped(tracks, 200, anybody)) == [["a", "c", "d"], ["b"]]
    assert names(grouped(tracks, 0, anybody)) == [["a"], ["b"], ["c"], ["d"]]


def test_a_later_track_joins_what_it_lies_between() -> None:
    tracks = [At("a", "door", 0, 10), At("c", "door", 200, 210), At("b", "door", 100, 110)]
    assert names(grouped(tracks, 120, anybody)) == [["a", "c", "b"]]


def test_two_people_at_once_are_two_people() -> None:
    tracks = [At("a", "door", 0, 10), At("twin", "door", 5, 15), At("b", "door", 40, 50)]
    groups = grouped(tracks, 120, anybody)
    assert names(groups) == [["a", "b"], ["twin"]]  # the better of the two has it


def test_those_who_do_not_look_alike_and_those_without_a_time_stand_alone() -> None:
    tracks = [At("a", "door", 0, 10), At("b", "door", 20, 30), At("n", "door", None, None), At("m", "door", None, 5)]
    assert names(grouped(tracks, 120, lambda one, other: False)) == [["a"], ["b"], ["n"], ["m"]]
    assert names(grouped(tracks, 120, anybody)) == [["a", "b"], ["n"], ["m"]]


def test_no_more_groups_than_wanted_and_nothing_behind_the_first_too_many() -> None:
    tracks = [At("a", "1", 0, 1), At("b", "2", 0, 1), At("a2", "1", 5, 6), At("c", "3", 0, 1), At("b2", "2", 5, 6)]
    assert names(grouped(tracks, 60, anybody, 2)) == [["a", "a2"], ["b"]]


@pytest.mark.parametrize("seed", range(30))
def test_groups_are_what_they_are_said_to_be(seed: int) -> None:
    random = np.random.default_rng(seed)
    alike: dict[tuple[str, str], bool] = {}
    tracks = []
    for number in range(25):
        start = float(random.integers(0, 600))
        known = random.random() > 0.1
        end = start + float(random.integers(1, 40))
        tracks.append(At(f"{number:02}", str(random.integers(3)), start if known else None, end if known else None))

    def look(one: str, other: str) -> bool:
        key = (min(one, other), max(one, other))
        return alike.setdefault(key, bool(random.random() < 0.8))

    groups = grouped(tracks, 60.0, look)
    flat = [track.track for group in groups for track in group]
    assert sorted(flat) == sorted(track.track for track in tracks)
    assert [group[0].track for group in groups] == sorted(group[0].track for group in groups)
    for group in groups:
        assert [track.track for track in group] == sorted(track.track for track in group)
        assert len({track.camera for track in group}) == 1
        if len(group) == 1:
            continue
        in_time = sorted(group, key=lambda track: track.start or 0.0)
        for one, other in itertools.pairwise(in_time):
            assert one.end is not None
            assert other.start is not None
            assert 0 <= other.start - one.end <= 60
        assert all(look(one.track, other.track) for one in group for other in group if one is not other)


def found(track: str, camera: str = "door", rank: int = 1, **fields: object) -> FoundTrack:
    values: dict[str, object] = {
        "track": track, "camera": camera, "recording": None, "start": None, "end": None, "crops": 1,
        "best": f"{track}.jpg", "rank": rank, "distance": 0.5, "order_value": 0.5, "direct_score": None, "p_same": None,
    }  # fmt: skip
    return FoundTrack.model_validate({**values, **fields})


@pytest.mark.parametrize(
    ("decisions", "together"),
    [
        (["undecided", "same", "different"], "same"),
        (["different", "different"], "different"),
        (["different", "undecided"], "undecided"),
    ],
)
def test_one_confirmed_track_confirms_an_appearance_and_only_all_reject_it(decisions: list[str], together: str) -> None:
    tracks = [found(str(number), decided=decided) for number, decided in enumerate(decisions)]
    assert appearance_of(tracks, 1, None).decided == together


def test_an_appearance_lasts_from_its_first_to_its_last_track_and_shows_its_best() -> None:
    tracks = [found("b", rank=1, start=50.0, end=60.0), found("a", rank=4, start=0.0, end=10.0)]
    made = appearance_of(tracks, 3, 0.7)
    assert (made.id, made.best, made.start, made.end, made.likelihood) == ("b", "b.jpg", 0.0, 60.0, 0.7)
    assert [track.track for track in made.tracks] == ["a", "b"]


def test_the_time_line_has_cameras_as_they_were_reached_and_those_without_a_time_last() -> None:
    appearances = [
        appearance_of([found("x", "yard", start=100.0, end=120.0)], 1, None),
        appearance_of([found("y", "gate")], 2, None),
        appearance_of([found("z", "door", start=20.0, end=30.0)], 3, None),
        appearance_of([found("w", "yard", start=10.0, end=15.0)], 4, None),
    ]
    line = time_line(appearances)
    assert (line.start, line.end) == (10.0, 120.0)
    assert [(each.camera, each.appearances) for each in line.cameras] == [
        ("yard", [4, 1]),
        ("door", [3]),
        ("gate", [2]),
    ]
    assert time_line([]).start is None
