"""By what a picture is known again, whatever it is called: its bytes, and its pixels."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image


def file_digest(path: Path) -> str | None:
    """SHA-256 of a file's bytes, in hexadecimal; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def picture_digest(picture: Image.Image) -> str:
    """SHA-256 of a picture's size and pixels: what `reasoning.prefix.picture_digest` gives, without loading torch."""
    return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
