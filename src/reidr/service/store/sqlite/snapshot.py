"""What one process holds of a gallery to search it: the mapped vectors, and per row what filters ask most often."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.retrieval.memory import available_memory
from reidr.service.store.records import CropFilter
from reidr.service.store.sqlite.block import State, block_path, map_block
from reidr.service.store.sqlite.nearest import FEW, Found
from reidr.service.store.sqlite.rows import SqliteRows

Wanted = tuple[NDArray[np.bool_] | None, NDArray[np.int64] | None]
"""(N,) a mask of what passes a filter, None for all or unknown; and the rows, where they are few."""
HELD = 256 * 2**20  # bytes of a block that is copied into memory in any case
SHARE = 8  # and more, up to this part of the memory that is free
FILTERS = 16  # filters whose rows are remembered
LISTED = 100_000  # crops up to which what is said of them is held in memory too: some 25 MB
FACTS = "row, id, track, camera, start_time, end_time"
CropFacts = tuple[str, str, str, float | None, float | None]
"""id, track, camera, start and end of a crop."""


@dataclass(eq=False)
class Snapshot:
    """The gallery as of operation `number` and of a numbering of its rows; row i is the crop of number i + 1.

    Attributes:
        vectors: (N, D), mapped, or rows of `buffer`, which has room for more. alive: (N,) rows that are crops.
        begins, ends: (N,) NaN where unknown. cameras, recordings: (N,) places in `camera_names`, `recording_names`; -1
            for none. crops: by row what is said of a crop that was found; None where there are too many. wanted: rows
            by filter that were asked for before.
    """

    number: int
    numbering: int
    vectors: NDArray[np.float32]
    buffer: NDArray[np.float32] | None
    alive: NDArray[np.bool_]
    begins: NDArray[np.float64]
    ends: NDArray[np.float64]
    cameras: NDArray[np.int32]
    recordings: NDArray[np.int32]
    crops: dict[int, CropFacts] | None
    wanted: dict[CropFilter, Wanted] = field(default_factory=dict)
    camera_names: dict[str | None, int] = field(default_factory=lambda: {None: -1})
    recording_names: dict[str | None, int] = field(default_factory=lambda: {None: -1})

    @property
    def all_alive(self) -> bool:
        """Whether every row is a crop."""
        return bool(self.alive.all())


def current(folder: Path, rows: SqliteRows, now: State, before: Snapshot | None) -> Snapshot:
    """The snapshot of a transaction whose block is current: `before` itself, or one made from it and what has changed.

    Raises FileNotFoundError where another process has renamed the block since the transaction began.
    """
    if before is not None and before.numbering != now.numbering:
        before = None
    if before is not None and before.number >= now.number:
        return before
    mapped = map_block(block_path(folder, now.token), now.last, now.dimensions or 0)
    known = before if before is not None and len(before.alive) <= now.last else None
    buffer = _held(mapped, known)
    fresh = Snapshot(
        now.number,
        now.numbering,
        mapped if buffer is None else _unwritable(buffer[: now.last]),
        buffer,
        _grown(None if known is None else known.alive, now.last, False),
        _grown(None if known is None else known.begins, now.last, np.nan),
        _grown(None if known is None else known.ends, now.last, np.nan),
        _grown(None if known is None else known.cameras, now.last, np.int32(-1)),
        _grown(None if known is None else known.recordings, now.last, np.int32(-1)),
        _listed(known, now.last),
    )
    if known is not None:
        fresh.camera_names, fresh.recording_names = dict(known.camera_names), dict(known.recording_names)
    _read_changes(rows, fresh, -1 if known is None else known.number)
    return fresh


def _held(mapped: NDArray[np.float32], known: Snapshot | None) -> NDArray[np.float32] | None:
    """A copy of a small block in memory, with room to grow: one that is there already gets the new rows alone.

    Searching it is a fifth quicker than a mapped file, whose pages are small. None for a block that is not small.
    """
    if known is not None and known.buffer is not None and len(known.buffer) >= len(mapped):
        held = len(known.vectors)
        known.buffer[held : len(mapped)] = mapped[held:]  # behind what readers of the older snapshot look at
        return known.buffer
    if mapped.nbytes > HELD and mapped.nbytes > (available_memory() or 0) // SHARE:
        return None
    buffer = np.zeros((len(mapped) + len(mapped) // 4 + 256, mapped.shape[1]), dtype=np.float32)
    buffer[: len(mapped)] = mapped
    return buffer


def _listed(known: Snapshot | None, length: int) -> dict[int, CropFacts] | None:
    """What is known of the crops so far, to be added to."""
    if length > LISTED:
        return None
    return {} if known is None or known.crops is None else dict(known.crops)


def _unwritable(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows as a mapped file gives them: not to be written to."""
    rows.flags.writeable = False
    return rows


