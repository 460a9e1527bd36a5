"""Recognising truncated files of weights, and keeping the version before beside the newest.

A file that is replaced in one step survives a process that is killed. It does not survive a disk that loses what it had
promised to keep, a copy that was cut off, or a quota on a network mount: then the version before is what is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reidr.core.notices import warn_once
from reidr.core.storage.files import partial_of

ZIPPED = (".pt", ".pth", ".bin", ".npz")
LARGEST_HEADER = 100_000_000  # bytes, as safetensors itself allows


def is_whole(path: Path) -> bool:
    """Whether a file is there and complete, as far as its own table of contents says.

    Files of torch (zip archives) have that at their end, safetensors at their beginning. Of any other file only its
    being there is known.
    """
    try:
        if path.suffix in ZIPPED:
            return zipfile.is_zipfile(path)
        if path.suffix == ".safetensors":
            return path.stat().st_size == safetensors_size(path)
        return path.is_file()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def safetensors_size(path: Path) -> int:
    """Bytes that a safetensors file has by its header. Raises ValueError where it has none."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LARGEST_HEADER:
            raise ValueError(f"{path}: no safetensors header")
        header = json.loads(file.read(length))
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return 8 + length + max(ends, default=0)


def version_before(path: Path) -> Path:
    """Where the version before of a file is kept: `checkpoint.before.pt` beside `checkpoint.pt`."""
    return path.with_name(f"{path.stem}.before{path.suffix}")


@contextmanager
def keeping_version_before(path: Path) -> Iterator[None]:
    """When the block has replaced `path`, what it was before is its `version_before`; nothing changes where it fails.

    A `path` that is not whole is not kept: the version before it then stays.
    """
    kept = partial_of(path)
    with contextlib.suppress(OSError):  # a file system without hard links keeps no version before
        if is_whole(path):
            os.link(path, kept)
    try:
        yield
        if kept.exists():
            kept.replace(version_before(path))
    finally:
        kept.unlink(missing_ok=True)


def last_whole_version(path: Path) -> Path | None:
    """`path` where it is whole, else the version before it where that is; None where there is neither.

    That an older version is taken is said once.
    """
    before = version_before(path)
    if is_whole(path):
        return path
    if not is_whole(before):
        return None
    warn_once(f"{path}: is damaged or gone; going on from the version before it, {before.name}")
    return before
