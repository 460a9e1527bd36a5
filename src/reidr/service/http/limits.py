"""How much of HTTP one caller, and all of them together, may take."""

from __future__ import annotations

from dataclasses import dataclass, fields

from reidr.errors import ReIDError


@dataclass(frozen=True)
class HttpLimits:
    """Bounds of a server; every number, be it of things or of seconds, is above zero."""

    request_bytes: int = 8_000_000
    """Of one request's body."""
    memory_bytes: int = 64_000_000
    """Of all bodies and decoded pictures that are held at one time."""
    waiting: int = 32
    """Requests that are prepared, wait or are answered at one time; the next one is refused with 429."""
    connections: int = 128
    head_seconds: float = 10.0
    """For a request's first line and headers to come in."""
    body_seconds: float = 30.0
    """For the rest of a request to come in."""
    grace_seconds: float = 8.0
    """For what is under way when the server is asked to stop. Docker kills after ten."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and not value > 0:
                raise ReIDError(f"the server's limit {field.name} must be above 0, not {value}")
