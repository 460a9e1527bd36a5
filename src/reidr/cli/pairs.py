"""`reidr pairs [RECIPE]`: mine candidate pairs out of fold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reidr.cli.command import Command
from reidr.cli.options import given, recipe_options
from reidr.cli.run_option import run_option


@click.command("pairs", cls=Command)
@click.argument("recipe", default="nano")
@run_option("runs/pairs", "Run folder; a finished run in it does nothing.")
@recipe_options("reidr.training.recipes.pairs.PairsRecipe")
def command(recipe: str, folder: Path, **options: Any) -> None:
    """Choose hard pairs of crops, ranked by an embedder not trained on these people; writes RUN/pairs.parquet."""
    from reidr.training.pairs.stage import pairs_stage

    click.echo(f"candidate pairs: {pairs_stage(recipe, folder, given(options))}")
