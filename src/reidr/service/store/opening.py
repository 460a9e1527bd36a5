"""`open_store`: the gallery at an address, whatever database it is in."""

from __future__ import annotations

from pathlib import Path

from reidr.service.store.store import GalleryStore


def open_store(address: str | Path) -> GalleryStore:
    """The gallery at `address`: a folder (SQLite). Raises DataError where it is none."""
    from reidr.service.store.sqlite.store import SqliteStore

    return SqliteStore(Path(address))
