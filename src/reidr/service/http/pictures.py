"""Pictures that come inside requests: base64, of few formats, bounded before anything is decoded. None is fetched."""

from __future__ import annotations

import base64
import io
import re
from typing import cast

from PIL import Image

from reidr.data.pictures.images import PictureSource, read_picture
from reidr.errors import ImageError
from reidr.service.http.errors import RequestError

DATA_URL = re.compile(r"data:image/(?:png|jpeg|jpg|webp)(?:;[\w.-]{1,40}=[\w.-]{1,40}){0,4};base64,", re.I | re.A)
FORMATS = ("PNG", "JPEG", "WEBP")


class NamedBytes(io.BytesIO):
    """Bytes of a picture that errors can name."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.title = name

    def __str__(self) -> str:
        return self.title


def bytes_of(text: str, name: str) -> bytes:
    """The bytes of base64 text. Raises RequestError."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise not_a_picture(name) from None


def not_a_picture(name: str) -> RequestError:
    """The bytes are no picture of a format that is taken."""
    return RequestError(f"{name}: not a PNG, JPEG or WebP picture")


def decoded(raw: bytes, name: str, room: int, ratio: int, too_many: str) -> Image.Image:
    """The picture, upright RGB. Its size is checked before it is decoded.

    Args:
        room: how many pixels it may have; `too_many` is said of more. ratio: of the longer side to the shorter at most.

    Raises RequestError.
    """
    try:
        file = NamedBytes(raw, name)
        with Image.open(file, formats=FORMATS) as picture:
            width, height = picture.size
        if width * height > room:
            raise RequestError(too_many)
        if max(width, height) > ratio * max(1, min(width, height)):
            raise RequestError(
                f"{name}: {width}x{height} is no person's crop; one side may be at most {ratio} times the other"
            )
        return read_picture(cast(PictureSource, file), name)
    except Image.DecompressionBombError:
        raise RequestError(too_many) from None
    except ImageError as error:
        raise RequestError(str(error)) from None
    except RequestError:
        raise
    except Exception:
        # Pillow's readers raise whatever comes of damaged bytes: struct.error, EOFError, IndexError and others.
        raise not_a_picture(name) from None
