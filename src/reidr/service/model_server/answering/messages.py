"""Messages as chat templates take them, and the pictures that came with them."""

from __future__ import annotations

from typing import Any

from PIL import Image

from reidr.service.http.errors import RequestError
from reidr.service.http.pictures import DATA_URL, bytes_of, decoded
from reidr.service.model_server.answering.requests import ChatRequest, TextPart, read_request
from reidr.service.model_server.limits import Limits

TOO_MANY_PIXELS = "{}: more than {:,} pixels in this request; send persons' crops"

Conversation = tuple[list[dict[str, Any]], list[Image.Image], str]
"""Messages, their pictures (RGB) in order, and how the assistant's turn begins."""


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
    room, bytes_left = limits.picture_pixels, limits.request_bytes
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
            name = f"picture {len(images) + 1}"
            raw = picture_bytes(part.image_url.url, name, bytes_left, limits)
            bytes_left -= len(raw)
            too_many = TOO_MANY_PIXELS.format(name, limits.picture_pixels)
            images.append(decoded(raw, name, room, limits.side_ratio, too_many))
            room -= images[-1].width * images[-1].height
            parts.append({"type": "image"})
        messages.append({"role": message.role, "content": parts})
    if not images and not any(text.strip() for text in texts):
        raise RequestError("the messages hold no words and no picture")
    begun = ""
    if request.continues:
        begun = "".join(part["text"] for part in messages.pop()["content"])
    return messages, images, begun


def picture_bytes(url: str, name: str, most: int, limits: Limits) -> bytes:
    """The bytes of a picture: those in a data URL, or of an address that is allowed, `most` at most.

    Raises RequestError.
    """
    head = DATA_URL.match(url)
    if head is not None:
        return bytes_of(url[head.end() :], name)
    if limits.addresses and url[:5].lower() != "data:":
        return limits.addresses.read(url, name, most)
    raise RequestError(
        f"{name}: only data URLs are taken (data:image/png;base64,…, or jpeg, or webp); addresses and files are never"
        " opened"
    )
