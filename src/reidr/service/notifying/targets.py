"""Who is told: addresses of webhooks and MQTT topics, kept in the records of a gallery."""

from __future__ import annotations

import base64
import re
import secrets
import time
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from reidr.core.text import shown
from reidr.errors import ConflictError, DataError
from reidr.service.records.records import RecordStore

KIND = "notification-target"
NAME = re.compile(r"[\w.-]{1,64}")
SECRET_HEAD = "whsec_"  # noqa: S105 - as in the Standard Webhooks specification
WEB, MQTT = ("http", "https"), ("mqtt", "mqtts")


@dataclass(frozen=True)
class Target:
    """Somebody who is told.

    Attributes:
        address: https://…, or mqtt://host:port/topic (mqtts: over TLS). secret: of a webhook's signatures.
        found_above: also tell of a search's match whose P(same) is at least this; None: of confirmed matches alone.
        pictures: whether the best picture travels along. since: of what happened before, nothing is told.
    """

    name: str
    address: str
    secret: str
    found_above: float | None
    pictures: bool
    since: float
    set_by: str

    @property
    def place(self) -> str:
        """The address without a password, for reading."""
        parts = urlsplit(self.address)
        if parts.username is None:
            return self.address
        return self.address.replace(parts.netloc, parts.netloc.rpartition("@")[2])


def add_target(
    records: RecordStore, name: str, address: str, *, by: str, found_above: float | None = None, pictures: bool = False
) -> Target:
    """Add a target with a new secret.

    Raises DataError for a name that is taken or none, an address of another kind, or a probability out of range.
    """
    parts = urlsplit(address)
    if not NAME.fullmatch(name):
        raise DataError(f"target {shown(name)!r}: a name has at most 64 letters, digits, dots, hyphens and underscores")
    if parts.scheme not in (*WEB, *MQTT) or not parts.hostname:
        raise DataError(f"{shown(address)}: give https://host/path, or mqtt://host:1883/topic (mqtts:// over TLS)")
    if parts.scheme in MQTT and (len(parts.path) < 2 or any(sign in parts.path for sign in "+#")):
        raise DataError(
            f"{shown(address)}: name the topic after the host, without + and #: mqtt://host:1883/reidr/matches"
        )
    if found_above is not None and not 0 < found_above <= 1:
        raise DataError(f"{found_above:g}: a match's probability lies above 0 and is at most 1")
    secret = SECRET_HEAD + base64.b64encode(secrets.token_bytes(32)).decode()
    target = Target(name, address, secret, found_above, pictures, time.time(), by)
    try:
        records.put(KIND, name, asdict(target), version=0)
    except ConflictError:
        raise DataError(f"there is a target {name} already; remove it first, or choose another name") from None
    return target


def targets(records: RecordStore) -> list[Target]:
    """All targets, by name."""
    return [Target(**record.value) for record in records.of_kind(KIND)]


def remove_target(records: RecordStore, name: str) -> None:
    """Tell this one no more. Raises DataError where there is none of that name."""
    if not NAME.fullmatch(name) or not records.remove(KIND, name):
        raise DataError(
            f"no target {shown(name)!r}; there are: {', '.join(t.name for t in targets(records)) or 'none'}"
        )