def _grown(column: NDArray[Any] | None, length: int, empty: object) -> NDArray[Any]:
    """A copy of the column, longer by empty values: readers of the old one go on undisturbed."""
    grown = np.full(length, empty)
    if column is not None:
        grown[: len(column)] = column
    return grown


def _read_changes(rows: SqliteRows, fresh: Snapshot, since: int) -> None:
    """Bring the columns up to date with the operations behind number `since`."""
    behind, values = (" WHERE changed > ?", [since]) if since >= 0 else ("", [])
    changed = rows.run(f"SELECT row, begins, ends, camera, recording FROM crops{behind}", values)
    if fresh.crops is not None:
        fresh.crops.update(facts_of(rows.run(f"SELECT {FACTS} FROM crops{behind}", values)))
    if changed:
        numbers, begins, ends, cameras, recordings = zip(*changed, strict=True)
        places = np.asarray(numbers, dtype=np.int64) - 1
        fresh.alive[places] = True
        fresh.begins[places] = np.asarray(begins, dtype=np.float64)
        fresh.ends[places] = np.asarray(ends, dtype=np.float64)
        for names, labels, column in (
            (fresh.camera_names, cameras, fresh.cameras),
            (fresh.recording_names, recordings, fresh.recordings),
        ):
            column[places] = [names.setdefault(label, len(names) - 1) for label in labels]
    removed = rows.run("SELECT row FROM removed WHERE number > ? AND row > 0", [since])
    if removed:
        places = np.asarray(removed, dtype=np.int64)[:, 0] - 1
        places = places[places < len(fresh.alive)]
        fresh.alive[places] = False
        if fresh.buffer is not None:
            fresh.buffer[places] = 0  # erased crops are not kept in memory either
        if fresh.crops is not None:
            for place in places.tolist():
                fresh.crops.pop(place, None)


def wanted_rows(rows: SqliteRows, snapshot: Snapshot, which: CropFilter) -> Wanted:
    """What a filter leaves. Ids, tracks and persons are looked up in the database's indexes, the rest in columns."""
    if which.ids is not None or which.tracks is not None or which.persons is not None:
        condition, values = rows.where(which)
        found = rows.run(f"SELECT row FROM crops WHERE {condition} ORDER BY row", values)
        return None, np.asarray(found, dtype=np.int64).reshape(-1) - 1
    known = snapshot.wanted.get(which)
    if known is None:
        known = _passing(snapshot, which)
        if len(snapshot.wanted) >= FILTERS:
            snapshot.wanted.clear()
        snapshot.wanted[which] = known
    return known


def _passing(snapshot: Snapshot, which: CropFilter) -> Wanted:
    """What cameras, recordings and times leave."""
    parts = [] if snapshot.all_alive else [snapshot.alive]
    if which.since is not None:
        parts.append(snapshot.ends >= which.since)
    if which.until is not None:
        parts.append(snapshot.begins <= which.until)
    for labels, names, column in (
        (which.cameras, snapshot.camera_names, snapshot.cameras),
        (which.recordings, snapshot.recording_names, snapshot.recordings),
    ):
        if labels is not None:
            parts.append(np.isin(column, [names[label] for label in labels if label in names]))
    if not parts:
        return None, None
    mask = parts[0]
    for part in parts[1:]:
        mask = mask & part
    few = np.flatnonzero(mask) if np.count_nonzero(mask) < FEW * len(mask) else None
    return mask, few


def crops_at(rows: SqliteRows, snapshot: Snapshot, found: Found) -> Mapping[int, CropFacts]:
    """What is said of the crops of found rows, by row: from memory, or looked up."""
    if snapshot.crops is not None:
        return snapshot.crops
    numbers = sorted({row + 1 for places, _ in found for row in places.tolist()})
    return facts_of(
        rows.run(
            f"SELECT {FACTS} FROM crops WHERE row IN (SELECT value FROM json_each(?))",
            [json.dumps(numbers)],
        )
    )


def facts_of(found: Iterable[tuple[Any, ...]]) -> dict[int, CropFacts]:
    """Rows of `FACTS` by their place."""
    return {row - 1: facts for row, *facts in found}  # type: ignore[misc]
