"""The vectors of a gallery in SQLite as one file to compute with: mapped into memory, brought up to date bit by bit.

The file `vectors-TOKEN.f32` holds little-endian float32 rows; row i is the vector of the crop of number i + 1, and zero
where that crop is no more. It is derived: the database has every vector too, and says which file is valid and how many
rows of it are. Rows are only ever appended (in a transaction that writes, so by one process at a time, and counted when
they are on the disk) or overwritten by zeros. So several processes may read it while one writes, and one that is killed
leaves a file of which the database knows what is good. After every erasure the file has another name: a database that
is put back from a copy names a file that is not there, and the block is written anew.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reidr.core.storage.files import PRIVATE_FILE, cannot_write, to_disk
from reidr.service.store.sqlite.rows import SqliteRows

PATTERN = "vectors-*.f32"
AT_A_TIME = 20_000  # vectors that are read from the database together


def block_path(folder: Path, token: str) -> Path:
    """Where the block of a token lies."""
    return folder / f"vectors-{token}.f32"


class State(NamedTuple):
    """What the database says.

    Attributes:
        token, valid: which block is the right one, and how many of its rows are. dimensions: length of the vectors.
        numbering: how often the rows have been numbered anew. last: number of the last crop row. number: of the last
            operation.
    """

    token: str
    valid: int
    dimensions: int | None
    numbering: int
    last: int
    number: int


def state(rows: SqliteRows) -> State:
    """The state as of a transaction."""
    found = rows.run(
        "SELECT block, block_rows, dimensions, numbering, (SELECT coalesce(max(row), 0) FROM crops), "
        "(SELECT coalesce(max(number), 0) FROM operations) FROM gallery"
    )
    return State(*found[0])


def is_current(folder: Path, now: State) -> bool:
    """Whether the block has every crop."""
    size = now.valid * (now.dimensions or 0) * 4
    return now.last <= now.valid and (not now.last or size_of(block_path(folder, now.token)) >= size)


def size_of(path: Path) -> int:
    """Bytes of a file; -1 where it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def extend(folder: Path, rows: SqliteRows) -> None:
    """Append what the block lacks, or write it anew where it is not there; `rows` is a transaction that writes.

    Raises ReIDError where the file cannot be written.
    """
    token, valid, dimensions, _, last, _ = state(rows)
    if dimensions is None or last == 0:
        return
    path = block_path(folder, token)
    if not token or size_of(path) < valid * dimensions * 4:
        token, valid = secrets.token_hex(8), 0
        path = block_path(folder, token)
        remove_others(folder, token)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        try:
            while valid < last:
                valid = _append(handle, rows, valid, min(valid + AT_A_TIME, last), dimensions)
            os.fsync(handle)
        finally:
            os.close(handle)
        to_disk(folder)
    except OSError as error:
        raise cannot_write(path, error) from error
    rows.run("UPDATE gallery SET block = ?, block_rows = ?", [token, valid])


def _append(handle: int, rows: SqliteRows, first: int, last: int, dimensions: int) -> int:
    """Write the vectors of the crops behind number `first` up to `last`; returns `last`."""
    part = np.zeros((last - first, dimensions), dtype="<f4")
    for row, vector in rows.run("SELECT row, vector FROM vectors WHERE row > ? AND row <= ?", [first, last]):
        part[row - first - 1] = np.frombuffer(vector, dtype="<f4")
    write_all(handle, memoryview(part.tobytes()), first * dimensions * 4)
    return last


def write_all(handle: int, content: memoryview, place: int) -> None:
    """Write all of `content` at `place`; the system may take less than it is given at a time."""
    while content:
        written = os.pwrite(handle, content, place)
        content, place = content[written:], place + written


def erase(folder: Path, rows: SqliteRows, removed: list[int]) -> None:
    """Overwrite the vectors of removed crops by zeros and give the file a new name; `rows` writes, as for `extend`.

    Raises ReIDError where the file cannot be written.
    """
    token, valid, dimensions, *_ = state(rows)
    path = block_path(folder, token)
    if not token or dimensions is None or not path.is_file():
        remove_others(folder, "")
        return
    size = dimensions * 4
    try:
        handle = os.open(path, os.O_RDWR)
        try:
            for row in removed:
                if row <= valid:
                    write_all(handle, memoryview(bytes(size)), (row - 1) * size)
            os.ftruncate(handle, valid * size)  # rows that a killed process appended but did not count
            os.fsync(handle)
        finally:
            os.close(handle)
        token = secrets.token_hex(8)
        path.rename(block_path(folder, token))
        to_disk(folder)
    except OSError as error:
        raise cannot_write(path, error) from error
    remove_others(folder, token)
    rows.run("UPDATE gallery SET block = ?", [token])


def remove_others(folder: Path, token: str) -> None:
    """Remove blocks of other tokens: a killed process, or a database put back from a copy, left them."""
    for path in folder.glob(PATTERN):
        if path != block_path(folder, token):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def map_block(path: Path, rows: int, dimensions: int) -> NDArray[np.float32]:
    """(rows, dimensions) float32, mapped read-only. Raises FileNotFoundError where another process has renamed it."""
    if not rows:
        return np.zeros((0, dimensions), dtype=np.float32)
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), rows * dimensions * 4, access=mmap.ACCESS_READ)
    flat: NDArray[Any] = np.frombuffer(mapped, dtype="<f4")
    return flat.reshape(rows, dimensions)
