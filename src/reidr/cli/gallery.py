"""`reidr gallery info | index | migrate | export`: what a gallery holds, how it is searched, and how it is moved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reidr.cli.command import Group
from reidr.cli.gallery_export import export

if TYPE_CHECKING:
    from reidr.service.store.records import IndexFacts, StoreFacts

LARGE = 200_000  # crops from which an approximate index pays


@click.group("gallery", cls=Group)
def command() -> None:
    """Look at a gallery, index it, or move it to another database or model.

    ADDRESS is a folder, postgresql://USER@HOST/DATABASE?gallery=NAME, http://HOST:6333/NAME (Qdrant), or qdrant:FOLDER.
    """


command.add_command(export)


@command.command("info")
@click.argument("address", metavar="ADDRESS")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write it to this file; - is stdout.")
def info(address: str, json_file: Path | None) -> None:
    """Say what a gallery holds: model, crops, tracks, cameras, times, and how it is searched."""
    from dataclasses import asdict

    from reidr.cli.shared import prepare_output, write_output
    from reidr.core.text import shown
    from reidr.service.store.opening import open_store

    to_stdout = prepare_output(json_file)
    store = open_store(address, new=False)
    try:
        facts = store.facts()
    finally:
        store.close()
    for line in lines_of(facts, address):
        click.echo(shown(line), err=to_stdout)
    if json_file is not None:
        write_output(json_file, {"kind": "gallery", "version": 1, "facts": asdict(facts)})


def lines_of(facts: StoreFacts, address: str) -> list[str]:
    """What `reidr gallery info` says, line by line."""
    from reidr.core.text import number_of, size_in_words, some_of
    from reidr.core.times import time_in_words

    model = "none yet: the first crops decide"
    if facts.model is not None:
        model = f"{facts.model_name} ({facts.model}), {facts.dimensions} numbers a vector"
    cameras = number_of(len(facts.cameras), "camera")
    lines = [
        f"gallery   {facts.address} ({facts.kind}, tables of version {facts.schema})",
        f"model     {model}",
        f"crops     {facts.crops:,} in {number_of(facts.tracks, 'track')} of {cameras}",
    ]
    if facts.cameras:
        lines.append(f"cameras   {some_of(facts.cameras, 20)}")
    if facts.start is not None or facts.end is not None:
        lines.append(f"time      {time_in_words(facts.start)} to {time_in_words(facts.end)}")
    lines.append(f"version   {facts.version:,} (changes so far)")
    lines.append(f"search    {search_in_words(facts)}")
    if facts.kind == "sqlite":
        size = sum(path.stat().st_size for path in Path(address).glob("*") if path.is_file())
        lines.append(f"on disk   {size_in_words(size)}")
    return lines


def search_in_words(facts: StoreFacts) -> str:
    """How the gallery is searched, and what could be done about it."""
    if facts.index is not None:
        return f"exact, or approximate: {index_in_words(facts.index)}"
    if facts.kind == "qdrant":
        return "exact, or by the index that Qdrant keeps by itself"
    if facts.crops >= LARGE:
        return "exact; `reidr gallery index` makes an approximate index, which is some ten times as quick"
    return "exact"


def index_in_words(made: IndexFacts) -> str:
    """An approximate index in words."""
    return f"{made.kind}, recall@10 {made.recall:.3f} as measured when it was made of {made.crops:,} crops"


@command.command("index")
@click.argument("address", metavar="ADDRESS")
def index(address: str) -> None:
    """Make the approximate index of a large gallery anew, and measure its recall.

    It pays from some 200,000 crops. Crops that are added later are found too; make it anew when there are many of them.
    """
    from reidr.service.store.opening import open_store

    store = open_store(address, new=False)
    try:
        made = store.build_index()
    finally:
        store.close()
    if made is None:
        click.echo("this database keeps its index by itself; there is nothing to do")
    else:
        click.echo(f"approximate index: {index_in_words(made)}; {made.seconds:.0f} s")


@command.command("migrate")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--model", metavar="RETRIEVER",
              help="Embed the stored pictures anew with this retriever: a shipped one (lite, attributes), the "
              "folder of a trained one, an .onnx file or your own as module:factory. [they are copied]")  # fmt: skip
@click.option("--crops-only", is_flag=True, help="Leave keys, cases, decisions and the audit log where they are.")
def migrate(source: str, target: str, model: str | None, crops_only: bool) -> None:
    """Copy a gallery to another database, or to another model; when it is cut short, the same command goes on.

    FROM stays as it is. Copied are the crops with their tracks and persons, and what is kept beside them: keys, cases,
    decisions and the audit log. The history of changes begins anew.
    """
    from reidr.core.progress import progress
    from reidr.core.text import number_of, shown
    from reidr.service.store.migration import check_places, embedding_with, keep_model
    from reidr.service.store.migration import migrate as copy
    from reidr.service.store.opening import open_store

    old = open_store(source, new=False)
    new = open_store(target)
    try:
        check_places(old, new)
        embed = None if model is None else embedding_with(model, new)
        if embed is None:
            keep_model(old, new)
        with progress("copying crops", old.count()) as advance:
            done = copy(old, new, embed=embed, advance=advance)
    finally:
        old.close()
        new.close()
    for sentence in done.left_out:
        click.echo(shown(f"left out: {sentence}"))
    click.echo(
        f"{number_of(done.copied, 'crop')} copied, {done.there:,} were there already, {len(done.left_out):,} left out"
    )
    if done.others:
        click.echo(
            f"{number_of(done.others, 'crop')} in {shown(target)} are not in {shown(source)}: if they were erased "
            "there since an earlier copy, erase them here too"
        )
    if not crops_only:
        click.echo(records_copied(source, target))


def records_copied(source: str, target: str) -> str:
    """Copy what is kept beside a gallery; one sentence about it."""
    from reidr.core.text import number_of
    from reidr.errors import DataError
    from reidr.service.records.copying import copy_records
    from reidr.service.records.opening import FILE, open_records

    if Path(source).is_dir() and not (Path(source) / FILE).is_file():
        return "nothing is kept beside it: no keys, cases or audit log"
    try:
        old = open_records(source)
        new = open_records(target)
    except DataError as error:
        return f"keys, cases and the audit log were not copied: {error}"
    try:
        done = copy_records(old, new)
    finally:
        old.close()
        new.close()
    return f"{number_of(done.records, 'record')} and {number_of(done.rows, 'row')} of the audit log copied"
