"""`reidr find` over a gallery: appearances over cameras and time, a report, and a case where one is named."""

from __future__ import annotations

import getpass
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from reidr.core.run import Run
    from reidr.search.appearances.case import Case
    from reidr.service.finding.models import Models
    from reidr.service.finding.request import SearchRequest
    from reidr.service.records.records import RecordStore
    from reidr.service.store.store import GalleryStore

ASKED = ("cameras", "since", "until", "max_matches", "gap", "words", "tracks")


def find_in_gallery(people: tuple[Path, ...], address: str, options: dict[str, Any]) -> None:
    """Search, think, report; errors as `find_people`."""
    started = time.perf_counter()
    request = request_of_options(people, options)
    outputs = prepare_outputs(options, people)
    from reidr.cli import shared
    from reidr.cli.find_folder import run_folder
    from reidr.service.records.opening import open_records
    from reidr.service.store.opening import open_store

    asked = shared.asked_of_server(options)
    with (
        closing(open_store(address, new=False)) as store,
        closing(open_records(options["records"] or address)) as records,
    ):
        models = models_of(store, options, asked)
        settings = {
            "gallery": address,
            "people": [str(path.absolute()) for path in people],
            "case": options["case_name"],
        }
        settings |= {} if request is None else request.model_dump(mode="json", exclude={"pictures"}, by_alias=True)
        run = run_folder(options["folder"], people, settings, overwrite=options["overwrite"])
        case, full = carried_out(store, records, models, request, options)
        facts = shared.facts_of({"gallery": address, "seconds": round(time.perf_counter() - started, 1)})
        write_outputs(store, records, case, full, run, (facts, outputs))
    run.finish("search", started, report="report.html")


def request_of_options(people: tuple[Path, ...], options: dict[str, Any]) -> SearchRequest | None:
    """What is asked; None where a kept search is to be repeated. Raises ReIDError where it cannot be asked."""
    from pydantic import ValidationError

    from reidr.core.times import read_time
    from reidr.data.pictures.regular_files import open_regular
    from reidr.errors import DataError
    from reidr.search.appearances.travel import read_travel_times
    from reidr.service.finding.request import SearchRequest

    if not people and not options["tracks"] and options["wearing"] is None:
        return None
    pictures = []
    for path in people:
        with open_regular(path) as file:
            pictures.append({"name": str(path), "content": file.read()})
    fields: dict[str, Any] = {
        "pictures": pictures,
        "tracks": options["tracks"],
        "words": options["wearing"] or "",
        "cameras": options["cameras"],
        "since": None if options["since"] is None else read_time(options["since"], "--from"),
        "until": None if options["until"] is None else read_time(options["until"], "--to"),
        "max_matches": options["max_matches"],
        "gap": options["gap"],
        "reasons": options["think"],
        "adaptive": options["adaptive"],
    }
    if options["travel_times"] is not None:
        fields["travel_times"] = read_travel_times(options["travel_times"])
    try:
        return SearchRequest.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        raise DataError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def prepare_outputs(options: dict[str, Any], people: tuple[Path, ...]) -> dict[str, Path | None]:
    """--json and --csv, known to be writable."""
    from reidr.cli.shared import prepare_output
    from reidr.core.run import refuse_own

    files = {"json": options["json_file"], "csv": options["csv_file"]}
    if None not in files.values() and files["json"] == files["csv"]:
        raise click.UsageError(f"--json and --csv both name {files['json']}; give them different files")
    for path in files.values():
        refuse_own(path, options["folder"])
        prepare_output(path, people)
    return files


def models_of(store: GalleryStore, options: dict[str, Any], asked: dict[str, Any]) -> Models:
    """The gallery's retriever, or the one that was named; the reasoner as for every search."""
    from click.core import ParameterSource

    from reidr.cli import shared
    from reidr.service.finding.models import FAST, Models, retriever_of

    context = click.get_current_context()
    named = context.get_parameter_source("retriever_name") is not ParameterSource.DEFAULT
    name = options["retriever_name"] if named else store.facts().model_name or options["retriever_name"]
    if options["precision"] == "fast" and not name.endswith(FAST):
        name += FAST
    return Models(retriever_of(store, name), shared.load_reasoner(options["reasoner_name"], options["cache"], **asked))


def carried_out(
    store: GalleryStore, records: RecordStore, models: Models, request: SearchRequest | None, options: dict[str, Any]
) -> tuple[Case, SearchRequest]:
    """The case with its answer and reasons, and the whole request; kept where a name is given, logged in any case."""
    from reidr.core.progress import progress
    from reidr.search.appearances.case import Case
    from reidr.service.finding.cases import keep_answer, open_case, request_of, search_case
    from reidr.service.finding.finding import find_people
    from reidr.service.finding.site import site_of
    from reidr.service.finding.thinking import think
    from reidr.service.security.audit import Entry, write

    name, by, why = options["case_name"], options["by"] or getpass.getuser(), options["why"] or ""
    if name is not None:
        if request is not None:
            open_case(records, name, request, by, why)
        case = search_case(store, models, records, name)
        full = request_of(records, case)
    else:
        assert request is not None
        full = request
        answer = find_people(store, models, full, site_of(records))
        plain = full.model_dump(mode="json", exclude={"pictures"}, by_alias=True)
        case = Case(
            id="", created=answer.created, by=by, purpose=why, gallery=answer.gallery, request=plain, answer=answer
        )
    assert case.answer is not None
    shown = {"token": case.answer.token, "tracks": [track.track for track in case.answer.tracks()]}
    asked = {key: value for key, value in case.request.items() if key in ASKED} | {"pictures": len(full.pictures)}
    write(
        records, Entry(by, "search", why or case.purpose, {**asked, "case": name}, shown, case.answer.gallery_version)
    )
    reasons = []
    if case.answer.doubtful and models.reasoner is not None:
        with progress("thinking about tracks", len(case.answer.doubtful)) as advance:
            for reason in think(store, models, full, case.answer):
                reasons.append(reason)
                advance(1)
    if name is not None:
        return keep_answer(records, name, reasons=reasons), full
    return case.model_copy(update={"reasons": reasons}), full


def write_outputs(
    store: GalleryStore,
    records: RecordStore,
    case: Case,
    request: SearchRequest,
    run: Run,
    output: tuple[dict[str, Any], dict[str, Path | None]],
) -> None:
    """The report of the run folder, the files that were asked for, and the text. output: facts, and files by kind."""
    from reidr.cli.find_gallery_text import say_case
    from reidr.core.storage.files import write_text
    from reidr.report.case.document import case_csv
    from reidr.report.case.page import write_case
    from reidr.report.kept.inventory import note_run_folder
    from reidr.report.search import FILES, json_of
    from reidr.service.finding.exports.export import crops_named
    from reidr.service.finding.exports.pictures import document_of
    from reidr.service.security.erasure.kept_records import note_export

    facts, files = output
    document = document_of(store, case, request, facts, blur=False)
    tracks = [] if case.answer is None else [track.track for track in case.answer.tracks()]
    written = [run.folder / name for name in FILES]
    written += [path for path in files.values() if path is not None and path != Path("-")]
    for file in written:
        note_export(records, file, crops=crops_named(case), tracks=tracks, case=case.id or None)
    note_run_folder(run.folder)
    page = write_case(document, run.folder)
    texts = {"json": json_of(document.model_copy(update={"pictures": {}})), "csv": case_csv(case)}
    say_case(case, page, err=Path("-") in files.values())
    for kind, path in files.items():
        if path == Path("-"):
            click.echo(texts[kind], nl=False)
        elif path is not None:
            write_text(path, texts[kind])
