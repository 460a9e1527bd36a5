"""`reidr inventory`: what is kept of people on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from reidr.cli.command import Command
from reidr.cli.shared import RUNS_OPTION


@click.command("inventory", cls=Command)
@RUNS_OPTION
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write the list to this file.")
def command(roots: tuple[Path, ...], json_file: Path | None) -> None:
    """List what is kept of people beside their crops: embeddings, scores and reasons, searches, reports, runs."""
    from reidr.evaluation.inventory import inventory
    from reidr.frame.files import write_json
    from reidr.frame.run import prepare_file
    from reidr.frame.text import size_in_words

    prepare_file(json_file)
    kept = inventory(roots)
    for each in kept:
        click.echo(f"{each.kind:<10}  {each.changed:%Y-%m-%d %H:%M}  {size_in_words(each.bytes):>9}  {each.path}")
        click.echo(f"{'':<10}  {each.holds}")
    total = sum(each.bytes for each in kept)
    click.echo(f"{len(kept):,} entries, {size_in_words(total)}; `reidr forget CROP…` removes what is kept of crops")
    if json_file is not None:
        rows = [
            {
                "kind": each.kind,
                "path": str(each.path),
                "bytes": each.bytes,
                "changed": each.changed.isoformat(timespec="seconds"),
                "holds": each.holds,
            }
            for each in kept
        ]
        write_json(json_file, {"kind": "inventory", "version": 1, "entries": rows})
