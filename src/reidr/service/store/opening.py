"""`open_store`: the gallery at an address, whatever database it is in."""

from __future__ import annotations

import re
from pathlib import Path

from reidr.core.text import shown
from reidr.errors import DataError, MissingExtraError
from reidr.service.store.store import GalleryStore

SCHEME = re.compile(r"^([a-z][a-z0-9+.-]+):(//)?", re.IGNORECASE)


def open_store(address: str | Path, *, new: bool = True) -> GalleryStore:
    """The gallery at `address`; close it when done.

    Args:
        address: a folder (SQLite), `postgresql://USER@HOST/DATABASE?gallery=NAME`, `http://HOST:6333/NAME` (Qdrant), or
            `qdrant:FOLDER` (the local mode of Qdrant's client). new: make one in a folder where there is none.

    Raises DataError where it cannot be opened, MissingExtraError where a package for it is not installed.
    """
    text = str(address)
    found = SCHEME.match(text)
    scheme = found[1].lower() if found else ""
    if scheme in ("postgresql", "postgres"):
        return _postgres(text)
    if scheme in ("http", "https", "qdrant"):
        return _qdrant(text)
    if found and found[2]:
        raise DataError(
            f"{shown(text)}: no gallery can be at such an address; give a folder, postgresql://…, or http://… of Qdrant"
        )
    return _sqlite(Path(text), new)


def _sqlite(folder: Path, new: bool) -> GalleryStore:
    from reidr.service.store.sqlite.schema import FILE
    from reidr.service.store.sqlite.store import SqliteStore

    if folder.is_file():
        raise DataError(f"{shown(str(folder))}: is a file; give the folder of the gallery")
    if not new and not (folder / FILE).is_file():
        raise DataError(f"{shown(str(folder))}: holds no gallery; make one with `reidr index`, or name another folder")
    return SqliteStore(folder)


def _postgres(address: str) -> GalleryStore:
    try:
        from reidr.service.store.postgres.store import PostgresStore
    except ImportError as error:
        raise MissingExtraError(f"galleries in PostgreSQL need `pip install 'reidr[postgres]'` ({error})") from error
    return PostgresStore(address)


def _qdrant(address: str) -> GalleryStore:
    try:
        from reidr.service.store.qdrant.store import open_qdrant
    except ImportError as error:
        raise MissingExtraError(f"galleries in Qdrant need `pip install 'reidr[qdrant]'` ({error})") from error
    return open_qdrant(address)
