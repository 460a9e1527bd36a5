"""What is asked of an erasure, and the receipt of one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from reidr.service.records.checking import canonical
from reidr.service.records.records import RecordStore
from reidr.service.store.records import CropFilter

KIND = "receipt"
LABELS = ("ids", "tracks", "persons", "cameras", "recordings")


@dataclass(frozen=True)
class Erasure:
    """Which crops are to be erased, and who answers for it.

    Attributes:
        which: must name something; the empty filter would be the whole gallery. who: who asks for it; why: the
            grounds. verified_by: who looked at the crops, where they were found by a picture.
        about_person: the erasure is for a person who does not want to be found: then cases about that person (whose
            query or confirmed matches are erased) go as a whole. Without it (footage that has grown too old), cases
            stay, but lose all that they say of the crops.
    """

    which: CropFilter
    who: str
    why: str = ""
    verified_by: str | None = None
    about_person: bool = True


class Receipt(BaseModel):
    """What was erased: it names no crop, track or person of those, and can be handed out."""

    model_config = ConfigDict(frozen=True)

    id: str
    gallery: str = Field(description="address of the gallery, without a password")
    gallery_version: int = Field(description="number of the gallery's last change afterwards")
    begun: float = Field(description="seconds since 1970, UTC")
    ended: float
    who: str
    why: str
    verified_by: str | None
    asked: dict[str, Any] = Field(description="cameras, recordings, times, and pseudonyms of crops, tracks and persons")
    counts: dict[str, int] = Field(description="how much of what was removed; after a kill in between at least so much")
    files: list[str] = Field(description="files outside the gallery that were removed: exports, reports")
    not_reached: list[str] = Field(description="what no program can know of, in sentences")
    hash: str = Field("", description="SHA-256 of all the rest as canonical JSON; it stands in the audit log too")

    def sealed(self) -> Receipt:
        """The same with its hash."""
        return self.model_copy(update={"hash": self.digest()})

    def digest(self) -> str:
        """The hash that fits the content."""
        return hashlib.sha256(canonical(self.model_dump(exclude={"hash"})).encode("ascii")).hexdigest()


def receipts(records: RecordStore) -> list[Receipt]:
    """All receipts, the oldest first."""
    found: list[Receipt] = []
    after: str | None = None
    while page := records.of_kind(KIND, after=after):
        found += [Receipt.model_validate(record.value) for record in page]
        after = page[-1].key
    return sorted(found, key=lambda receipt: (receipt.ended, receipt.id))


def filter_as_json(which: CropFilter) -> dict[str, Any]:
    """A filter as JSON keeps it; conditions that are not given are left out."""
    labels = {name: sorted(getattr(which, name)) for name in LABELS if getattr(which, name) is not None}
    times = {name: getattr(which, name) for name in ("since", "until") if getattr(which, name) is not None}
    return {**labels, **times}


def filter_of_json(value: dict[str, Any]) -> CropFilter:
    """The filter that `filter_as_json` wrote."""
    labels: dict[str, Any] = {name: frozenset(part) for name, part in value.items() if name in LABELS}
    return CropFilter(**labels, since=value.get("since"), until=value.get("until"))
