"""`reidr train STAGE [RECIPE]`: teach a model, one stage at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reidr.cli.options import given, recipe_options
from reidr.training.recipes import BaseRecipe, RetrieverRecipe

RUN_HELP = "Run folder; a stopped training in it is resumed."


@click.group("train")
def command() -> None:
    """Teach a model. RECIPE is a YAML file or the name of a shipped one (nano)."""


@command.command("retriever")
@click.argument("recipe", default="nano")
@click.option("--run", "folder", type=click.Path(path_type=Path), default=Path("runs/retriever"), help=RUN_HELP)
@recipe_options(RetrieverRecipe)
def retriever(recipe: str, folder: Path, **options: Any) -> None:
    """Train the retriever on labelled crops; writes FOLDER/model, ready for `--retriever FOLDER/model`."""
    from reidr.training.stages import retriever_stage

    where = retriever_stage(recipe, folder, given(options))
    click.echo(f"trained retriever: {where}")


@command.command("base")
@click.argument("recipe", default="nano")
@click.option("--run", "folder", type=click.Path(path_type=Path), default=Path("runs/base"), help=RUN_HELP)
@recipe_options(BaseRecipe)
def base(recipe: str, folder: Path, **options: Any) -> None:
    """Teach the small reasoner to look, compare and answer on a rendered street; writes FOLDER/model."""
    from reidr.training.stages import base_stage

    click.echo(f"reasoner: {base_stage(recipe, folder, given(options))}")
