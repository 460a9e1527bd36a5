"""The tables of a gallery in PostgreSQL: a schema of the database for each gallery."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from psycopg import Connection, Error, sql
from psycopg.errors import InsufficientPrivilege, UndefinedFile

from reidr.errors import DataError
from reidr.service.store.rules import check_label
from reidr.service.store.sql_store import SCHEMA

TABLES = """
CREATE TABLE IF NOT EXISTS gallery (
    schema int NOT NULL, model text, model_name text, dimensions int, attribute_model text, erasing boolean NOT NULL,
    index text
);
CREATE TABLE IF NOT EXISTS crops (
    id text COLLATE "C" PRIMARY KEY, camera text COLLATE "C" NOT NULL, track text COLLATE "C" NOT NULL,
    recording text COLLATE "C", time float8, start_time float8, end_time float8, frame bigint, box text, quality float8,
    person text COLLATE "C", digest text NOT NULL, begins float8, ends float8,
    vector vector NOT NULL, picture bytea NOT NULL, attributes bytea
);
ALTER TABLE crops ALTER COLUMN picture SET STORAGE EXTERNAL;
CREATE INDEX IF NOT EXISTS crops_track ON crops (track);
CREATE INDEX IF NOT EXISTS crops_person ON crops (person) WHERE person IS NOT NULL;
CREATE INDEX IF NOT EXISTS crops_camera ON crops (camera, begins);
CREATE INDEX IF NOT EXISTS crops_recording ON crops (recording);
CREATE INDEX IF NOT EXISTS crops_begins ON crops (begins);
CREATE TABLE IF NOT EXISTS operations (
    number bigint PRIMARY KEY, kind text NOT NULL, key text UNIQUE, time float8 NOT NULL, changed bigint NOT NULL,
    details text NOT NULL
);
"""
"""gallery.erasing: a removal whose bytes may still be in the files of the tables. index: `IndexFacts` in JSON. Pictures
are compressed already."""
LONGEST_INDEXED = 2000  # numbers of a vector that pgvector can index
INLINE = 1500  # numbers of a vector up to which a row of the table holds it itself, which makes exact search quick


def gallery_of(address: str) -> tuple[str, str]:
    """The address for libpq, and the name of the schema: `?gallery=NAME` gives `reidr_NAME`, without it `reidr`."""
    parts = urlsplit(address)
    options = dict(parse_qsl(parts.query))
    name = options.pop("gallery", "")
    if name:
        check_label(name, "the gallery's name")
    return urlunsplit(parts._replace(query=urlencode(options))), f"reidr_{name}" if name else "reidr"


def prepare(connection: Connection, schema: str) -> None:
    """Make the extension, the schema and its tables where they are missing.

    Raises DataError where the server lacks pgvector or the rights, and for tables of another version.
    """
    try:
        with connection.transaction():
            lock(connection, schema)
            if not connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'").fetchone():
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
            use(connection, schema)
            if connection.execute("SELECT to_regclass('gallery')").fetchone() == (None,):
                connection.execute(TABLES)
            if not connection.execute("SELECT 1 FROM gallery").fetchone():
                connection.execute("INSERT INTO gallery VALUES (%s, NULL, NULL, NULL, NULL, false, NULL)", [SCHEMA])
            found = connection.execute("SELECT schema FROM gallery").fetchone()
    except InsufficientPrivilege as error:
        raise DataError(
            f"the user of the database may not make the extension vector or a schema ({first_line(error)}); have its "
            f'administrator do it once: CREATE EXTENSION vector; CREATE SCHEMA "{schema}" AUTHORIZATION that user'
        ) from error
    except UndefinedFile as error:
        raise DataError(
            "the database server has no pgvector; install it there (package postgresql-NN-pgvector)"
        ) from error
    if found != (SCHEMA,):
        raise DataError(
            f"the gallery's tables are of another version than {SCHEMA}, which this program knows; use the version of "
            "ReID-R that wrote them"
        )


def use(connection: Connection, schema: str) -> None:
    """Have table names mean those of the gallery; the extension may be in any schema of the path."""
    home = connection.execute(
        "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'"
    ).fetchone()
    names = [schema, *((home[0],) if home else ())]
    path = sql.SQL(", ").join(map(sql.Identifier, names))
    connection.execute(sql.SQL("SET search_path TO {}").format(path))


def lock(connection: Connection, schema: str) -> None:
    """Be the only one that changes this gallery until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"reidr gallery {schema}"])


def first_line(error: Error) -> str:
    """What the server said, in one line."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
