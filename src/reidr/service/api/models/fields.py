"""The kinds of fields that requests and answers are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
"""No control characters: they move terminals, break lines of logs, and PostgreSQL stores no zero."""
TIME = r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$"


class Strict(BaseModel):
    """A request's object. No guessing: a number is no text, true is no number, an unknown field is an error."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Answer(BaseModel):
    """An answer's object."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


def moment(given: Any) -> float:
    """Seconds since 1970 of an RFC 3339 time; a zone must be given."""
    if not isinstance(given, str):
        raise ValueError("a time is a text such as 2026-11-30T09:15:00+01:00")
    try:
        time = datetime.fromisoformat(given.upper())
    except ValueError:
        raise ValueError("no time of the form 2026-11-30T09:15:00+01:00") from None
    if time.tzinfo is None:
        raise ValueError("the time has no zone; write it as 2026-11-30T09:15:00+01:00 or 2026-11-30T08:15:00Z")
    try:
        inside = EARLIEST <= time < LATEST
    except OverflowError:  # year 1 in a zone east of Greenwich
        inside = False
    if not inside:
        raise ValueError("the time must lie between 1970 and 9998")
    return time.timestamp()


def written(seconds: float) -> str:
    """An RFC 3339 time in UTC, to the millisecond: the inverse of `moment`. Times beyond the calendar are cut to it."""
    time = datetime.fromtimestamp(min(max(seconds, EARLIEST.timestamp()), LATEST.timestamp() - 1), UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[
    float,
    BeforeValidator(moment),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-30T09:15:00+01:00"]}),
]
"""A time in a request: RFC 3339 with a zone; seconds since 1970 inside."""

Time = Annotated[
    float,
    PlainSerializer(written, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-30T08:15:00.000Z"]}),
]
"""A time in an answer: RFC 3339 in UTC."""

Label = Annotated[str, Field(min_length=1, max_length=200, pattern=PRINTABLE)]
"""A name of something: crop, track, camera, recording, person."""

Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=PRINTABLE)]
"""Why somebody does what is asked; kept in the audit log."""

Picture = Annotated[
    str,
    Field(
        min_length=4,
        max_length=16_000_000,
        description="The picture's file (JPEG, PNG or WebP) in base64, plain or as a data URL. Addresses and paths are"
        " never opened.",
        examples=["data:image/png;base64,iVBORw0KGgo…"],
    ),
]

Share = Annotated[float, Field(ge=0, le=1)]


def ordered(box: list[float]) -> list[float]:
    """A box whose right is beyond its left and whose bottom is below its top."""
    if box[2] <= box[0] or box[3] <= box[1]:
        raise ValueError("a box is left, top, right, bottom; right must be beyond left, and bottom below top")
    return box


Box = Annotated[
    list[Annotated[float, Field(ge=-1e6, le=1e6)]], Field(min_length=4, max_length=4), AfterValidator(ordered)
]
"""left, top, right, bottom in pixels."""
