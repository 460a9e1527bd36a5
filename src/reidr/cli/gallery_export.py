"""`reidr gallery export`: the crops of a gallery as a data set for other tools."""

from __future__ import annotations

import getpass
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from reidr.cli.command import Command


@click.command("export", cls=Command)
@click.argument("address", metavar="ADDRESS")
@click.argument("folder", metavar="TO", type=click.Path(path_type=Path))
@click.option("--form", type=click.Choice(["coco", "fiftyone"]), default="coco", help="How labels are written. [coco]")
@click.option("--camera", "cameras", multiple=True, help="Crops of this camera alone; may be repeated.")
@click.option("--from", "since", metavar="TIME", help="Leave out what ended before, as 2026-11-30T09:15:00+01:00.")
@click.option("--to", "until", metavar="TIME", help="Leave out what began later.")
@click.option("--records", help="For a gallery in Qdrant: folder or database with its records. [the gallery]")
@click.option("--by", metavar="WHO", help="Who exports. [the name of your account]")
@click.option("--why", default="", help="For whom, and what for.")
def export(address: str, folder: Path, form: Any, **options: Any) -> None:
    """Write crops as a data set (COCO, or FiftyOne's image detection form) into the new folder TO.

    The pictures are those of the gallery, and nobody in them is blurred: keep TO where the recordings may be kept. An
    erasure removes the pictures of erased people from it, and the labels.
    """
    from reidr.core.text import number_of, shown
    from reidr.core.times import read_time
    from reidr.service.finding.exports.export import export_gallery
    from reidr.service.records.opening import open_records
    from reidr.service.security.audit import Entry, write
    from reidr.service.store.opening import open_store
    from reidr.service.store.records import CropFilter

    which = CropFilter(
        cameras=frozenset(options["cameras"]) or None,
        since=None if options["since"] is None else read_time(options["since"], "--from"),
        until=None if options["until"] is None else read_time(options["until"], "--to"),
    )
    with (
        closing(open_store(address, new=False)) as store,
        closing(open_records(options["records"] or address)) as records,
    ):
        asked = {
            "form": form,
            "cameras": list(options["cameras"]),
            "since": options["since"],
            "until": options["until"],
        }
        who = options["by"] or getpass.getuser()
        write(records, Entry(who, "export", options["why"], asked, {}, store.facts().version))
        number = export_gallery(store, records, which, form, folder)
    click.echo(shown(f"{number_of(number, 'crop')} written to {folder}"))
