"""After a removal: no bytes of the removed crops stay in any file of the gallery, whenever the process is killed."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import numpy as np

from reidr.core.text import shown
from reidr.errors import DataError
from reidr.service.store.sqlite import block, codes
from reidr.service.store.sqlite.rows import SqliteRows
from reidr.service.store.sqlite.schema import PATIENCE

SOME = 1000  # removed crops below which the block is not made anew


def removals_wait(rows: SqliteRows) -> bool:
    """Whether bytes of removed crops may still be in a file."""
    return bool(rows.run("SELECT 1 FROM removed WHERE erased = 0 LIMIT 1"))


def finish_removals(folder: Path, connection: sqlite3.Connection) -> None:
    """Erase what removals have left: rows of the block, stale pages of the database, its write-ahead log.

    SQLite overwrites what it deletes (`secure_delete`), but pages may hold older copies of rows that were moved to
    other pages: only `VACUUM` writes every page anew. The rows are marked as erased last, so that whoever opens the
    gallery after a kill does the rest.

    Raises DataError where another process reads for so long that its log cannot be emptied.
    """
    rows = SqliteRows(connection)
    if not removals_wait(rows):
        return
    connection.execute("BEGIN IMMEDIATE")
    last = rows.number()
    waiting = [row for (row,) in rows.run("SELECT row FROM removed WHERE erased = 0 AND row > 0")]
    if mostly_removed(rows):
        number_anew(folder, rows)
    else:
        shrink_index(folder, rows, waiting)
        block.erase(folder, rows, waiting)
    connection.execute("COMMIT")
    connection.execute("VACUUM")
    empty_log(folder, connection)
    connection.execute("BEGIN IMMEDIATE")
    rows.run("UPDATE removed SET erased = 1 WHERE erased = 0 AND number <= ?", [last])
    connection.execute("COMMIT")


def mostly_removed(rows: SqliteRows) -> bool:
    """Whether more of the block's rows are removed than not, and enough of them for a new one to be worth it."""
    (removed,) = rows.run("SELECT count(*) FROM removed WHERE row > 0")[0]
    (kept,) = rows.run("SELECT count(*) FROM crops")[0]
    return bool(removed > max(kept, SOME))


def number_anew(folder: Path, rows: SqliteRows) -> None:
    """Number the rows 1, 2, 3 … again, and leave the block and the index to be made anew.

    A row that is none, -1, says that the pages of the removed ones are still to be written anew.
    """
    rows.run("CREATE TEMP TABLE fresh AS SELECT row AS old, row_number() OVER (ORDER BY row) AS new FROM crops")
    rows.run("CREATE UNIQUE INDEX temp.fresh_old ON fresh (old)")
    for table in ("vectors", "pictures", "crops"):
        rows.run(f"UPDATE {table} SET row = (SELECT new FROM fresh WHERE old = row)")
    rows.run("DROP TABLE temp.fresh")
    rows.run("DELETE FROM removed")
    rows.run("INSERT INTO removed VALUES (-1, ?, 0)", [rows.number()])
    rows.run("UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(row), 0) FROM crops) WHERE name = 'crops'")
    rows.run("UPDATE gallery SET block = '', block_rows = 0, numbering = numbering + 1")
    block.remove_others(folder, "")
    (folder / codes.FILE).unlink(missing_ok=True)


def shrink_index(folder: Path, rows: SqliteRows, removed: list[int]) -> None:
    """Take removed crops out of the approximate index."""
    made = codes.read_index(folder, block.state(rows).numbering)
    if made is None:
        (folder / codes.FILE).unlink(missing_ok=True)
        return
    smaller = codes.without(made, np.asarray(removed, dtype=np.int64) - 1)
    codes.write_index(folder, smaller, block.state(rows).numbering)


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
