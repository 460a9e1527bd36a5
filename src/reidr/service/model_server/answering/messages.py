"""Messages as chat templates take them, and the pictures that came with them."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any, cast

from PIL import Image

from reidr.data.pictures.images import open_image
from reidr.errors import ImageError
from reidr.service.http.errors import RequestError
from reidr.service.model_server.answering.requests import ChatRequest, TextPart, read_request
from reidr.service.model_server.limits import Limits

DATA_URL = re.compile(r"data:image/(?:png|jpeg|jpg|webp)(?:;[\w.-]{1,40}=[\w.-]{1,40}){0,4};base64,", re.I | re.A)
TOO_MANY_PIXELS = "picture {}: more than {:,} pixels in this request; send persons' crops"
FORMATS = ("PNG", "JPEG", "WEBP")

Conversation = tuple[list[dict[str, Any]], list[Image.Image], str]
"""Messages, their pictures (RGB) in order, and how the assistant's turn begins."""


class NamedBytes(io.BytesIO):
    """Bytes of a picture that `open_image`'s errors can name."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.title = name

    def __str__(self) -> str:
        return self.title


def read_messages(body: Any, limits: Limits | None = None) -> Conversation:
    """`read_conversation` of a request's JSON. Raises RequestError."""
    limits = limits or Limits()
    return read_conversation(read_request(body, limits), limits)


def read_conversation(request: ChatRequest, limits: Limits) -> Conversation:
    """What is said and shown.

    Raises:
        RequestError: too much text, too many pictures, or a picture that cannot be used.
    """
    texts = [part.text for message in request.messages for part in message.content if isinstance(part, TextPart)]
    characters = sum(map(len, texts))
    if characters > limits.text_characters:
        raise RequestError(f"the messages have {characters:,} characters, more than {limits.text_characters:,}")
    images: list[Image.Image] = []
    messages: list[dict[str, Any]] = []
    room = limits.picture_pixels
    for message in request.messages:
        parts: list[dict[str, str]] = []
        for part in message.content:
            if isinstance(part, TextPart):
                parts.append({"type": "text", "text": part.text})
                continue
            if message.role != "user":
                raise RequestError("only a message of the user may hold a picture")
            if len(images) == limits.pictures:
                raise RequestError(f"the messages hold more than {limits.pictures} pictures")
            images.append(read_picture(part.image_url.url, len(images) + 1, room, limits))
            room -= images[-1].width * images[-1].height
            parts.append({"type": "image"})
        messages.append({"role": message.role, "content": parts})
    if not images and not any(text.strip() for text in texts):
        raise RequestError("the messages hold no words and no picture")
    begun = ""
    if request.continues:
        begun = "".join(part["text"] for part in messages.pop()["content"])
    return messages, images, begun


def read_picture(url: str, place: int, room: int, limits: Limits) -> Image.Image:
    """The picture in a data URL, RGB; `room`: how many pixels it may have.

    Its size is checked before it is decoded. Raises RequestError.
    """
    head = DATA_URL.match(url)
    if head is None:
        raise RequestError(
            f"picture {place}: only data URLs are taken (data:image/png;base64,…, or jpeg, or webp); addresses and"
            " files are never opened"
        )
    try:
        raw = NamedBytes(base64.b64decode(url[head.end() :], validate=True), f"picture {place}")
        with Image.open(raw, formats=FORMATS) as picture:
            width, height = picture.size
        if width * height > room:
            raise RequestError(TOO_MANY_PIXELS.format(place, limits.picture_pixels))
        if max(width, height) > limits.side_ratio * max(1, min(width, height)):
            raise RequestError(
                f"picture {place}: {width}x{height} is no person's crop; one side may be at most {limits.side_ratio}"
                " times the other"
            )
        return open_image(cast(Path, raw))
    except Image.DecompressionBombError:
        raise RequestError(TOO_MANY_PIXELS.format(place, limits.picture_pixels)) from None
    except ImageError as error:
        raise RequestError(str(error)) from None
    except RequestError:
        raise
    except Exception:
        # Pillow's readers raise whatever comes of damaged bytes: struct.error, EOFError, IndexError and others.
        raise RequestError(f"picture {place}: not a PNG, JPEG or WebP picture") from None
