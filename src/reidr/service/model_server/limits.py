"""How much one request, and all of them together, may take."""

from __future__ import annotations

from dataclasses import dataclass

from reidr.data.pictures.images import MAXIMUM_RATIO
from reidr.service.http.limits import HttpLimits
from reidr.service.model_server.answering.addresses import NOWHERE, Allowed

LONGEST_TEXT = 4_000
"""Characters of a whole conversation: at most four tokens each, so the text is never more than 16,000 tokens long
before it is tokenized. ReID-R's own questions have some 400."""


@dataclass(frozen=True)
class Limits(HttpLimits):
    """Bounds of the model server. A request's two crops as PNG take some ten thousand bytes."""

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
    addresses: Allowed = NOWHERE
    """Where pictures may be that a request names by an address; nowhere, unless it was said."""
