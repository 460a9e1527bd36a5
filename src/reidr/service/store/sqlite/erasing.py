"""After a removal: no bytes of the removed crops stay in any file of the gallery, whenever the process is killed."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from reidr.core.text import shown
from reidr.errors import DataError
from reidr.service.store.sqlite import block
from reidr.service.store.sqlite.rows import SqliteRows
from reidr.service.store.sqlite.schema import PATIENCE


def removals_wait(rows: SqliteRows) -> bool:
    """Whether bytes of removed crops may still be in a file."""
    return bool(rows.run("SELECT 1 FROM removed WHERE erased = 0 LIMIT 1"))


def finish_removals(folder: Path, connection: sqlite3.Connection) -> None:
    """Erase what removals have left: rows of the block, stale pages of the database, its write-ahead log.

    SQLite overwrites what it deletes (`secure_delete`), but pages may hold older copies of rows that were moved to other
    pages: only `VACUUM` writes every page anew. The rows are marked as erased last, so that whoever opens the gallery
    after a kill does the rest.

    Raises DataError where another process reads for so long that its log cannot be emptied.
    """
    rows = SqliteRows(connection)
    if not removals_wait(rows):
        return
    connection.execute("BEGIN IMMEDIATE")
    waiting = [row for (row,) in rows.run("SELECT row FROM removed WHERE erased = 0")]
    block.erase(folder, rows, waiting)
    connection.execute("COMMIT")
    connection.execute("VACUUM")
    empty_log(folder, connection)
    connection.execute("BEGIN IMMEDIATE")
    rows.run_many("UPDATE removed SET erased = 1 WHERE row = ?", ([row] for row in waiting))
    connection.execute("COMMIT")


def empty_log(folder: Path, connection: sqlite3.Connection) -> None:
    """Move the write-ahead log into the database and cut it to nothing. Raises as `finish_removals`."""
    begun = time.monotonic()
    while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        if time.monotonic() - begun > PATIENCE:
            raise DataError(
                f"{shown(str(folder))}: the crops are removed, but another process reads the gallery, so their bytes "
                "are still in its log; end that process and open the gallery again, which erases them"
            )
        time.sleep(0.05)
