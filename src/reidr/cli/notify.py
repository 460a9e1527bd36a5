"""`reidr notify add|list|remove|deliver GALLERY`: tell other programs of matches."""

from __future__ import annotations

import click

from reidr.cli.command import Group
from reidr.cli.security_options import GALLERY, RECORDS_OPTION, WHO_OPTION, name_of_user, opened_records, opened_site


@click.group("notify", cls=Group)
def command() -> None:
    """Tell other programs (webhook, MQTT) of matches in cases that a human opened.

    Nothing is searched for this: there is no live watch-list.
    """


@command.command("add")
@GALLERY
@click.option("--name", required=True, help="What to call this target.")
@click.option("--to", "address", required=True, help="https://host/path, or mqtt://host:1883/topic (mqtts: over TLS).")
@click.option(
    "--found-above",
    type=click.FloatRange(0, 1, min_open=True),
    help="Tell of a search's matches of this P(same) or more, too. [of confirmed matches alone]",
)
@click.option("--pictures", is_flag=True, help="Send the best picture along. [no pictures leave the gallery]")
@RECORDS_OPTION
@WHO_OPTION
def add(
    gallery: str, name: str, address: str, records: str | None, who: str | None, **what: float | bool | None
) -> None:
    """Have matches in GALLERY told from now on; prints a webhook's secret, with which its signatures are checked."""
    from reidr.service.notifying.targets import add_target
    from reidr.service.security.audit import Entry, write

    above, pictures = what["found_above"], bool(what["pictures"])
    with opened_records(gallery, records) as opened:
        user = name_of_user(who)
        target = add_target(opened, name, address, by=user, found_above=above, pictures=pictures)
        asked = {"target": name, "place": target.place, "found_above": above, "with_pictures": pictures}
        write(opened, Entry(user, "add notification target", asked=asked))
    click.echo(f"{name} is told at {target.place}", err=True)
    if address.startswith("http"):
        click.echo("check the header webhook-signature with this secret, which is not shown again:", err=True)
        click.echo(target.secret)


@command.command("list")
@GALLERY
@RECORDS_OPTION
def list_targets(gallery: str, records: str | None) -> None:
    """List who is told of matches in GALLERY."""
    from reidr.core.text import shown
    from reidr.service.notifying.targets import targets

    with opened_records(gallery, records) as opened:
        found = targets(opened)
    for target in found:
        of = "confirmed matches"
        if target.found_above is not None:
            of += f" and matches of P(same) {target.found_above:g} or more"
        along = ", with pictures" if target.pictures else ""
        click.echo(f"{target.name}  {shown(target.place)}  {of}{along}  (set by {shown(target.set_by)})")
    if not found:
        click.echo("nobody is told (reidr notify add)")


@command.command("remove")
@GALLERY
@click.argument("name")
@RECORDS_OPTION
@WHO_OPTION
def remove(gallery: str, name: str, records: str | None, who: str | None) -> None:
    """Tell NAME no more of matches in GALLERY."""
    from reidr.service.notifying.targets import remove_target
    from reidr.service.security.audit import Entry, write

    with opened_records(gallery, records) as opened:
        remove_target(opened, name)
        write(opened, Entry(name_of_user(who), "remove notification target", asked={"target": name}))
    click.echo(f"{name} is told no more")


@command.command("deliver")
@GALLERY
@RECORDS_OPTION
def deliver_now(gallery: str, records: str | None) -> None:
    """Send what GALLERY's targets have not been told, once; `reidr serve` does it all the time."""
    from reidr.service.notifying.delivery import deliver

    with opened_site(gallery, records) as (store, opened):
        done = deliver(store, opened)
    click.echo(f"{done.sent:,} sent, {done.waiting:,} to be sent again, {done.given_up:,} given up")
