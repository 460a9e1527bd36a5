"""`reidr bulk SOURCE...`: embed and compare very many crops, on many cores or a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reidr.cli.command import Command
from reidr.cli.shared import RETRIEVER_OPTION

if TYPE_CHECKING:
    from reidr.service.bulk.embedding import Done
    from reidr.service.bulk.tasks import Task


@click.command("bulk", cls=Command)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@RETRIEVER_OPTION
@click.option("--workers", type=click.IntRange(0), default=0,
              help="Processes of one core each, run by Ray; 0: this process alone, without Ray. [0]")  # fmt: skip
@click.option("--cluster", metavar="ADDRESS",
              help="A Ray cluster (ray://host:10001, or auto) with the sources at the same paths. [none]")  # fmt: skip
@click.option("--queries", type=click.Path(path_type=Path),
              help="Crops that the reasoner compares with their nearest among the sources.")  # fmt: skip
@click.option("--nearest", type=click.IntRange(1), default=10, help="With --queries: crops for each. [10]")
@click.option("--reasoner", default="nano", help="With --queries: which model compares pairs. [nano]")
@click.option("--reasons", is_flag=True, help="With --queries: write reasons, too, not scores alone.")
def command(sources: tuple[str, ...], **options: Any) -> None:
    """Embed the crops of SOURCE (folders, manifests, galleries) into the cache, and compare pairs of them.

    Searches, evaluations and the service take embeddings, scores and reasons from there. What is done already is
    passed over, so the same command goes on after it was stopped or killed.
    """
    from reidr.service.bulk.embedding import embed_crops

    if options["cluster"] is not None and not options["workers"]:
        raise click.UsageError("--cluster needs --workers: how many cores to use there")
    places = {"workers": options["workers"], "cluster": options["cluster"]}
    tasks = list(embedding_tasks(sources, options["queries"]))
    say("crops embedded", embed_crops(options["retriever_name"], tasks, **places))
    if options["queries"] is not None:
        from reidr.service.bulk.scoring import compare_pairs

        pairs = list(pair_tasks(sources, options))
        say("pairs compared", compare_pairs(options["reasoner"], pairs, reasons=options["reasons"], **places))


def embedding_tasks(sources: tuple[str, ...], queries: Path | None) -> Iterator[Task]:
    """Tasks for the crops of all sources. Raises DataError for a source that is none."""
    from reidr.search.query.gallery import collect
    from reidr.service.bulk.tasks import ids_of, tasks_of
    from reidr.service.store.opening import open_store

    folders = [str(queries)] if queries is not None else []
    for source in sources:
        if is_gallery(source):
            store = open_store(source)
            try:
                yield from tasks_of(ids_of(store), "embed", gallery=source)
            finally:
                store.close()
        else:
            folders.append(source)
    for folder in folders:
        yield from tasks_of([str(crop.image) for crop in collect(folder).crops], "embed")


def pair_tasks(sources: tuple[str, ...], options: dict[str, Any]) -> Iterator[Task]:
    """Tasks for the pairs. Raises click.UsageError for a gallery, which `reidr case` searches by itself."""
    from reidr.search.query.gallery import collect
    from reidr.service.bulk.pairs import nearest_names
    from reidr.service.bulk.tasks import CHUNK, tasks_of

    if any(is_gallery(source) for source in sources):
        raise click.UsageError("--queries compares crops of folders and manifests; `reidr find` searches a gallery")
    crops = collect(list(sources)).crops
    queries = collect(options["queries"]).crops
    names = nearest_names(queries, crops, options["retriever_name"], options["nearest"])
    yield from tasks_of(names, "compare", chunk=2 * CHUNK)


def is_gallery(source: str) -> bool:
    """Whether a source is a gallery's address, and no folder of crops."""
    return "://" in source or (Path(source) / "gallery.sqlite").is_file()


def say(what: str, done: Done) -> None:
    """What was done, for reading."""
    from reidr.core.text import number_of, shown

    click.echo(f"{done.results:,} {what}; {number_of(done.skipped, 'task')} of {done.tasks:,} were done before")
    for problem in done.problems[:20]:
        click.echo(f"left out: {shown(problem)}")
    if len(done.problems) > 20:
        click.echo(f"left out: {len(done.problems) - 20:,} more")
