"""`reidr retention set|show|apply GALLERY`: how long the crops of a camera are kept."""

from __future__ import annotations

import click

from reidr.cli.command import Group
from reidr.cli.security_options import GALLERY, RECORDS_OPTION, WHO_OPTION, name_of_user, opened_records, opened_site


@click.group("retention", cls=Group)
def command() -> None:
    """Say how many days the crops of a camera are kept, and erase what is older."""


@command.command("set")
@GALLERY
@click.option("--camera", help="Of this camera. [of every camera without a rule of its own]")
@click.option(
    "--days", type=click.FloatRange(0, min_open=True), help="Erase crops so long after their track has ended."
)
@click.option("--for-ever", is_flag=True, help="Take the rule back.")
@RECORDS_OPTION
@WHO_OPTION
def set_rule(
    gallery: str, camera: str | None, days: float | None, for_ever: bool, records: str | None, who: str | None
) -> None:
    """Set how long the crops of a camera of GALLERY are kept. `reidr retention apply` does it, or `reidr serve`."""
    from reidr.core.text import shown
    from reidr.service.security.retention import OTHERS, set_retention

    if (days is None) is not for_ever:
        raise click.UsageError("give either --days or --for-ever")
    with opened_records(gallery, records, make=True) as opened:
        set_retention(opened, camera or OTHERS, days, name_of_user(who))
    of = f"camera {shown(camera)}" if camera else "cameras without a rule of their own"
    click.echo(f"{of}: {'kept for ever' if days is None else f'erased after {days:g} days'}")


@command.command("show")
@GALLERY
@RECORDS_OPTION
def show(gallery: str, records: str | None) -> None:
    """Print the rules of GALLERY."""
    from reidr.core.text import shown
    from reidr.service.security.retention import OTHERS, rules

    with opened_records(gallery, records) as opened:
        found = rules(opened)
    for rule in found:
        of = "every other camera" if rule.camera == OTHERS else f"camera {shown(rule.camera)}"
        click.echo(f"{of}: {rule.days:g} days (set by {shown(rule.set_by)})")
    if not found:
        click.echo("no rules: crops are kept until they are erased (reidr retention set)")


@command.command("apply")
@GALLERY
@RECORDS_OPTION
@WHO_OPTION
def apply(gallery: str, records: str | None, who: str | None) -> None:
    """Erase the crops of GALLERY that are older than its rules allow, as `reidr erase` would. For a daily timer."""
    from reidr.cli.erase_text import receipt_lines
    from reidr.core.text import number_of, shown
    from reidr.report.kept.inventory import RUNS
    from reidr.service.security.retention import apply_retention

    with opened_site(gallery, records) as (store, opened):
        applied = apply_retention(store, opened, name_of_user(who), runs=(RUNS,))
    for receipt in applied.receipts:
        click.echo("\n".join(receipt_lines(receipt)))
    for camera, number in applied.timeless.items():
        click.echo(
            f"camera {shown(camera)}: {number_of(number, 'crop')} of unknown time, which no rule reaches; erase "
            "them by name, or index them again with a time"
        )
    if not applied.receipts:
        click.echo("nothing is older than the rules allow")
