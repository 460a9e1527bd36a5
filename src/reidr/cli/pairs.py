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
@run_option("runs/pairs", "Run folder.")
@recipe_options("reidr.training.recipes.pairs_warmup_sampling.PairsRecipe")
def command(recipe: str, folder: Path, **options: Any) -> None:
    """Mine hard pairs of people that their ranker never saw; writes FOLDER/pairs.parquet."""
    from reidr.training.reasoning_stages import pairs_stage

    click.echo(f"candidate pairs: {pairs_stage(recipe, folder, given(options))}")
