"""When something was taken, by what a path says of it and what the user says of the recording."""

from __future__ import annotations

from datetime import datetime

from reidr.core.times import local_seconds
from reidr.data.reading.path_pattern import PathFacts
from reidr.errors import DataError

DAY = 86_400.0


def moment_of(
    facts: PathFacts | None, start: float | None, frame_rate: float | None, template: str = ""
) -> float | None:
    """Seconds since 1970 of a path's time; None where it says none.

    Date and time are local. A time of day alone is of the day of `start`; a frame's number counts from `start`, at
    `frame_rate` frames a second. Raises DataError for a time of day of which nobody says the day.
    """
    if facts is None or facts.time is None:
        return None
    if facts.unit == "frames":
        return None if start is None or not frame_rate else start + facts.time / frame_rate
    if facts.time >= DAY:
        return local_seconds(facts.time)
    if start is None:
        raise DataError(
            f"pattern {template!r}: tells the time of day, but no date; add {{date}} to it, or say the day with --start"
        )
    midnight = datetime.fromtimestamp(start).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight.timestamp() + facts.time
