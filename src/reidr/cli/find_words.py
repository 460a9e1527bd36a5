"""`reidr find --wearing WORDS` and `reidr find --describe PICTURE`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from reidr.search.by_words import WordsFound, WordsMatch


def describe_people(people: tuple[Path, ...], options: Mapping[str, Any]) -> None:
    """Print what each picture shows, with probabilities; as JSON where that is asked for."""
    from reidr.cli.shared import load_retriever, prepare_output
    from reidr.core.storage.files import write_text
    from reidr.core.text import shown
    from reidr.search.description import describe, description_json

    target, name = options["json_file"], str(options["retriever_name"])
    prepare_output(target, [*people, name])
    found = describe(people, retriever=load_retriever(name))
    for description in found:
        click.echo(shown(description.crop.id), err=target == Path("-"))
        for line in description.lines():
            click.echo(f"  {line}", err=target == Path("-"))
    text = json.dumps(description_json(found), indent=2, ensure_ascii=False) + "\n"
    if target == Path("-"):
        click.echo(text, nl=False)
    elif target is not None:
        write_text(target, text)


def search_by_words(people: tuple[Path, ...], galleries: tuple[Path, ...], options: dict[str, Any]) -> None:
    """Search, print the matches, and write the report."""
    from reidr.cli.find_folder import run_folder, settings_of
    from reidr.cli.shared import facts_of, load_retriever, prepare_output
    from reidr.core.run import refuse_own
    from reidr.core.storage.files import write_text
    from reidr.report.kept.inventory import note_run_folder
    from reidr.report.search import json_of
    from reidr.report.words import write_words
    from reidr.search.by_words import WordsOptions, find_by_words, understood
    from reidr.search.document.words import words_csv, words_document_of, words_pictures
    from reidr.search.query.gallery import check_place

    started, name = time.perf_counter(), str(options["retriever_name"])
    for place in galleries:
        check_place(place)
    understood(options["wearing"])  # before any model is loaded
    for path in (options["json_file"], options["csv_file"]):
        refuse_own(path, options["folder"])
        prepare_output(path, [*people, *galleries, name])
    settings = settings_of(people, galleries, options) | {
        "wearing": options["wearing"],
        "only": options["only"],
    }
    run = run_folder(options["folder"], people, settings, overwrite=options["overwrite"])
    if options["cache"]:
        note_run_folder(run.folder)
    retriever = load_retriever(name, options["precision"])
    found = find_by_words(
        options["wearing"],
        galleries,
        options["k"],
        person=people or None,
        options=WordsOptions(retriever, options["pattern"], options["fold"], options["only"], options["cache"]),
    )
    seconds = round(time.perf_counter() - started, 1)
    facts = facts_of({"retriever": retriever.name, "k": options["k"], "seconds": seconds})
    created = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    document = words_document_of(found, created=created, facts=facts)
    page = write_words(document, run.folder, words_pictures(found))
    outputs = {options["json_file"]: json_of(document), options["csv_file"]: words_csv(document)}
    say(found, page, err=Path("-") in outputs)
    for path, text in outputs.items():
        if path == Path("-"):
            click.echo(text, nl=False)
        elif path is not None:
            write_text(path, text)
    run.finish("search", started, report=page.name)


def say(found: WordsFound, page: Path, *, err: bool) -> None:
    """Print a search by words."""
    from reidr.core.text import shown
    from reidr.search.query.left_out import sentences

    for sentence in sentences(found.left_out, ()):
        click.echo(shown(f"left out: {sentence}"), err=True)
    for note in (*found.notes, *found.sentences()):
        click.echo(shown(note), err=True)
    click.echo(shown("searched for: " + "; ".join(str(term) for term in found.query.terms)), err=err)
    for match in found.matches:
        click.echo(shown(match_line(match)), err=err)
        click.echo(shown("     " + "; ".join(term_words(match))), err=err)
    click.echo(f"{found.searched:,} crops searched", err=err)
    click.echo(shown(f"report: {page}"), err=err)


def match_line(match: WordsMatch) -> str:
    """Rank, crop, camera, and what decides."""
    where = [] if match.crop.camera is None else [f"camera {match.crop.camera}"]
    where += [f"+{len(match.like)} like it"] if match.like else []
    numbers = ["nothing known" if match.probability is None else f"all of it {match.probability:.2f}"]
    numbers += [] if match.distance is None else [f"distance {match.distance:.3f}"]
    return "  ".join((f"{match.rank:3d}. {match.crop.id}", *where, *numbers))


def term_words(match: WordsMatch) -> list[str]:
    """Each term with its probability at this crop."""
    return [
        f"{own.term} {'not known' if own.probability is None else format(own.probability, '.2f')}"
        for own in match.terms
    ]
