"""Tracklets: pictures of one person that one camera took one after the other, searched for as one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reidr.data.types import Crop
from reidr.errors import DataError


@dataclass(frozen=True)
class Track:
    """The crops of one tracklet, in the order of their ids; of a crop without a track label, that crop alone."""

    crops: tuple[Crop, ...]

    @property
    def middle(self) -> Crop:
        """The crop that stands for the tracklet where one picture is shown."""
        return self.crops[len(self.crops) // 2]

    @property
    def person(self) -> str | None:
        """Whom the tracklet shows."""
        return self.crops[0].person

    @property
    def camera(self) -> str | None:
        """The camera that took it."""
        return self.crops[0].camera


def tracks_of(crops: Iterable[Crop]) -> tuple[Track, ...]:
    """Crops grouped into tracklets: equal `track` and camera. In the order of each tracklet's first crop.

    Raises DataError for a tracklet that shows two people, or is junk in part: one label is wrong.
    """
    groups: dict[tuple[str | None, str], list[Crop]] = {}
    for crop in crops:
        key = (crop.camera, f"track {crop.track}") if crop.track is not None else (crop.camera, f"crop {crop.id}")
        groups.setdefault(key, []).append(crop)
    for own in groups.values():
        for crop in own:
            if (crop.person, crop.junk) != (own[0].person, own[0].junk):
                raise DataError(
                    f"{crop.id}: shows person {crop.person}, but {own[0].id} of the same tracklet {crop.track} shows "
                    f"{own[0].person}; tracklet labels must not be used for two people within a camera"
                )
    return tuple(Track(tuple(sorted(own, key=lambda crop: crop.id))) for own in groups.values())
