"""`reidr find PERSON.jpg --in FOLDER`."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from reidr.cli.command import Command
from reidr.cli.gallery_options import (
    GalleryPlace,
    check_gallery,
    gallery_option,
    gallery_options,
    is_gallery,
    refuse_gallery_options,
)
from reidr.cli.shared import (
    CACHE_OPTION,
    PRECISION_OPTION,
    REASONER_OPTION,
    RETRIEVER_OPTION,
    SERVER_OPTIONS,
    server_options,
)
from reidr.core.defaults import DEFAULT_K

if TYPE_CHECKING:
    from reidr.search.task import Task

UNASKED = {
    "think": "--think",
    "claim_check": "--claim-check",
    "adaptive": "--adaptive",
    "reranker": "--reranker",
    "reasoner_name": "--reasoner",
    **{name: f"--{name.replace('_', '-')}" for name in SERVER_OPTIONS},
}
"""Options that only mean something where a reasoner may be asked."""
PATTERN_HELP = 'Camera and time of files in folders, for example "{camera}/{date}/{time}_{}.jpg" (docs/finding.md).'


class FindCommand(Command):
    """Pictures, words, or both: what does not belong together is refused while the command line is read."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Raises click.UsageError."""
        rest = super().parse_args(context, args)
        if context.resilient_parsing:
            return rest
        people, galleries, wearing = (context.params[name] for name in ("people", "galleries", "wearing"))
        if gallery_option(context) or any(is_gallery(place) for place in galleries):
            check_gallery(context)
            return rest
        if context.params["describe"] and (galleries or wearing is not None):
            raise click.UsageError("--describe looks at PERSON pictures alone; leave out --in and --wearing", context)
        if not people and wearing is None:
            raise click.MissingParameter(
                "Give a picture of the person, or words with --wearing.", context, param_hint="'PERSON...'",
                param_type="argument",
            )  # fmt: skip
        if not galleries and not context.params["describe"]:
            raise click.MissingParameter(
                "It names the folder of crops to search.", context, param_hint="'--in'", param_type="option"
            )
        if context.params["only"] and wearing is None:
            raise click.UsageError("--only belongs to --wearing", context)
        if wearing is not None or context.params["describe"]:
            given = [name for name in UNASKED if context.get_parameter_source(name) is not ParameterSource.DEFAULT]
            if given:
                mode = "--describe" if context.params["describe"] else "--wearing"
                raise click.UsageError(f"{mode} asks no reasoner; leave out {UNASKED[given[0]]}", context)
        return rest


@click.command("find", cls=FindCommand)
@click.argument("people", metavar="PERSON...", type=click.Path(path_type=Path), nargs=-1)
@click.option(
    "--in",
    "galleries",
    type=GalleryPlace(path_type=Path),
    multiple=True,
    help="Folder of person crops to search, or a manifest (.csv, .jsonl); may be given several times. Or one gallery "
    "that reidr index has filled: its folder, or the address of its database (docs/find-people.md).",
)
@click.option("--k", type=click.IntRange(1, 100), default=DEFAULT_K, help=f"Number of matches. [{DEFAULT_K}]")
@click.option(
    "--wearing",
    "--words",
    "wearing",
    help='Search by words: "red top, black backpack, no hat"; PERSON may be given beside them.',
)
@click.option("--only", is_flag=True, help="With --wearing: leave out crops of which any of it is unlikely.")
@click.option("--describe", is_flag=True, help="Print what each PERSON picture shows instead of searching.")
@click.option("--think", type=click.IntRange(0), help="Number of matches with a reason. [all]")
@click.option("--pattern", help=PATTERN_HELP)
@click.option("--fold/--no-fold", default=True, help="Show near-duplicates as one match. [fold]")
@click.option(
    "--claim-check/--no-claim-check",
    "claim_check",
    default=True,
    help="Check what reasons state: ask about each crop alone. Not with a server. [on]",
)
@click.option("--adaptive", is_flag=True, help="Ask the reasoner only about candidates in doubt, by its stored rule.")
@click.option(
    "--reranker",
    help="Order candidates by this instead of the reasoner's inference profile: csls, k-reciprocal, or module:factory.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write all of it here; - is stdout.")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Also write the matches here; - is stdout.")
