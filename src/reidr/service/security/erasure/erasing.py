"""The erasure itself: first what hangs on the crops, last the crops, so that a killed one can be done again."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reidr.core.storage.files import is_alive, this_host
from reidr.errors import DataError
from reidr.report.kept.forget import Traces, forget_traces, traces_of_content
from reidr.report.kept.inventory import run_folders
from reidr.service.records.records import Record, RecordStore
from reidr.service.security.audit import Entry, all_rows, write
from reidr.service.security.erasure import receipts
from reidr.service.security.erasure.kept_records import Gone, Tally, erase_from_records
from reidr.service.security.erasure.receipts import Erasure, Receipt, filter_as_json, filter_of_json
from reidr.service.security.pseudonyms import Pseudonyms
from reidr.service.store.records import EVERYTHING, CropFilter, StoredCrop
from reidr.service.store.store import GalleryStore

KIND = "erasure"
AT_ONCE = 2000  # crops; their pictures are in memory together
NOT_REACHED = (
    "Recordings and folders that the crops were cut from or read from, if you keep them.",
    "Backups and snapshots of the gallery, and files that were copied or moved elsewhere after they were exported.",
    "Caches of other machines or accounts that searched this gallery (`reidr forget` there).",
    "Weights that were trained on the crops.",
)
LEFT_ALONE = 3600.0  # seconds without a step after which an erasure on another machine counts as cut short
_under_way: set[str] = set()
"""Erasures that threads of this process are at work on."""
POSTGRES = "PostgreSQL's write-ahead log and archives, until the server recycles them."


@dataclass
class Pending:
    """An erasure under way, as it is kept until it is done."""

    id: str
    erasure: Erasure
    begun: float
    tally: Tally = field(default_factory=Tally)
    batch: str = ""
    """SHA-256 of the ids that were counted last: they are not counted again when they are erased after a kill."""

    def as_json(self) -> dict[str, Any]:
        """For a record."""
        asked = self.erasure
        return {
            "which": filter_as_json(asked.which), "who": asked.who, "why": asked.why, "verified_by": asked.verified_by,
            "about_person": asked.about_person, "begun": self.begun, "counts": self.tally.counts,
            "files": self.tally.files, "batch": self.batch, "host": this_host(), "process": os.getpid(),
            "touched": time.time(),
        }  # fmt: skip

    @classmethod
    def of_json(cls, id: str, value: dict[str, Any]) -> Pending:
        """What `as_json` wrote."""
        asked = Erasure(filter_of_json(value["which"]), value["who"], value["why"], value["verified_by"],
                        value["about_person"])  # fmt: skip
        tally = Tally(dict(value["counts"]), list(value["files"]))
        return cls(id, asked, value["begun"], tally, value["batch"])


def erase(store: GalleryStore, records: RecordStore, erasure: Erasure, *, runs: Sequence[Path] = ()) -> Receipt:
    """Erase crops and all that is known to be kept of them.

    Pictures, vectors and their indexes go from the gallery; embeddings, scores and reasons from the caches of this
    account; the reports of `reidr find` that show them, in `runs` or noted; cases, decisions and exports (`Erasure`).
    When this returns, no file of these holds a byte of the pictures or vectors. The audit log gets a row, and keeps
    its earlier ones, in which the crops were pseudonyms all along.

    Killed, or stopped by an error, it is done again by `finish_erasures`.

    Raises:
        DataError: nothing is named. ReIDError: something cannot be removed, with what to do.
    """
    if erasure.which == EVERYTHING:
        raise DataError("name what is to be erased: crops, tracks, persons, cameras, recordings, or a time")
    pending = Pending(time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(4), erasure, time.time())
    pending.tally.add("crops", 0)
    pending.tally.add("tracks", number_of_tracks(store, erasure.which))
    records.put(KIND, pending.id, pending.as_json(), version=0)
    return finish(store, records, pending, runs)


def finish_erasures(store: GalleryStore, records: RecordStore, *, runs: Sequence[Path] = ()) -> list[Receipt]:
    """Do the rest of erasures that were cut short; returns their receipts. Raises as `erase`."""
    done = []
    for record in records.of_kind(KIND):
        if is_under_way(record):
            continue
        if "done" not in record.value:
            done.append(finish(store, records, Pending.of_json(record.key, record.value), runs, again=True))
        else:
            records.purge()
            records.remove(KIND, record.key)
    return done


def is_under_way(record: Record) -> bool:
    """Whether somebody is at work on an erasure: this process, another one of this machine, or another machine."""
    if record.key in _under_way:
        return True
    if "touched" not in record.value:  # nothing is left but to purge
        return False
    host, process, touched = (record.value[name] for name in ("host", "process", "touched"))
    if time.time() - touched > LEFT_ALONE:
        return False
    return host != this_host() or (process != os.getpid() and is_alive(int(process)))


def finish(
    store: GalleryStore, records: RecordStore, pending: Pending, runs: Sequence[Path], *, again: bool = False
) -> Receipt:
    """Erase what is left, and write the receipt. again: it was begun before, and may have come to any point."""
    _under_way.add(pending.id)
    try:
        return finished(store, records, pending, runs, again)
    finally:
        _under_way.discard(pending.id)


def finished(store: GalleryStore, records: RecordStore, pending: Pending, runs: Sequence[Path], again: bool) -> Receipt:
    """As `finish`, which keeps others from doing it at the same time."""
    folders = run_folders(runs)
    while crops := store.crops(pending.erasure.which, limit=AT_ONCE):
        erase_batch(store, records, pending, crops, folders)
    written = records.get(receipts.KIND, pending.id) if again else None
    receipt = Receipt.model_validate(written.value) if written else receipt_of(store, records, pending)
    if written is None:
        records.put(receipts.KIND, receipt.id, receipt.model_dump())
    if not again or not any(row.value["answered"].get("receipt") == receipt.id for row in all_rows(records)):
        write(records, entry_of(pending.erasure, receipt))
    # From here on nothing is left but to purge: the record itself may name crops, so it is emptied first.
    records.put(KIND, pending.id, {"done": True})
    records.purge()
    records.remove(KIND, pending.id)
    return receipt


def erase_batch(
    store: GalleryStore, records: RecordStore, pending: Pending, crops: Sequence[StoredCrop], folders: list[Path]
) -> None:
    """Erase some crops: caches and reports, records and exports, at last the crops themselves."""
    ids = frozenset(crop.id for crop in crops)
    digest = hashlib.sha256("\0".join(sorted(ids)).encode("utf-8", "surrogatepass")).hexdigest()
    if digest != pending.batch:
        pending.batch = digest
        pending.tally.add("crops", len(ids))
        records.put(KIND, pending.id, pending.as_json())
    traces = [traces_of_content(crop.picture) for crop in crops]
    done = forget_traces(together(traces), folders)
    for name, number in (("embeddings", done.embeddings), ("scores", done.scores), ("reasons", done.verdicts),
                         ("files of reports", len(done.files))):  # fmt: skip
        pending.tally.add(name, number)
    pending.tally.files += [str(file) for file in done.files]
    pictures = frozenset(digest for trace in traces for digest in trace.bytes)
    gone = Gone(ids | whole_tracks(store, crops), pictures, pending.erasure.about_person)
    erase_from_records(records, gone, pending.tally)
    records.put(KIND, pending.id, pending.as_json())
    store.delete(CropFilter(ids=ids))


def together(traces: Sequence[Traces]) -> Traces:
    """The traces of several crops."""
    return Traces(
        *(
            frozenset(part for trace in traces for part in getattr(trace, name))
            for name in ("paths", "keys", "pixels", "bytes", "shown")
        )
    )


def whole_tracks(store: GalleryStore, crops: Sequence[StoredCrop]) -> frozenset[str]:
    """Tracks of which no other crop is in the gallery."""
    number = Counter(crop.track for crop in crops)
    which, after, found = CropFilter(tracks=frozenset(number)), None, set()
    while page := store.tracks(which, after=after):
        found |= {track.id for track in page if track.crops <= number[track.id]}
        after = page[-1].id
    return frozenset(found)


def number_of_tracks(store: GalleryStore, which: CropFilter) -> int:
    """How many tracks have a crop that passes the filter."""
    number, after = 0, None
    while page := store.tracks(which, after=after):
        number += len(page)
        after = page[-1].id
    return number


def receipt_of(store: GalleryStore, records: RecordStore, pending: Pending) -> Receipt:
    """The receipt of an erasure that is done."""
    asked, facts = pending.erasure, store.facts()
    pseudonyms = Pseudonyms(records)
    return Receipt(
        id=pending.id,
        gallery=facts.address,
        gallery_version=facts.version,
        begun=pending.begun,
        ended=time.time(),
        who=asked.who,
        why=asked.why,
        verified_by=asked.verified_by,
        asked={**pseudonyms.hide(filter_as_json(asked.which)), "about_person": asked.about_person},
        counts=pending.tally.counts,
        files=pending.tally.files,
        not_reached=[*NOT_REACHED, *([POSTGRES] if facts.address.startswith("postgres") else [])],
    ).sealed()


def entry_of(erasure: Erasure, receipt: Receipt) -> Entry:
    """The row of the audit log."""
    answered = {"receipt": receipt.id, "hash": receipt.hash, "counts": receipt.counts}
    return Entry(
        erasure.who, "erase", erasure.why, receipt.asked, answered, receipt.gallery_version, erasure.verified_by
    )
