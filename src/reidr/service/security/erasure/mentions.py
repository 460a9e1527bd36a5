"""Where JSON names crops and tracks, and what is left of it when they are erased."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from reidr.service.security.pseudonyms import NAMING

SHORTEST_PICTURE = 100  # letters of base64; no picture is smaller


def named(value: Any, *, naming: bool = False) -> Iterator[str]:
    """Every text that names a crop, track, person or picture, by the field that it stands under."""
    if isinstance(value, str):
        if naming:
            yield value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from named(part, naming=name in NAMING)
    elif isinstance(value, list):
        for part in value:
            yield from named(part, naming=naming)


def names_any(value: Any, ids: Collection[str]) -> bool:
    """Whether JSON names one of the crops or tracks."""
    return any(text in ids for text in named(value))


def renamed(value: Any, ids: Collection[str], rename: Callable[[str], str], *, naming: bool = False) -> Any:
    """JSON with other names in place of these crops and tracks."""
    if isinstance(value, str):
        return rename(value) if naming and value in ids else value
    if isinstance(value, Mapping):
        return {name: renamed(part, ids, rename, naming=name in NAMING) for name, part in value.items()}
    if isinstance(value, list):
        return [renamed(part, ids, rename, naming=naming) for part in value]
    return value


def pictures_within(value: Any) -> Iterator[str]:
    """SHA-256 of everything in JSON that may be an encoded picture: base64, or a data URI."""
    if isinstance(value, str):
        if len(value) >= SHORTEST_PICTURE:
            text = value.partition(",")[2] if value.startswith("data:") else value
            try:
                yield hashlib.sha256(base64.b64decode(text.encode("ascii"), validate=True)).hexdigest()
            except (binascii.Error, UnicodeEncodeError):
                return
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from pictures_within(part)
    elif isinstance(value, list):
        for part in value:
            yield from pictures_within(part)
