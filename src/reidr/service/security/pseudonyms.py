"""Names for crops, tracks and pictures in the audit log, by which nobody is found once they are erased.

A row of the audit log cannot be changed afterwards, so it never holds the id of a crop, track or person, nor a picture,
but a keyed hash of it (HMAC-SHA256 with the gallery's own secret). As long as a track is in the gallery, its rows can
be told by computing the hash of its id; after its erasure no id is left to start from. GDPR Art. 4(5) calls this
pseudonymisation.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any

from reidr.errors import ConflictError
from reidr.service.records.records import RecordStore

KIND, KEY = "audit-secret", "1"
HEAD = "~"  # a pseudonym begins with it
DIGITS = 24
NAMING = frozenset(
    {
        *("id", "ids", "crop", "crops", "track", "tracks", "person", "persons", "picture", "pictures", "best", "into"),
        *("query", "queries", "candidate", "candidates", "matches", "confirmed", "rejected", "known"),
        *("appearance", "appearances", "merged", "split"),
    }
)
"""Fields whose texts name crops, tracks, people or pictures."""


class Pseudonyms:
    """The pseudonyms of one gallery."""

    def __init__(self, records: RecordStore) -> None:
        """Reads the gallery's secret, which is made the first time."""
        found = records.get(KIND, KEY)
        if found is None:
            with contextlib.suppress(ConflictError):  # another process was quicker
                records.put(KIND, KEY, {"secret": secrets.token_hex(32)}, version=0)
            found = records.get(KIND, KEY)
        assert found is not None
        self._secret = bytes.fromhex(found.value["secret"])

    def of(self, name: str | bytes) -> str:
        """The pseudonym of an id, or of a picture's encoded bytes."""
        content = name if isinstance(name, bytes) else name.encode("utf-8", "surrogatepass")
        return HEAD + hmac.new(self._secret, hashlib.sha256(content).digest(), "sha256").hexdigest()[:DIGITS]

    def hide(self, value: Any, *, naming: bool = False) -> Any:
        """JSON with pseudonyms in place of ids and pictures.

        Args:
            naming: whether a text here names a crop, track, person or picture.

        Bytes are always pictures. Texts that are pseudonyms already stay. Field names stay: give ids as texts.
        """
        if isinstance(value, bytes):
            return self.of(value)
        if isinstance(value, str):
            if value.startswith("data:"):
                return self.of(value)
            return self.of(value) if naming and not value.startswith(HEAD) else value
        if isinstance(value, Mapping):
            return {str(name): self.hide(part, naming=str(name) in NAMING) for name, part in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            parts = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
            return [self.hide(part, naming=naming) for part in parts]
        return value
