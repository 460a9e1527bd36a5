"""`reidr train STAGE [RECIPE]`: teach a model, one stage at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reidr.cli.command import Group
from reidr.cli.options import given, recipe_options
from reidr.cli.run_option import run_option

BASE_HELP = "Start from a base: the run folder of a `train base`, or nano, which ships."
SHIPPED_HELP = "Unpack the base of this name that ships (nano) instead of teaching one."
RUN_HELP = "Run folder; a stopped training in it is resumed."


class StagesOrAll(Group):
    """`reidr train STAGE` runs one stage; a first word that is no stage is a recipe, and all its stages run."""

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["all", *args]
        return super().resolve_command(context, args)


@click.group("train", cls=StagesOrAll)
def command() -> None:
    """Teach a model: `reidr train RECIPE` runs all stages, `reidr train STAGE RECIPE` one of them.

    RECIPE is a YAML file or the name of a shipped one (nano, nano-street).
    """


@command.command("all")
@click.argument("recipe", default="nano")
@run_option("runs", "Folder of all runs.")
@click.option("--base", type=click.Path(path_type=Path), help=BASE_HELP)
@click.option("--quick", is_flag=True, help="Minutes instead of an hour: the street alone, few people, few steps.")
@click.option("--retriever", default="nano", help="Whom the reasoner will stand beside: a name, or a trained folder.")
@click.option("--seed", type=click.IntRange(min=0), help="Of all stages after the pairs; they go to RUN/seed-N.")
@click.option("--plan", "plan_only", is_flag=True, help="Only check the recipe and print what would be done.")
def everything(
    recipe: str, folder: Path, base: Path | None, quick: bool, retriever: str, seed: int | None, plan_only: bool
) -> None:
    """Base, pairs, warm-up, sampling, reinforcement, fusion weight, evaluation; what is finished is skipped."""
    from reidr.training.plan import check_everything, plan

    if plan_only:
        click.echo("\n".join(plan(recipe)))
        return
    check_everything(recipe, base, quick)  # before what takes seconds to load
    from reidr.training.pipeline import train_all

    click.echo(f"report: {train_all(recipe, folder, base, quick, retriever, seed)}")


@command.command("retriever")
@click.argument("recipe", default="nano")
@run_option("runs/retriever", RUN_HELP)
@recipe_options("reidr.training.recipes.embedder_and_base.RetrieverRecipe")
def retriever(recipe: str, folder: Path, **options: Any) -> None:
    """Train the retriever on labelled crops; writes FOLDER/model, ready for `--retriever FOLDER/model`."""
    from reidr.training.recipes.find import retriever_stage

    where = retriever_stage(recipe, folder, given(options))
    click.echo(f"trained retriever: {where}")


@command.command("base")
@click.argument("recipe", default="nano")
@run_option("runs/base", RUN_HELP)
@click.option("--shipped", metavar="NAME", help=SHIPPED_HELP)
@recipe_options("reidr.training.recipes.embedder_and_base.PretrainingRecipe")
def base(recipe: str, folder: Path, shipped: str | None, **options: Any) -> None:
    """Teach the small reasoner to see and to read (describe, answer, compare; no verdict yet); writes FOLDER/model."""
    from reidr.training.pretraining.shipped import shipped_base_stage
    from reidr.training.pretraining.stage import pretraining_stage

    if shipped is not None:
        click.echo(f"base: {shipped_base_stage(recipe, folder, given(options), shipped)}")
        return
    click.echo(f"reasoner: {pretraining_stage(recipe, folder, given(options))}")


@command.command("warmup")
@click.argument("recipe", default="nano")
@run_option("runs/warmup", RUN_HELP)
@recipe_options("reidr.training.recipes.pairs_warmup_sampling.WarmupRecipe")
def warmup(recipe: str, folder: Path, **options: Any) -> None:
    """Warm the base up on identity labels alone, without chain-of-thought labels; writes FOLDER/model."""
    from reidr.training.reasoning_stages import warmup_stage

    click.echo(f"reasoner: {warmup_stage(recipe, folder, given(options))}")


@command.command("rl")
@click.argument("recipe", default="nano")
@run_option("runs/rl", RUN_HELP)
@recipe_options("reidr.training.recipes.grpo.ReinforcementStageRecipe")
def rl(recipe: str, folder: Path, **options: Any) -> None:
    """Reinforce the reasoner on sampled pairs by GRPO; writes FOLDER/model."""
    from reidr.training.reasoning_stages import rl_stage

    click.echo(f"reasoner: {rl_stage(recipe, folder, given(options))}")


@command.command("decide")
@click.argument("recipe", default="nano")
@click.option("--model", type=click.Path(path_type=Path), default=Path("runs/rl/model"), help="The taught reasoner.")
@click.option("--retriever", default="nano", help="Whom it will stand beside: a name, or a trained folder.")
def decide(recipe: str, model: Path, retriever: str) -> None:
    """Choose on held-out people how a taught reasoner is used: fusion weight, calibration, when to ask; into MODEL."""
    from reidr.reasoning.models.checkpoint import find_checkpoint
    from reidr.training.recipes.find import find_recipe

    find_recipe(recipe)
    find_checkpoint(model)
    from reidr.training.tuning.stage import tuning_stage

    profile = tuning_stage(recipe, model, {}, retriever=retriever)
    click.echo(f"fusion weight {profile.weight}, chosen on {profile.chosen_on}: {model / 'profile.json'}")
