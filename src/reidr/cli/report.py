"""`reidr report RUN`."""

from __future__ import annotations

from pathlib import Path

import click

from reidr.cli.command import Command


@click.command("report", cls=Command)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--cards", type=click.IntRange(0), default=40, help="Most query cards on the page; worst and best first. [40]"
)
def command(run: Path, cards: int) -> None:
    """Write report.html of a finished run again, and the tables beside it."""
    from reidr.report.case.page import is_case, load_case, write_case
    from reidr.report.search import is_search, load_search, write_search
    from reidr.report.words import is_words_search, load_words, write_words

    if is_case(run):
        click.echo(f"report: {write_case(load_case(run), run)}")
        return
    if is_words_search(run):
        click.echo(f"report: {write_words(load_words(run), run)}")
        return
    if is_search(run):
        click.echo(f"report: {write_search(load_search(run), run)}")
        return
    from reidr.report import write_report
    from reidr.report.files.store import load_report

    click.echo(f"report: {write_report(load_report(run), run, cards=cards)}")
