"""`reidr case show|decide|export`."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reidr.cli.command import Group

if TYPE_CHECKING:
    from reidr.service.records.records import RecordStore
    from reidr.service.store.store import GalleryStore


def of_gallery(command: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that adds the options that say where a case lies."""
    records = click.option(
        "--records", help="For a gallery in Qdrant: folder or database with its cases. [the gallery]"
    )
    gallery = click.option("--in", "gallery", required=True, help="The gallery: its folder, or its database's address.")
    return gallery(records(command))


@contextmanager
def opened(gallery: str, records: str | None) -> Iterator[tuple[GalleryStore, RecordStore]]:
    """The gallery and its records, closed at the end."""
    from reidr.service.records.opening import open_records
    from reidr.service.store.opening import open_store

    with closing(open_store(gallery, new=False)) as store, closing(open_records(records or gallery)) as kept:
        yield store, kept


@click.group("case", cls=Group)
def command() -> None:
    """Look at searches that were kept with `reidr find --case`, decide about what they found, and hand them on."""


@command.command("show")
@click.argument("name", required=False)
@of_gallery
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write all of it here; - is stdout.")
def show(name: str | None, gallery: str, records: str | None, json_file: Path | None) -> None:
    """Print the case NAME: its answer and who decided what; without NAME list all cases."""
    from reidr.cli.find_gallery_text import say_case
    from reidr.cli.shared import prepare_output, write_output
    from reidr.core.text import shown
    from reidr.report.case.document import moment
    from reidr.report.case.page import decision_lines
    from reidr.service.finding.cases import case_of, cases

    to_stdout = prepare_output(json_file)
    with opened(gallery, records) as (_, kept):
        found = list(cases(kept)) if name is None else [case_of(kept, name)]
    for case in found:
        if name is None:
            standing = [decision.decided for decision in case.standing().values()]
            said = f"{standing.count('same'):,} confirmed, {standing.count('different'):,} rejected"
            line = (
                f"{case.id}  {moment(case.created)}  by {case.by}  {said}{f'  {case.purpose}' if case.purpose else ''}"
            )
            click.echo(shown(line), err=to_stdout)
            continue
        say_case(case, None, err=to_stdout)
        for decision, words, counts in decision_lines(case.decisions):
            why = f": {decision.why}" if decision.why else ""
            past = "" if counts else " (no longer counts)"
            said = f"{decision.by} {words}: track {decision.track}{why}{past}"
            click.echo(shown(f"{decision.number:3d}. {moment(decision.time)}  {said}"), err=to_stdout)
    if not found:
        click.echo("no case yet; reidr find --case NAME keeps a search", err=to_stdout)
    if json_file is not None:
        values = [case.model_dump(mode="json") for case in found]
        write_output(json_file, values if name is None else values[0])


@command.command("decide")
@click.argument("name")
@click.argument("decided", type=click.Choice(["same", "different", "undecided"]))
@click.option("--track", "tracks", multiple=True, required=True, help="The track that was looked at; may be repeated.")
@click.option("--by", metavar="WHO", help="Who decides. [the name of your account]")
@click.option("--why", default="", help="On what grounds.")
@of_gallery
def decide_about(name: str, decided: Any, tracks: tuple[str, ...], **options: Any) -> None:
    """Say of tracks of the case NAME whether they show the SAME person; UNDECIDED takes back what was said before.

    Confirmed tracks join the query when the case is searched again (reidr find --case NAME).
    """
    from reidr.core.text import shown
    from reidr.service.finding.cases import Saying, decide
    from reidr.service.security.audit import Entry, write

    who, why, gallery = options["by"] or getpass.getuser(), options["why"], options["gallery"]
    with opened(gallery, options["records"]) as (store, kept):
        for track in tracks:
            case = decide(store, kept, name, Saying(track, decided, who, why))
            asked = {"case": name, "track": track, "decided": decided}
            write(kept, Entry(who, "decide", why, asked, {}, store.facts().version, verified_by=who))
    standing = [decision.decided for decision in case.standing().values()]
    line = f"case {name}: {standing.count('same'):,} tracks confirmed, {standing.count('different'):,} rejected"
    click.echo(shown(f"{line}; search again with reidr find --case {name} --in {gallery}"))


@command.command("export")
@click.argument("name")
@click.option(
    "--form",
    "forms",
    type=click.Choice(["html", "csv", "json", "coco", "fiftyone"]),
    multiple=True,
    default=("html",),
    help="html: a page with its pictures; csv: a table; json: all of it; coco, fiftyone: data sets; repeatable. [html]",
)
@click.option("--to", "folder", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
@click.option("--by", metavar="WHO", help="Who exports. [the name of your account]")
@click.option("--why", default="", help="For whom, and what for.")
@of_gallery
def export(name: str, forms: tuple[Any, ...], folder: Path, **options: Any) -> None:
    """Write the case NAME to files that can be handed on: everybody but the query and confirmed people is blurred."""
    from reidr.core.text import shown
    from reidr.service.finding.exports.export import export_case
    from reidr.service.security.audit import Entry, write

    who, why = options["by"] or getpass.getuser(), options["why"]
    with opened(options["gallery"], options["records"]) as (store, kept):
        for form in dict.fromkeys(forms):
            path = export_case(store, kept, name, form, folder)
            entry = Entry(who, "export", why, {"case": name, "form": form}, {}, store.facts().version)
            write(kept, entry)
            click.echo(shown(f"{form}: {path}"))
