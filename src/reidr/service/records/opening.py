"""The record store at an address: a gallery's folder, or a PostgreSQL database."""

from __future__ import annotations

from pathlib import Path

from reidr.errors import DataError
from reidr.service.records.records import RecordStore

FILE = "records.sqlite"
POSTGRES = ("postgresql://", "postgres://")


def open_records(address: str | Path) -> RecordStore:
    """The record store of a gallery: a folder (made where missing), or a `postgresql://` address.

    Raises:
        DataError: no record store can be at such an address. MissingExtraError: its client is not installed.
        ReIDError: it cannot be opened.
    """
    text = str(address)
    if text.startswith(POSTGRES):
        from reidr.service.records.postgres import PostgresRecords

        return PostgresRecords(text)
    if "://" in text or text.startswith("qdrant:"):
        raise DataError(
            f"{text}: records (keys, cases, the audit log) are kept in a folder or in PostgreSQL; give one of them "
            "(--records) beside this gallery"
        )
    from reidr.service.records.sqlite import SqliteRecords

    folder = Path(text)
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; give the folder of a gallery, or a postgresql:// address")
    return SqliteRecords(folder / FILE)
