"""`reidr merge MODEL FOLDER`: a whole model of LoRA weights and their base."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reidr.cli.command import Command

if TYPE_CHECKING:
    from reidr.reasoning.lora.merge import Precision


@click.command("merge", cls=Command)
@click.argument("model")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Of the merged weights. bfloat16 takes half the space and loses some of what was trained; how much is said.",
)
def command(model: str, folder: Path, precision: Precision) -> None:
    """Merge the LoRA weights of MODEL into a copy of their base, written to FOLDER.

    MODEL is a folder that `reidr train` has left after training with LoRA. It can be used as it is; a merged copy is
    for programs that do not load LoRA weights.
    """
    from reidr.core.progress import progress
    from reidr.reasoning.lora.merge import merge_checkpoint

    with progress("merging the LoRA weights", 1) as advance:
        loss = merge_checkpoint(model, folder, precision)
        advance(1)
    click.echo(f"merged model: {folder}")
    click.echo(loss.sentence(precision))
