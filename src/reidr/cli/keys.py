"""`reidr keys add|list|revoke GALLERY`: who may use a gallery over the network."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from reidr.cli.command import Group
from reidr.cli.security_options import GALLERY, JSON_OPTION, RECORDS_OPTION, WHO_OPTION, name_of_user, opened_records

ROLES = ("search", "enrol", "decide", "erase", "audit")


@click.group("keys", cls=Group)
def command() -> None:
    """Make, list and revoke the keys with which programs and people use a gallery over the network."""


@command.command("add")
@GALLERY
@click.option("--holder", required=True, help="Who answers for its use: a person's or a program's name.")
@click.option(
    "--role",
    "roles",
    type=click.Choice(ROLES),
    multiple=True,
    required=True,
    help="What the key allows; may be given several times.",
)
@click.option("--expires", metavar="TIME", help="When it ends, as 2027-01-31 or 2027-01-31T18:00. [never]")
@RECORDS_OPTION
@WHO_OPTION
def add(gallery: str, holder: str, roles: tuple[str, ...], expires: str | None, **place: str | None) -> None:
    """Make a key for GALLERY and print it, once: only its hash is kept."""
    from reidr.core.times import read_time
    from reidr.errors import DataError
    from reidr.service.security.audit import Entry, write
    from reidr.service.security.keys import add_key

    end = None if expires is None else read_time(expires, "--expires", DataError)
    with opened_records(gallery, place["records"], make=True) as records:
        key, text = add_key(records, holder, roles, expires=end)
        asked = {"key": key.id, "holder": key.holder, "roles": list(key.roles), "expires": key.expires}
        write(records, Entry(name_of_user(place["who"]), "add key", asked=asked))
    click.echo(f"key {key.id} of {key.holder}, shown this once; it is sent as `Authorization: Bearer KEY`:", err=True)
    click.echo(text)


@command.command("list")
@GALLERY
@RECORDS_OPTION
@JSON_OPTION
def list_keys(gallery: str, records: str | None, as_json: bool) -> None:
    """List the keys of GALLERY: whose, what for, until when. The keys themselves are kept nowhere."""
    import json
    import time
    from dataclasses import asdict

    from reidr.core.text import shown
    from reidr.service.security.keys import keys

    with opened_records(gallery, records) as opened:
        found = keys(opened)
    if as_json:
        click.echo(json.dumps([asdict(key) for key in found], indent=2))
        return
    now = time.time()
    for key in found:
        if key.revoked is not None:
            state = f"revoked {date(key.revoked)}"
        elif key.expires is None:
            state = "good"
        else:
            state = f"{'good until' if key.is_good(now) else 'expired'} {date(key.expires)}"
        click.echo(f"{key.id}  {shown(key.holder)}  {','.join(key.roles)}  made {date(key.created)}  {state}")
    if not found:
        click.echo("no keys: only this machine can use the gallery (reidr keys add)")


@command.command("revoke")
@GALLERY
@click.argument("key")
@RECORDS_OPTION
@WHO_OPTION
def revoke(gallery: str, key: str, records: str | None, who: str | None) -> None:
    """Make KEY (its short name, as `reidr keys list` shows it) of GALLERY useless from now on."""
    from reidr.service.security.audit import Entry, write
    from reidr.service.security.keys import revoke_key

    with opened_records(gallery, records) as opened:
        revoked = revoke_key(opened, key)
        write(opened, Entry(name_of_user(who), "revoke key", asked={"key": key, "holder": revoked.holder}))
    click.echo(f"key {key} of {revoked.holder} opens nothing any more")


def date(moment: float) -> str:
    """A time for a list."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"
