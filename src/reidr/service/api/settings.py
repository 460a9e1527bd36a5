"""How much callers of the search service may take."""

from __future__ import annotations

from dataclasses import dataclass

from reidr.data.pictures.images import MAXIMUM_RATIO
from reidr.service.http.limits import HttpLimits


@dataclass(frozen=True)
class ServiceLimits(HttpLimits):
    """Bounds of the search service."""

    request_bytes: int = 16_000_000
    memory_bytes: int = 256_000_000
    waiting: int = 256
    """For the models, in the order in which they came. Fewer where so many would not be answered in time: a caller who
    is sent away comes back behind others who came later, so whoever can be answered in time had better wait."""
    connections: int = 512
    picture_bytes: int = 8_000_000
    """Of one picture's file."""
    picture_pixels: int = 12_000_000
    """Of one picture: a frame of a 4K camera has 8.3 million."""
    side_ratio: int = MAXIMUM_RATIO
    answer_seconds: float = 60.0
    """For one answer; who waits longer is told to come back."""
    per_second: float = 50.0
    """Requests of one key, on average; four seconds' worth of them may come at once."""
    at_once: int = 24
    """Requests of one key that wait or are answered at one time."""
    streams: int = 8
    """Streams of reasons at one time."""
