"""`load_dataset`: find out what a path holds and read it."""

from __future__ import annotations

from pathlib import Path

from reidr.data.manifest import load_manifest
from reidr.data.market1501 import EXPECTED_TREE, FOLDERS, load_market1501
from reidr.data.types import ReIDDataset
from reidr.errors import DataError

MANIFESTS = ("manifest.jsonl", "manifest.csv")


def load_dataset(path: str | Path, name: str | None = None) -> ReIDDataset:
    """Read the data set at `path`: a manifest file, a folder with one, or a folder in a published layout.

    `name` replaces the folder's name in tables and files. No picture is opened.
    Raises DataError with the expected tree when nothing fits.
    """
    path = Path(path)
    if path.is_file():
        if path.suffix.lower() not in (".csv", ".jsonl"):
            raise DataError(f"{path}: not a data set; give a folder, or a manifest ending in .csv or .jsonl")
        return load_manifest(path, name)
    if not path.is_dir():
        raise DataError(f"{path}: no such folder or manifest")
    for manifest in MANIFESTS:
        if (path / manifest).is_file():
            return load_manifest(path / manifest, name or path.resolve().name)
    if any((path / folder).is_dir() for folder in FOLDERS.values()):
        return load_market1501(path, name)
    found = ", ".join(sorted(entry.name for entry in path.iterdir())[:5]) or "nothing"
    raise DataError(f"{path}: no known layout (it holds {found}); {EXPECTED_TREE}")
