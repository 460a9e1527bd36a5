"""What is asked of a gallery: who, where, when, and how much of an answer."""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reidr.search.appearances.travel import TravelTime

MOST_PICTURES, MOST_MATCHES = 50, 200
Seconds = Annotated[float, Field(allow_inf_nan=False)]


class GivenPicture(BaseModel):
    """A picture of the person as somebody gave it: its name and the encoded file (base64 in JSON)."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    name: str
    content: bytes = Field(repr=False)


class SearchRequest(BaseModel):
    """One search. The person is given by pictures, by tracks of the gallery, by words, or by several of these.

    Raises pydantic's ValidationError, a ValueError, where nobody is given or a number is out of range.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    pictures: tuple[GivenPicture, ...] = Field((), max_length=MOST_PICTURES, description="of one and the same person")
    tracks: tuple[str, ...] = Field((), description="tracks of the gallery that show the person; they are not found")
    words: str = Field("", max_length=1000, description="a description: red top, black backpack, no hat")
    confirmed: tuple[str, ...] = Field(
        (), description="found tracks that were confirmed: their crops join the query, and they stay in the answer"
    )
    rejected: tuple[str, ...] = Field((), description="found tracks that were rejected: they come last")
    cameras: tuple[str, ...] = Field((), description="search these alone; all where none is named")
    since: Seconds | None = Field(None, description="leave out what ended before; seconds since 1970, UTC")
    until: Seconds | None = Field(None, description="leave out what began later")
    max_matches: int = Field(10, ge=1, le=MOST_MATCHES, description="appearances at most")
    gap: float = Field(
        120.0, ge=0, allow_inf_nan=False, description="tracks of one camera within so many seconds are one appearance"
    )
    reasons: int = Field(5, ge=0, le=MOST_MATCHES, description="tracks at most for which reasons are written")
    adaptive: bool = Field(False, description="score only candidates in doubt, by the reasoner's stored policy")
    travel_times: tuple[TravelTime, ...] = Field((), description="how long people take between cameras")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if not (self.pictures or self.tracks or self.confirmed or self.words.strip()):
            raise ValueError("nobody is searched for: give a picture, a track of the gallery, or words")
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError("the time searched ends before it begins")
        return self

    @property
    def known(self) -> tuple[str, ...]:
        """Tracks that are taken to show the person."""
        return tuple(dict.fromkeys((*self.tracks, *self.confirmed)))

    @property
    def window(self) -> float:
        """Length in seconds of the time searched; infinite where an end is open."""
        return math.inf if self.since is None or self.until is None else self.until - self.since
