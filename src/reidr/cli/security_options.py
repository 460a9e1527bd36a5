"""What the commands about keys, audit log, retention and erasure share: which gallery, who, why, and times to come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from reidr.service.records.records import RecordStore
    from reidr.service.store.store import GalleryStore

GALLERY = click.argument("gallery")
RECORDS_OPTION = click.option(
    "--records",
    help="Where keys, cases and the audit log are kept, for a gallery in Qdrant: a folder or postgresql:// address. "
    "[the gallery]",
)
WHO_OPTION = click.option("--who", help="Your name, as the audit log keeps it. [the name of your account]")
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@contextmanager
def opened_records(gallery: str, records: str | None, *, make: bool = False) -> Iterator[RecordStore]:
    """The records of a gallery, closed in the end; a folder is made only with `make`: a mistyped one is said."""
    from reidr.errors import DataError
    from reidr.service.records.opening import open_records

    if "://" not in gallery and not Path(gallery).is_dir() and not make and records is None:
        raise DataError(f"{gallery}: no such folder; give the folder of a gallery, or a postgresql:// address")
    opened = open_records(records or gallery)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def opened_site(gallery: str, records: str | None) -> Iterator[tuple[GalleryStore, RecordStore]]:
    """A gallery with its records, both closed in the end."""
    from reidr.service.store.opening import open_store

    with opened_records(gallery, records) as opened:
        store = open_store(gallery)
        try:
            yield store, opened
        finally:
            store.close()


def name_of_user(who: str | None) -> str:
    """The name given, or that of the account."""
    from reidr.service.security.keys import local_user

    return who or local_user()
