"""`reidr export-onnx MODEL FILE`: a retriever or a vision encoder for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from reidr.cli.command import Command


@click.command("export-onnx", cls=Command)
@click.argument("model")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--part",
    type=click.Choice(["retriever", "vision-encoder"]),
    default="retriever",
    help="What MODEL is: a retriever, or a reasoner whose vision encoder is wanted. [retriever]",
)
def command(model: str, file: Path, part: str) -> None:
    """Write MODEL (a shipped name or a trained folder) to FILE in the ONNX format, with its preprocessing inside.

    The file is compared with the model before this command ends; the greatest difference is printed.
    """
    from reidr.core.run import prepare_file
    from reidr.errors import WeightsError
    from reidr.service.exporting import export_retriever, export_vision

    if file.suffix.lower() != ".onnx":
        raise click.UsageError(f"{file}: give it the ending .onnx")
    prepare_file(file)
    difference = export_retriever(model, file) if part == "retriever" else export_vision(model, file)
    click.echo(f"{part} of {model}: {file}")
    click.echo(f"greatest difference to the model on random pictures: {difference:.1e}")
    if difference > 1e-3:
        raise WeightsError(f"{file}: computes something else than {model}; do not use it, and report this")
