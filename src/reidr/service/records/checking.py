"""What both record stores ask of kinds, keys and values, and how a value is written down."""

from __future__ import annotations

import json

from reidr.core.text import shown
from reidr.errors import ConflictError, DataError
from reidr.service.records.records import Json

LONGEST_NAME = 500  # characters; PostgreSQL's indexes hold some 2,700 bytes
SCHEMA_VERSION = 1


def check_names(*names: str) -> None:
    """Raise DataError for a kind, key or log that a store cannot hold."""
    for name in names:
        if not name or len(name) > LONGEST_NAME:
            raise DataError(
                f"the name {shown(name[:40])!r} of a record has {len(name)} characters; 1 to 500 are allowed"
            )
        if "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
            raise DataError(f"the name {shown(name[:40])!r} of a record holds a character that is no text")


def canonical(value: object) -> str:
    """The one JSON text of a value: keys sorted, no spaces, ASCII alone, no NaN; what hashes are taken of.

    Raises DataError for what JSON cannot hold.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"a record cannot be kept as JSON: {error}") from None


def check_version(kind: str, key: str, expected: int | None, found: int) -> None:
    """Raise ConflictError where somebody else has changed the record meanwhile."""
    if expected is not None and expected != found:
        state = f"has version {found}, not {expected}" if found else "is not there any more"
        if expected == 0:
            state = "is there already"
        raise ConflictError(f"the {kind} {shown(key)!r} {state}: somebody else has changed it; read it again")


def parsed(text: str) -> Json:
    """A value as it was put."""
    value: Json = json.loads(text)
    return value
