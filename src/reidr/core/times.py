"""Times of day as people write them on a command line, and as they read them: ISO 8601; inside, seconds since 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from reidr.errors import ReIDError

EXAMPLE = "2026-11-30T09:15:00+01:00, or 2026-11-30T09:15 for local time"
DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


def read_time(text: str, what: str = "time", error: type[ReIDError] = ReIDError) -> float:
    """Seconds since 1970 in UTC of an ISO 8601 time; without a zone it is local time. `what` names it in the sentence.

    Raises `error` where it is no time.
    """
    try:
        moment = datetime.fromisoformat(text.strip().upper())
    except ValueError:
        raise error(f"{what} {text!r}: not a time; write it like {EXAMPLE}") from None
    try:
        return moment.timestamp()
    except (OverflowError, OSError, ValueError):
        raise error(f"{what} {text!r}: lies outside of what this machine can count") from None


def local_seconds(wall_clock: float) -> float:
    """Seconds since 1970 in UTC of a local time that was read as if it were UTC (file names hold no zone)."""
    return datetime.fromtimestamp(wall_clock, UTC).replace(tzinfo=None).timestamp()


def read_duration(text: str, what: str = "duration", error: type[ReIDError] = ReIDError) -> float:
    """Seconds of "90", "90s", "10m" or "1h30m". Raises `error` where it is none, or not above 0."""
    found = DURATION.fullmatch(text.strip().lower())
    hours, minutes, seconds = found.groups() if found else (None, None, None)
    total = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)
    if not total > 0:
        raise error(f"{what} {text!r}: not a length of time; write it like 90s, 10m or 1h30m")
    return total


def time_in_words(seconds: float | None, *, fraction: bool = False) -> str:
    """Local date and time for reading, "2026-11-30 09:15:02"; "time unknown" for None."""
    if seconds is None:
        return "time unknown"
    moment = datetime.fromtimestamp(seconds).astimezone()
    return f"{moment:%Y-%m-%d %H:%M:%S}" + (f".{moment.microsecond // 100_000}" if fraction else "")


def length_in_words(seconds: float) -> str:
    """A length of time for reading: "3.4 s", "2 min 5 s", "1 h 20 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
