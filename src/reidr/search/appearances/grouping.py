"""From tracks to appearances, and from appearances to a time line.

Tracks of one camera are one appearance where they follow each other within a gap, look alike, and do not overlap: two
people who are there at the same time are two people, however alike they look, and somebody else who passes a minute
later must not lengthen an appearance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from reidr.search.appearances.types import Appearance, CameraLine, Decided, FoundTrack, TimeLine


class Seen(Protocol):
    """Somebody at one camera for some time."""

    @property
    def track(self) -> str: ...
    @property
    def camera(self) -> str: ...
    @property
    def start(self) -> float | None: ...
    @property
    def end(self) -> float | None: ...


AnySeen = TypeVar("AnySeen", bound=Seen)
Alike = Callable[[str, str], bool]
"""Whether two tracks, by their ids, may show the same person by their looks."""


def grouped(tracks: Sequence[AnySeen], gap: float, alike: Alike, most: int | None = None) -> list[list[AnySeen]]:
    """Tracks as groups, one for each appearance; groups and the tracks in them in the order given, best first.

    A track joins every earlier group of its camera to which it is within `gap` seconds, all of whose tracks it looks
    like, and none of whose tracks it overlaps; groups that it joins become one where that holds between them too. A
    track without a time stands alone.

    Args:
        most: the tracks behind the one that would begin group `most` + 1 are left out, and so is that one.
    """
    place = {track.track: number for number, track in enumerate(tracks)}
    groups: list[list[AnySeen]] = []
    for track in tracks:
        own, rest = [track], []
        for group in groups:  # the best first: of two that it could join, but which cannot be one, the better has it
            if belong(group, own, gap, alike):
                own = [*group, *own]
            else:
                rest.append(group)
        if len(own) == 1 and len(groups) == most:
            break
        own.sort(key=lambda each: place[each.track])
        groups = sorted([*rest, own], key=lambda group: place[group[0].track])
    return groups


def belong(one: Sequence[Seen], other: Sequence[Seen], gap: float, alike: Alike) -> bool:
    """Whether two groups of tracks are one appearance: one camera, near in time, nobody in two places, all alike."""
    if one[0].camera != other[0].camera:
        return False
    apart = [time_between(first, second) for first in one for second in other]
    if any(seconds is None or seconds < 0 for seconds in apart):
        return False
    if min(seconds for seconds in apart if seconds is not None) > gap:
        return False
    return all(alike(first.track, second.track) for first in one for second in other)


def time_between(one: Seen, other: Seen) -> float | None:
    """Seconds between two tracks, below 0 where they overlap; None where a time is unknown."""
    if one.start is None or one.end is None or other.start is None or other.end is None:
        return None
    return max(one.start, other.start) - min(one.end, other.end)


def appearance_of(tracks: Sequence[FoundTrack], rank: int, likelihood: float | None) -> Appearance:
    """One appearance of tracks in the order of their ranks."""
    best = tracks[0]
    starts = [track.start for track in tracks if track.start is not None]
    ends = [track.end for track in tracks if track.end is not None]
    return Appearance(
        id=best.track,
        rank=rank,
        camera=best.camera,
        recording=best.recording,
        start=min(starts, default=None),
        end=max(ends, default=None),
        likelihood=likelihood,
        best=best.best,
        decided=decided_together([track.decided for track in tracks]),
        doubtful=any(track.doubtful for track in tracks),
        tracks=sorted(tracks, key=lambda track: (track.start is None, track.start, track.rank)),
    )


def decided_together(decisions: Sequence[Decided]) -> Decided:
    """What holds of an appearance: "same" where it does of one of its tracks, "different" where of all."""
    if "same" in decisions:
        return "same"
    return "different" if all(each == "different" for each in decisions) else "undecided"


def time_line(appearances: Sequence[Appearance]) -> TimeLine:
    """When the person may have been where."""
    cameras: dict[str, list[Appearance]] = {}
    for appearance in sorted(appearances, key=lambda each: (each.start is None, each.start, each.rank)):
        cameras.setdefault(appearance.camera, []).append(appearance)
    return TimeLine(
        start=min((each.start for each in appearances if each.start is not None), default=None),
        end=max((each.end for each in appearances if each.end is not None), default=None),
        cameras=[CameraLine(camera=name, appearances=[each.rank for each in own]) for name, own in cameras.items()],
    )
