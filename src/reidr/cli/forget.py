"""`reidr forget CROP…`: remove what is kept of crops."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reidr.cli.command import Command
from reidr.cli.shared import RUNS_OPTION

if TYPE_CHECKING:
    from reidr.report.kept.forget import Receipt


@click.command("forget", cls=Command)
@click.argument("crops", metavar="CROP...", type=click.Path(path_type=Path), nargs=-1, required=True)
@RUNS_OPTION
@click.option(
    "--old-verdicts",
    is_flag=True,
    help="Also remove all scores and reasons of earlier versions, which do not name their pictures.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def command(crops: tuple[Path, ...], roots: tuple[Path, ...], old_verdicts: bool, dry_run: bool) -> None:
    """Remove what is kept of crops (pictures, or folders of them): embeddings, scores and reasons, and the reports that
    show them; prints a receipt.

    The crops themselves stay, and so do trained weights, training tables, and files that you had written elsewhere.
    """
    from reidr.core.text import shown
    from reidr.report.kept.forget import forget

    for line in receipt_lines(forget(crops, roots, old_verdicts=old_verdicts, dry_run=dry_run)):
        click.echo(shown(line))


def receipt_lines(receipt: Receipt) -> list[str]:
    """The receipt, line by line."""
    from datetime import UTC, datetime

    from reidr.reasoning.backends.verdict_cache import default_path
    from reidr.retrieval.embedding_cache import cache_folder

    done = "would be removed (dry run, nothing was touched)" if receipt.dry_run else "removed"
    lines = [f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, {done} of {len(receipt.crops):,} crops:"]
    lines += [
        f"  {path}  {f'sha256 {digest}' if digest else 'the file is gone'}" for path, digest in receipt.crops.items()
    ]
    lines.append(f"{receipt.embeddings:,} embeddings in {cache_folder()}")
    lines.append(f"{receipt.scores:,} scores and {receipt.verdicts:,} reasons in {default_path()}")
    lines.append(f"{len(receipt.files):,} files of reports{':' if receipt.files else ''}")
    lines += [f"  {path}" for path in receipt.files]
    if receipt.unnamed:
        lines.append(
            f"{receipt.unnamed:,} scores and reasons of an earlier version stayed: they do not say of which pictures "
            "they are; --old-verdicts removes all of them"
        )
    lines.append(
        "Not touched: the crops themselves, trained weights, training tables, backups, and what you had written "
        "elsewhere (--json, --csv, copies)."
    )
    return lines
