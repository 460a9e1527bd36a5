"""`reidr audit show|verify|export GALLERY`: who asked what, and whether the log is as it was written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reidr.cli.command import Group
from reidr.cli.security_options import GALLERY, JSON_OPTION, RECORDS_OPTION, opened_records, opened_site

if TYPE_CHECKING:
    from reidr.service.records.records import LogRow, RecordStore


@click.group("audit", cls=Group)
def command() -> None:
    """Read, check and hand out the audit log of a gallery."""


@command.command("show")
@GALLERY
@click.option("--who", help="Only what this person or program did.")
@click.option("--action", help="Only this action: search, enrol, decide, erase, export, …")
@click.option("--from", "since", metavar="TIME", help="Only what happened at this time or later.")
@click.option("--to", "until", metavar="TIME", help="Only what happened at this time or earlier.")
@click.option("--about", help="Only rows that name this track, crop or person, or this picture (a file).")
@click.option("--last", type=click.IntRange(1), help="Only so many rows, the newest of them. [all]")
@RECORDS_OPTION
@JSON_OPTION
def show(gallery: str, records: str | None, as_json: bool, **wanted: Any) -> None:
    """Print the audit log of GALLERY, oldest first. Tracks that are still in the gallery are shown by their names."""
    from reidr.service.security.pseudonyms import Pseudonyms

    with opened_site(gallery, records) as (store, opened):
        pseudonyms = Pseudonyms(opened)
        rows = list(selected(opened, pseudonyms, wanted))
        names: dict[str, str] = {}
        after = None
        while not as_json and (page := store.tracks(after=after)):
            names |= {pseudonyms.of(track.id): track.id for track in page}
            after = page[-1].id
    for row in rows[-wanted["last"] :] if wanted["last"] else rows:
        click.echo(json.dumps(row.value) if as_json else "\n".join(lines_of(row, names)))


@command.command("verify")
@GALLERY
@click.option("--head", metavar="NUMBER:HASH", help="A head that an earlier verify printed, kept elsewhere.")
@RECORDS_OPTION
def verify_log(gallery: str, head: str | None, records: str | None) -> None:
    """Check the hash chain of GALLERY's audit log; ends with 1 and names the first row that does not fit.

    Keep the printed head elsewhere: with it, a log that was written anew or cut off is found as well.
    """
    from reidr.service.security.verification import verify

    with opened_records(gallery, records) as opened:
        checked = verify(opened, kept_head=head)
    if checked.broken is not None:
        click.echo(f"row {checked.broken}: {checked.why}")
        click.echo(f"{checked.rows:,} rows before it are as they were written")
        sys.exit(1)
    click.echo(f"all {checked.rows:,} rows are as they were written")
    click.echo(f"head {checked.head}")


@command.command("export")
@GALLERY
@click.option("--output", type=click.Path(path_type=Path), required=True, help="JSON lines; - for the terminal.")
@RECORDS_OPTION
def export(gallery: str, output: Path, records: str | None) -> None:
    """Write the audit log of GALLERY as JSON lines, each row with its hashes, so that others can check the chain."""
    from reidr.cli.shared import prepare_output
    from reidr.core.storage.files import writing
    from reidr.service.security.audit import all_rows

    to_stdout = prepare_output(output)
    with opened_records(gallery, records) as opened:
        if to_stdout:
            for row in all_rows(opened):
                click.echo(json.dumps(row.value))
            return
        number = 0
        with writing(output, "w") as file:
            for row in all_rows(opened):
                file.write(json.dumps(row.value) + "\n")
                number += 1
    click.echo(f"{number:,} rows: {output}")


def selected(records: RecordStore, pseudonyms: Any, wanted: dict[str, Any]) -> Iterator[LogRow]:
    """Rows that the options ask for."""
    from datetime import datetime

    from reidr.core.times import read_time
    from reidr.errors import DataError
    from reidr.service.security.audit import all_rows

    since, until = (
        None if wanted[name] is None else read_time(wanted[name], option, DataError)
        for name, option in (("since", "--from"), ("until", "--to"))
    )
    about = wanted["about"]
    names = set()
    if about is not None:
        file = Path(about)
        names = {pseudonyms.of(about), *([pseudonyms.of(file.read_bytes())] if file.is_file() else [])}
    for row in all_rows(records):
        moment = datetime.fromisoformat(row.value["time"]).timestamp()
        fits = (
            wanted["who"] in (None, row.value["who"])
            and wanted["action"] in (None, row.value["action"])
            and (since is None or moment >= since)
            and (until is None or moment <= until)
        )
        if fits and (about is None or any(name in json.dumps(row.value) for name in names)):
            yield row


def lines_of(row: LogRow, names: dict[str, str]) -> list[str]:
    """A row for reading."""
    from reidr.core.text import shown

    value = row.value

    def told(part: Any) -> str:
        text = json.dumps(part, ensure_ascii=False)
        for pseudonym, name in names.items():
            if pseudonym in text:
                text = text.replace(pseudonym, name)
        return shown(text)

    why = f", because: {shown(value['why'])}" if value["why"] else ""
    looked = f", verified by {shown(value['verified_by'])}" if value["verified_by"] else ""
    version = "" if value["gallery_version"] is None else f", gallery version {value['gallery_version']}"
    first = f"{row.number}  {value['time']}  {shown(value['who'])}  {value['action']}{why}{looked}{version}"
    return [first, *(f"    {name} {told(value[name])}" for name in ("asked", "answered") if value[name])]
