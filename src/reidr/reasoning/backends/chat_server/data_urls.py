"""Pictures as they travel to a server: fitted into a pixel budget, as PNG data URLs."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import Any

from PIL import Image

from reidr.reasoning.prompting.prompt import Task, pair_messages


def fit(image: Image.Image, pixels: tuple[int, int] | None) -> Image.Image:
    """The picture with its area brought into `pixels`, its proportions kept."""
    if pixels is None:
        return image
    area = image.width * image.height
    scale = math.sqrt(min(max(area, pixels[0]), pixels[1]) / area)
    if scale == 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.BICUBIC)


def data_url(image: Image.Image) -> str:
    """The picture as a PNG data URL, every pixel as it is."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def messages_with(images: Sequence[Image.Image], task: Task, pixels: tuple[int, int] | None) -> list[dict[str, Any]]:
    """The task's chat messages with the two pictures, fitted into `pixels`."""
    pictures = iter(images)
    (message,) = pair_messages(None, task)
    parts = [
        {"type": "image_url", "image_url": {"url": data_url(fit(next(pictures), pixels))}}
        if part["type"] == "image"
        else part
        for part in message["content"]
    ]
    return [{**message, "content": parts}]


def picture_request(image: Image.Image, model: str) -> dict[str, Any]:
    """The question what our own server's model sees in a picture."""
    part = {"type": "image_url", "image_url": {"url": data_url(image)}}
    return {"model": model, "messages": [{"role": "user", "content": [part]}]}
