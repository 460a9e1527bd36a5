"""The tables of a gallery in SQLite, and how its file is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from reidr.core.storage.files import cannot_write, make_private_file
from reidr.core.text import shown
from reidr.errors import DataError
from reidr.service.store.sql_store import SCHEMA

FILE = "gallery.sqlite"
PATIENCE = 120.0  # seconds to wait for another process that is changing the gallery

TABLES = """
CREATE TABLE gallery (
    schema INTEGER NOT NULL, model TEXT, model_name TEXT, dimensions INTEGER, attribute_model TEXT,
    block TEXT NOT NULL, block_rows INTEGER NOT NULL, numbering INTEGER NOT NULL
);
CREATE TABLE crops (
    row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, camera TEXT NOT NULL, track TEXT NOT NULL,
    recording TEXT, time REAL, start_time REAL, end_time REAL, frame INTEGER, box TEXT, quality REAL, person TEXT,
    digest TEXT NOT NULL, begins REAL, ends REAL, changed INTEGER NOT NULL
);
CREATE INDEX crops_track ON crops (track);
CREATE INDEX crops_person ON crops (person) WHERE person IS NOT NULL;
CREATE INDEX crops_camera ON crops (camera, begins);
CREATE INDEX crops_recording ON crops (recording);
CREATE INDEX crops_begins ON crops (begins);
CREATE INDEX crops_changed ON crops (changed);
CREATE TABLE vectors (row INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE pictures (row INTEGER PRIMARY KEY, picture BLOB NOT NULL, attributes BLOB);
CREATE TABLE removed (row INTEGER PRIMARY KEY, number INTEGER NOT NULL, erased INTEGER NOT NULL);
CREATE INDEX removed_number ON removed (number);
CREATE INDEX removed_waiting ON removed (row) WHERE erased = 0;
CREATE TABLE operations (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT UNIQUE, time REAL NOT NULL,
    changed INTEGER NOT NULL, details TEXT NOT NULL
);
"""
"""crops.row: 1, 2, 3 …, the place of its vector in the block; never used twice within a numbering. changed: the
operation that last wrote it. removed: rows that are no more; erased: 1 once their bytes are out of every file."""


def open_file(folder: Path) -> Path:
    """The gallery's file in `folder`, made with empty tables where there is none, private to its owner.

    Raises DataError for a file that is no gallery or of a later version; ReIDError where it cannot be written.
    """
    path = folder / FILE
    if not path.is_file():
        _make_private(path)
    connection = connect(path)
    try:
        if not _tables(connection):
            connection.execute("BEGIN IMMEDIATE")
            if not _tables(connection):  # else another process was quicker
                for statement in TABLES.split(";\n"):
                    connection.execute(statement)
                connection.execute("INSERT INTO gallery VALUES (?, NULL, NULL, NULL, NULL, '', 0, 0)", [SCHEMA])
            connection.execute("COMMIT")
        if "gallery" not in _tables(connection):
            raise DataError(f"{shown(str(path))}: an SQLite file, but no gallery; choose another folder")
        (schema,) = connection.execute("SELECT schema FROM gallery").fetchone()
    finally:
        connection.close()
    if schema != SCHEMA:
        raise DataError(
            f"{shown(str(path))}: its tables are of version {schema}, this program knows {SCHEMA}; use the version of "
            "ReID-R that wrote it, or a newer one"
        )
    return path


def _tables(connection: sqlite3.Connection) -> set[str]:
    """Names of the tables that are there."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _make_private(path: Path) -> None:
    """The file before SQLite makes one by the umask: its log gets the same rights. Raises DataError."""
    try:
        make_private_file(path)
    except OSError as error:
        raise cannot_write(path, error) from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection on which every commit is on the disk when it returns, and what is deleted is overwritten.

    Raises DataError for a file that is no database of SQLite.
    """
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA mmap_size = 0")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise DataError(f"{shown(str(path))}: cannot be opened as a gallery ({error}); choose another file") from None
    return connection
