"""API keys: 256 random bits, shown once; kept are their SHA-256, whose they are, and what they may do."""

from __future__ import annotations

import getpass
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from reidr.core.text import shown, some_of
from reidr.errors import DataError
from reidr.service.records.records import Json, Record, RecordStore

KIND = "key"
ROLES = ("search", "enrol", "decide", "erase", "audit")
"""What a key may allow: find people; add crops and put tracks together; say yes or no; erase; read the audit log."""
BYTES = 32
PREFIX = "reidr"  # so that secret scanners, and people, know one when they see it
FORM = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_([0-9a-f]{{{2 * BYTES}}})")
NOBODY = hashlib.sha256(b"no key has this hash").hexdigest()


@dataclass(frozen=True)
class Key:
    """What is kept of a key. Times are seconds since 1970; expires: None for never; revoked: None while it is good."""

    id: str
    holder: str
    roles: tuple[str, ...]
    created: float
    expires: float | None = None
    revoked: float | None = None

    def is_good(self, now: float) -> bool:
        """Whether it opens anything."""
        return self.revoked is None and (self.expires is None or now < self.expires)


def add_key(
    records: RecordStore, holder: str, roles: Collection[str], *, expires: float | None = None
) -> tuple[Key, str]:
    """Make a key; returns what is kept of it, and its text, which nobody can show again.

    Raises DataError for an unknown role, a holder without a name, or an expiry in the past.
    """
    holder = holder.strip()
    unknown = sorted(set(roles) - set(ROLES))
    if not holder or not holder.isprintable():
        raise DataError("a key needs the name of its holder: the person or the program that will answer for its use")
    if unknown or not roles:
        what = f"{some_of(unknown)}: no such role" if unknown else "a key needs at least one role"
        raise DataError(f"{what}; the roles are {', '.join(ROLES)}")
    now = time.time()
    if expires is not None and expires <= now:
        raise DataError("the key would have expired already; give a time that lies ahead")
    secret = secrets.token_hex(BYTES)
    key = Key(secrets.token_hex(6), holder, tuple(role for role in ROLES if role in roles), now, expires)
    value = {"holder": key.holder, "roles": list(key.roles), "created": now, "expires": expires, "revoked": None}
    records.put(KIND, key.id, {**value, "sha256": digest_of(secret)}, version=0)
    return key, f"{PREFIX}_{key.id}_{secret}"


def known_key(records: RecordStore, text: str) -> Key | None:
    """The key that a caller showed, or None where it is none, was revoked, or has expired.

    The hashes are compared in constant time, and an unknown key is compared with a hash too. (An attacker who could
    measure how the hash of a guess compares would learn nothing of a key: the guess is not the hash.)
    """
    found = FORM.fullmatch(text.strip()) if text.isascii() and len(text) < 200 else None
    record = records.get(KIND, found[1]) if found else None
    stored = record.value["sha256"] if record else NOBODY
    same = hmac.compare_digest(stored, digest_of(found[2] if found else ""))
    if record is None or not same:
        return None
    key = key_of(record)
    return key if key.is_good(time.time()) else None


def revoke_key(records: RecordStore, id: str) -> Key:
    """Make a key useless from now on. Raises DataError where there is no such key."""
    record = records.get(KIND, id) if id else None
    if record is None:
        known = [key.id for key in keys(records)]
        raise DataError(f"no key {shown(id)!r}; " + (f"there are: {some_of(known, 20)}" if known else "there is none"))
    value = record.value if record.value["revoked"] else {**record.value, "revoked": time.time()}
    records.put(KIND, id, value, version=record.version)
    return key_of(Record(KIND, id, value, record.version))


def keys(records: RecordStore) -> list[Key]:
    """All keys that were ever made, the oldest first."""
    found: list[Key] = []
    after: str | None = None
    while page := records.of_kind(KIND, after=after):
        found += [key_of(record) for record in page]
        after = page[-1].key
    return sorted(found, key=lambda key: (key.created, key.id))


def has_keys(records: RecordStore) -> bool:
    """Whether at least one key opens something now."""
    now = time.time()
    return any(key.is_good(now) for key in keys(records))


def key_of(record: Record) -> Key:
    """What a record says of its key."""
    value: Json = record.value
    return Key(record.key, value["holder"], tuple(value["roles"]), value["created"], value["expires"], value["revoked"])


def digest_of(secret: str) -> str:
    """SHA-256 of a key's secret part. 256 random bits need no salt and no slow hash: they cannot be guessed."""
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def local_user() -> str:
    """Who works at this machine, for what is done on a command line: the name of the account."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"account of {Path.home().name or 'this machine'}"
