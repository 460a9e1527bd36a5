"""`reidr sample [RECIPE]`: choose the pairs worth reinforcing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reidr.cli.command import Command
from reidr.cli.options import given, recipe_options
from reidr.cli.run_option import run_option


@click.command("sample", cls=Command)
@click.argument("recipe", default="nano")
@run_option("runs/sample", "Run folder; a stopped run in it goes on.")
@recipe_options("reidr.training.recipes.sampling.SampleRecipe")
def command(recipe: str, folder: Path, **options: Any) -> None:
    """Roll pairs out and keep the non-trivial ones; writes FOLDER/sampled.parquet and pass_rates.png."""
    from reidr.training.sampling.stage import sample_stage

    click.echo(f"sampled pairs: {sample_stage(recipe, folder, given(options))}")
