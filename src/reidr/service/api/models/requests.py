"""What callers send."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from reidr.service.api.models.fields import Box, Label, Moment, Picture, Reason, Strict

CROPS, PICTURES, CAMERAS, TRACKS = 64, 8, 100, 100
"""The most of each in one request."""
MOST_MATCHES = 200
Words = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]


class Interval(Strict):
    """Where and when: what a search or an erasure is bounded to."""

    start: Moment | None = Field(None, description="Earliest time; a track counts if any of it is later.")
    end: Moment | None = Field(None, description="Latest time; a track counts if any of it is earlier.")

    @model_validator(mode="after")
    def in_order(self) -> Interval:
        """A time range that ends after it starts."""
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ValueError("end is before start")
        return self


class NewCrop(Interval):
    """One crop to enrol: a picture of one person, and where it comes from."""

    picture: Picture
    camera: Label
    id: Label | None = Field(None, description="Left out: made of the picture and where it comes from.")
    track: Label | None = Field(None, description="Crops of one person in one camera; left out: a track of its own.")
    recording: Label | None = Field(None, description="The video or folder that it was cut from.")
    time: Moment | None = Field(None, description="When it was taken.")
    frame: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    box: Box | None = Field(None, description="left, top, right, bottom in pixels of the frame.")
    quality: Annotated[float, Field(ge=0, le=1)] | None = None


class Enrolment(Strict):
    """`POST /v1/crops`."""

    crops: Annotated[list[NewCrop], Field(min_length=1, max_length=CROPS)]
    replace: bool = Field(False, description="Write over crops of the same id that have other content.")


class SearchQuestion(Interval):
    """`POST /v1/searches`: pictures of one person, a track, words, or several of them."""

    pictures: Annotated[list[Picture], Field(max_length=PICTURES)] = Field([], description="Of one person.")
    tracks: Annotated[list[Label], Field(max_length=PICTURES)] = Field(
        [], description="Tracks of the gallery that show the person."
    )
    words: Words | None = Field(
        None, description="A description, such as: red top, black backpack, no hat.", examples=["red top, no hat"]
    )
    cameras: Annotated[list[Label], Field(max_length=CAMERAS)] = Field([], description="Empty: every camera.")
    max_matches: Annotated[int, Field(ge=1, le=MOST_MATCHES)] = Field(20, description="Most appearances to return.")
    case: Label | None = Field(
        None,
        description="Search again for this case, with what was decided since: as it was asked before, or as it is"
        " asked now. Left out: a new case is opened.",
    )
    why: Reason | None = Field(None, description="Why the person is looked for; kept in the audit log.")

    @property
    def asks_anew(self) -> bool:
        """Whether it says whom to search for."""
        return bool(self.pictures or self.tracks or self.words)

    @model_validator(mode="after")
    def asks_for_somebody(self) -> SearchQuestion:
        """Something to search for is given."""
        if not self.asks_anew and self.case is None:
            raise ValueError("give pictures, a track, words, or a case to go on with")
        return self


class DescriptionText(Strict):
    """`POST /v1/descriptions`: words to be understood, without a search."""

    words: Words


class PairSide(Strict):
    """One side of a pair: a picture, or a crop of the gallery."""

    picture: Picture | None = None
    crop: Label | None = None

    @model_validator(mode="after")
    def is_one(self) -> PairSide:
        """Exactly one of the two is given."""
        if (self.picture is None) == (self.crop is None):
            raise ValueError("give a picture or the id of a crop, and not both")
        return self


class PairQuestion(Strict):
    """`POST /v1/explanations`."""

    first: PairSide
    second: PairSide
    why: Reason | None = None


class NewDecision(Strict):
    """`POST /v1/decisions`: a named person says of a track whether it shows who is looked for."""

    case: Label
    track: Label
    decision: Literal["same", "different", "none"] = Field(description="none: an earlier decision is taken back.")
    by: Label | None = Field(None, description="Who decides; left out: the name of the key.")
    why: Reason | None = None


class Merge(Strict):
    """`POST /v1/tracks:merge`: tracks of one camera are one person's."""

    tracks: Annotated[list[Label], Field(min_length=1, max_length=TRACKS)]
    into: Label
    why: Reason | None = None


class Split(Strict):
    """`POST /v1/tracks:split`: crops of one track are another person's."""

    crops: Annotated[list[Label], Field(min_length=1, max_length=1000)]
    track: Label = Field(description="The name of the new track.")
    why: Reason | None = None