@click.option(
    "--run",
    "folder",
    type=click.Path(path_type=Path),
    help="Where the report goes. [a folder of its own in runs/find]",
)
@click.option("--overwrite", is_flag=True, help="With --run: do the search again that this folder holds.")
@RETRIEVER_OPTION
@PRECISION_OPTION
@REASONER_OPTION
@server_options
@CACHE_OPTION
@gallery_options
def command(people: tuple[Path, ...], galleries: tuple[Path, ...], **options: Any) -> None:
    """Find a person in folders of crops; prints the matches with a reason each and writes a report.

    The person is given by pictures, by words (--wearing), or by both. Several PERSON pictures are pictures of one and
    the same person. Exit status 0: the search was carried out, whether anybody was found or not; 1: it could not be.
    """
    if searched_elsewhere(people, galleries, options):
        return
    started, task = time.perf_counter(), checked(people, galleries, options)
    # Only now what takes seconds to load.
    from reidr.cli import shared
    from reidr.cli.find_folder import run_folder, settings_of
    from reidr.cli.find_text import say
    from reidr.core.storage.files import write_text
    from reidr.report.kept.inventory import note_run_folder
    from reidr.report.search import json_of, write_search
    from reidr.search.document.document import csv_of, document_of, pictures_of
    from reidr.search.searching import run as carry_out

    run = run_folder(options["folder"], people, settings_of(people, galleries, options), overwrite=options["overwrite"])
    if options["cache"]:
        note_run_folder(run.folder)
    name = options["reasoner_name"]
    retriever = shared.load_retriever(options["retriever_name"], options["precision"])
    reasoner = shared.load_reasoner(name, options["cache"], **shared.asked_of_server(options))
    found = carry_out(task.with_models(retriever, reasoner), keep=options["cache"])
    facts = shared.facts_of(
        {
            "retriever": retriever.name,
            "reasoner": name,
            "k": task.k,
            "pattern": options["pattern"],
            "near-duplicates": "folded" if task.options.fold else "not folded",
            "claim check": "yes" if any(match.looks for match in found.matches) else "no",
            "seconds": round(time.perf_counter() - started, 1),
        }
    )
    created = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    document = document_of(found, created=created, facts=facts, notice=shared.notice_of(reasoner))
    page = write_search(document, run.folder, pictures_of(found))
    outputs = {options["json_file"]: json_of(document), options["csv_file"]: csv_of(document)}
    to_stdout = Path("-") in outputs
    say(found, document, page, err=to_stdout)
    for path, text in outputs.items():
        if path == Path("-"):
            click.echo(text, nl=False)
        elif path is not None:
            write_text(path, text)
    run.finish("search", started, report=page.name)  # last: whatever was cut short before may be done again


def searched_elsewhere(people: tuple[Path, ...], galleries: tuple[Path, ...], options: dict[str, Any]) -> bool:
    """Search a gallery, or by words, or describe pictures, where that is asked; returns whether it was."""
    if galleries and is_gallery(galleries[0]):
        from reidr.cli.find_gallery import find_in_gallery

        find_in_gallery(people, str(galleries[0]), options)
        return True
    refuse_gallery_options(click.get_current_context())
    if not options["describe"] and options["wearing"] is None:
        return False
    from reidr.cli.find_words import describe_people, search_by_words

    if options["describe"]:
        describe_people(people, options)
    else:
        search_by_words(people, galleries, options)
    return True


def checked(people: tuple[Path, ...], galleries: tuple[Path, ...], options: dict[str, Any]) -> Task:
    """The search, all of its arguments known to be usable. No model is loaded for that."""
    from reidr.cli.shared import asked_of_server, prepare_output
    from reidr.core.run import refuse_own
    from reidr.search.query.gallery import check_place
    from reidr.search.task import SearchOptions, prepare

    files = options["json_file"], options["csv_file"]
    if None not in files and len({os.path.realpath(str(path)) for path in files}) == 1:
        raise click.UsageError(f"--json and --csv both name {files[0]}; give them different files")
    if options["overwrite"] and options["folder"] is None:
        raise click.UsageError("--overwrite belongs to --run: without --run every search gets a folder of its own")
    asked_of_server(options)
    for place in galleries:
        check_place(place)
    reasoner = options["reasoner_name"]
    task = prepare(
        people,
        galleries[0] if len(galleries) == 1 else galleries,
        options["k"],
        SearchOptions(
            retriever=options["retriever_name"],
            reasoner=None if reasoner == "none" else reasoner,
            **{name: options[name] for name in ("think", "claim_check", "fold", "pattern", "reranker", "adaptive")},
        ),
    )
    inputs = [*people, *galleries, options["retriever_name"]]
    inputs += [crop.image for crop in task.gallery.crops if isinstance(crop.image, Path)]
    for path in files:
        refuse_own(path, options["folder"])
        prepare_output(path, inputs)
    return task
