"""`reidr inventory`: what is kept of people on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from reidr.cli.command import Command
from reidr.cli.shared import RUNS_OPTION


@click.command("inventory", cls=Command)
@RUNS_OPTION
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="Also write the list to this file; - is stdout."
)
def command(roots: tuple[Path, ...], json_file: Path | None) -> None:
    """List what is kept of people beside their crops: embeddings, scores and reasons, searches, reports, runs."""
    from reidr.cli.shared import prepare_output, write_output
    from reidr.core.text import shown, size_in_words
    from reidr.report.kept.inventory import inventory

    to_stdout = prepare_output(json_file)
    kept = inventory(roots)
    for each in kept:
        click.echo(
            f"{each.kind:<10}  {each.changed:%Y-%m-%d %H:%M}  {size_in_words(each.bytes):>9}  {shown(str(each.path))}",
            err=to_stdout,
        )
        click.echo(f"{'':<10}  {shown(each.holds)}", err=to_stdout)
    total = sum(each.bytes for each in kept)
    text = f"{len(kept):,} entries, {size_in_words(total)}; `reidr forget CROP…` removes what is kept of crops"
    click.echo(text, err=to_stdout)
    if json_file is not None:
        rows = [
            {
                "kind": each.kind,
                "path": shown(str(each.path)),
                "bytes": each.bytes,
                "changed": each.changed.isoformat(timespec="seconds"),
                "holds": each.holds,
            }
            for each in kept
        ]
        write_output(json_file, {"kind": "inventory", "version": 1, "entries": rows})
