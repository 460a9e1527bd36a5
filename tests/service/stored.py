"""Crops to put into galleries, and folders where writing down to the disk costs nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from reidr.service.store.records import StoredCrop

IN_MEMORY = Path("/dev/shm")


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory where there is such a place: the tests wait for the disk hundreds of times otherwise."""
    home = IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="reidr-test-", dir=home))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def some_crops(number: int, seed: int = 0, dimensions: int = 32, size: int = 300, first: int = 0) -> list[StoredCrop]:
    """Crops of four cameras, five to a track, with pictures and vectors that occur nowhere else."""
    random = np.random.default_rng([seed, first])
    vectors = unit(random.normal(size=(number, dimensions)))
    return [
        StoredCrop(
            f"crop {place:06}",
            f"camera {place // 5 % 4}",
            f"track {place // 5:05}",
            random.bytes(size),
            vectors[place - first],
            recording=f"video {place // 5 % 2}",
            time=float(place),
            start=float(place // 5 * 5),
            end=float(place // 5 * 5 + 4),
            quality=float(random.random()),
            attributes=random.random(8).astype(np.float16),
        )
        for place in range(first, first + number)
    ]


def files_with(folder: Path, content: bytes) -> list[str]:
    """Names of the files below `folder` that hold these bytes."""
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and content in path.read_bytes()
    ]
