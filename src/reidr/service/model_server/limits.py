"""How much one request, and all of them together, may take."""

from __future__ import annotations

from dataclasses import dataclass, fields

from reidr.data.pictures.images import MAXIMUM_RATIO
from reidr.errors import ReIDError

LONGEST_TEXT = 4_000
"""Characters of a whole conversation: at most four tokens each, so the text is never more than 16,000 tokens long
before it is tokenized. ReID-R's own questions have some 400."""


@dataclass(frozen=True)
class Limits:
    """Bounds of the model server; every one is a whole number, or a number of seconds, above zero."""

    request_bytes: int = 8_000_000
    """Of one request's body; two crops as PNG take some ten thousand."""
    memory_bytes: int = 64_000_000
    """Of all bodies and decoded pictures that are held at one time."""
    messages: int = 64
    text_characters: int = LONGEST_TEXT
    prompt_tokens: int = 4_096
    """Of text and pictures together; the model's own context bounds it too."""
    completion_tokens: int = 1_024
    top_logprobs: int = 20
    pictures: int = 8
    picture_pixels: int = 4_000_000
    """Of one picture, and of all pictures of a request together."""
    side_ratio: int = MAXIMUM_RATIO
    """Longer side of a picture over its shorter side."""
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
            if not getattr(self, field.name) > 0:
                raise ReIDError(
                    f"the model server's limit {field.name} must be above 0, not {getattr(self, field.name)}"
                )
