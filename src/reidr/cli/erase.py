"""`reidr erase GALLERY`: erase people from a gallery, with a receipt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reidr.cli.command import Command
from reidr.cli.security_options import GALLERY, RECORDS_OPTION, WHO_OPTION, name_of_user, opened_site

if TYPE_CHECKING:
    from reidr.service.records.records import RecordStore
    from reidr.service.store.records import CropFilter
    from reidr.service.store.store import GalleryStore


@click.command("erase", cls=Command)
@GALLERY
@click.option("--crop", "ids", multiple=True, help="This crop; may be repeated, as all of these.")
@click.option("--track", "tracks", multiple=True, help="Crops of this track.")
@click.option("--person", "persons", multiple=True, help="Crops to which a human gave this person's name.")
@click.option("--camera", "cameras", multiple=True, help="Crops of this camera.")
@click.option("--recording", "recordings", multiple=True, help="Crops of this recording.")
@click.option("--from", "since", metavar="TIME", help="Crops whose track was not over by this time.")
@click.option("--to", "until", metavar="TIME", help="Crops whose track had begun by this time.")
@click.option("--picture", "pictures", type=click.Path(path_type=Path), multiple=True,
              help="A picture of the person: the tracks most like it are put on a page, and you say which show the "
              "person.")  # fmt: skip
@click.option("--matches", type=click.IntRange(1, 200), default=20, help="With --picture: tracks to look at. [20]")
@click.option("--sheet", type=click.Path(path_type=Path), default=Path("erase-candidates.html"),
              help="With --picture: where that page is written, and removed. [erase-candidates.html]")  # fmt: skip
@click.option("--retriever", help="With --picture: the gallery's retriever, where its name does not say its folder.")
@click.option("--why", default="", help="On what grounds; kept in the audit log and on the receipt.")
@click.option("--receipt", "receipt_file", type=click.Path(path_type=Path), help="Write the receipt as JSON here.")
@click.option(
    "--keep-cases", is_flag=True, help="Keep cases about the person; they lose only what they say of these crops."
)
@click.option("--dry-run", is_flag=True, help="Only say how many crops it would be.")
@click.option("--yes", is_flag=True, help="Do not ask before erasing.")
@RECORDS_OPTION
@WHO_OPTION
def command(gallery: str, records: str | None, who: str | None, **options: Any) -> None:
    """Erase crops from GALLERY with all that is known to be kept of them: vectors, indexes, cached embeddings, scores
    and reasons, cases, exports, reports. Crops must meet every condition given. Prints a receipt.
    """
    from reidr.cli.erase_text import receipt_lines
    from reidr.core.storage.files import write_json
    from reidr.report.kept.inventory import RUNS
    from reidr.service.security.erasure.erasing import erase, finish_erasures
    from reidr.service.security.erasure.receipts import Erasure

    which: CropFilter | None = filter_of(options)
    user = name_of_user(who)
    with opened_site(gallery, records) as (store, opened):
        receipts = [] if options["dry_run"] else finish_erasures(store, opened, runs=(RUNS,))
        if receipts:
            click.echo("an erasure that was cut short is finished first:")
        if options["pictures"]:
            which = chosen_tracks(store, opened, filter_of(options), options)
        if which is not None and may_go_on(store, which, options):
            looked = user if options["pictures"] else None
            asked = Erasure(which, user, options["why"], looked, about_person=not options["keep_cases"])
            receipts.append(erase(store, opened, asked, runs=(RUNS,)))
            if options["receipt_file"] is not None:
                write_json(options["receipt_file"], receipts[-1].model_dump())
    for receipt in receipts:
        click.echo("\n".join(receipt_lines(receipt)))


def filter_of(options: dict[str, Any]) -> CropFilter:
    """What the options name. Raises click.UsageError where they name nothing."""
    from reidr.core.times import read_time
    from reidr.errors import DataError
    from reidr.service.store.records import EVERYTHING, CropFilter

    labels: dict[str, Any] = {
        name: frozenset(options[name])
        for name in ("ids", "tracks", "persons", "cameras", "recordings")
        if options[name]
    }
    times: dict[str, Any] = {
        name: read_time(options[name], option, DataError)
        for name, option in (("since", "--from"), ("until", "--to"))
        if options[name] is not None
    }
    which = CropFilter(**labels, **times)
    if which == EVERYTHING and not options["pictures"]:
        raise click.UsageError(
            "say what is to be erased: --crop, --track, --person, --camera, --recording, --from and --to, or --picture"
        )
    return which


def may_go_on(store: GalleryStore, which: CropFilter, options: dict[str, Any]) -> bool:
    """Say how many crops it is, and ask; False for a dry run, and for a no."""
    from reidr.core.text import number_of

    number = store.count(which)
    click.echo(f"{number_of(number, 'crop')} of {store.count():,} in the gallery")
    if options["dry_run"]:
        return False
    return bool(options["yes"] or click.confirm("Erase them for good?"))


def chosen_tracks(
    store: GalleryStore, records: RecordStore, within: CropFilter, options: dict[str, Any]
) -> CropFilter | None:
    """The tracks that a human picks among those most like the pictures; None where they pick none."""
    from dataclasses import replace

    from reidr.cli.erase_candidates import candidates_of, read_choice, written_sheet

    candidates = candidates_of(store, within, options)
    for number, candidate in enumerate(candidates, start=1):
        click.echo(f"{number:>3}  {candidate.line()}")
    if options["dry_run"] or not candidates:
        return None
    with written_sheet(records, options["sheet"], candidates):
        click.echo(f"their pictures: {options['sheet']}")
        picked = read_choice(click.prompt("Which of them show the person? Numbers, or none"), candidates)
    return replace(within, tracks=frozenset(picked)) if picked else None
