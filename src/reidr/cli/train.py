"""`reidr train STAGE [RECIPE]`: train a model, one stage at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reidr.cli.command import Group
from reidr.cli.options import given, recipe_options
from reidr.cli.run_option import run_option

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
    """Train a model: `reidr train RECIPE` runs all stages, `reidr train STAGE RECIPE` one of them.

    RECIPE is a YAML file or the name of a shipped recipe: nano, nano-street, qwen2.5-vl-3b, qwen2.5-vl-7b, qwen3-vl-2b,
    qwen3-vl-4b, qwen3-vl-8b, qwen3.5, internvl3, smolvlm2. Data sets that a recipe names are looked up in the folder
    $REIDR_DATA.
    """


@command.command("all", short_help="all stages, one after the other")
@click.argument("recipe", default="nano")
@click.argument("more", nargs=-1, metavar="[NAME=PATH]...")
@run_option("runs", "Folder that holds the run folders of all stages.")
@click.option(
    "--data",
    multiple=True,
    metavar="NAME=PATH...",
    help="Data sets to train on instead of the recipe's, several after one another: market1501=PATH prcc=PATH. NAME "
    "alone is a folder of $REIDR_DATA. The name says whom a model knows, wherever the folder lies. [the recipe's]",
)
@click.option(
    "--leave-out",
    metavar="NAME",
    help="Train without this data set and measure on it too, in RUN/without-NAME; `each` does so with one after the "
    "other. [none]",
)
@click.option(
    "--pretraining", type=click.Path(path_type=Path), help="Start from this finished run of `reidr train pretraining`."
)
@click.option("--quick", is_flag=True, help="A test of all stages in minutes: few people, few pairs, few steps.")
@click.option(
    "--retriever",
    help="Retriever to tune and evaluate with, by name or folder. [lite; of a recipe that starts from a published "
    "checkpoint, the one that its section `retriever` trains]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Seed of warm-up, sampling and reinforcement learning; their runs go to RUN/seed-N. [the recipe's]",
)
@click.option(
    "--report-to",
    type=click.Choice(["none", "tensorboard", "wandb", "trackio"]),
    help="Where warm-up and reinforcement learning also report their curves. [the recipe's; none]",
)
@click.option("--plan", "plan_only", is_flag=True, help="Only check the recipe and print its settings.")
def everything(recipe: str, folder: Path, plan_only: bool, more: tuple[str, ...], **options: Any) -> None:
    """Run all stages: pretraining or a retriever, pairs, warm-up, sampling, reinforcement learning, tuning, evaluation.

    Finished stages are skipped.
    """
    from reidr.training.plan import check_everything, plan

    options["data"] = data_entries((*options["data"], *more), given=bool(options["data"]))
    if plan_only:
        click.echo("\n".join(plan(recipe)))
        return
    check_everything(recipe, options["pretraining"], options["quick"], options["data"])  # before what takes seconds
    from reidr.training.pipeline import train_all

    click.echo(f"report: {train_all(recipe, folder, **options)}")


def data_entries(words: tuple[str, ...], *, given: bool) -> tuple[str, ...]:
    """The data sets after `--data`. Raises click.UsageError for words without it, and for a name that comes twice."""
    from reidr.training.recipes.data_sets import data_name

    if words and not given:
        raise click.UsageError(f"unexpected argument {words[0]!r}; data sets are named after --data")
    names = [data_name(word) for word in words]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise click.UsageError(f"two data sets are called {twice}; give each a name of its own: --data NAME=PATH")
    return words


@command.command("retriever", short_help="a retriever")
@click.argument("recipe", default="nano")
@run_option("runs/retriever", RUN_HELP)
@recipe_options("reidr.training.recipes.retriever.RetrieverRecipe")
def retriever(recipe: str, folder: Path, **options: Any) -> None:
    """Train a retriever on labelled crops; writes RUN/model, for `--retriever RUN/model` elsewhere."""
    from reidr.training.retriever.stage import retriever_stage

    where = retriever_stage(recipe, folder, given(options))
    click.echo(f"trained retriever: {where}")


@command.command("pretraining", short_help="the small reasoner: attributes, no verdict yet")
@click.argument("recipe", default="nano")
@run_option("runs/pretraining", RUN_HELP)
@recipe_options("reidr.training.recipes.pretraining.PretrainingRecipe")
def pretraining(recipe: str, folder: Path, **options: Any) -> None:
    """Train the small reasoner to recognise and name attributes, before any verdict; writes RUN/model.

    The recipe `nano` takes about 1 3/4 hours on two CPU cores.
    """
    from reidr.training.pretraining.stage import pretraining_stage

    click.echo(f"reasoner: {pretraining_stage(recipe, folder, given(options))}")


@command.command("warmup", short_help="a pretrained reasoner: verdicts")
@click.argument("recipe", default="nano")
@run_option("runs/warmup", RUN_HELP)
@recipe_options("reidr.training.recipes.warmup.WarmupRecipe")
def warmup(recipe: str, folder: Path, **options: Any) -> None:
    """Train a pretrained reasoner to give verdicts, from identity labels alone; writes RUN/model."""
    from reidr.training.warmup.stage import warmup_stage

    click.echo(f"reasoner: {warmup_stage(recipe, folder, given(options))}")


@command.command("rl", short_help="a warmed-up reasoner: reinforcement learning (GRPO)")
@click.argument("recipe", default="nano")
@run_option("runs/rl", RUN_HELP)
@recipe_options("reidr.training.recipes.grpo.ReinforcementStageRecipe")
def rl(recipe: str, folder: Path, **options: Any) -> None:
    """Reinforcement learning (GRPO) of the reasoner on sampled pairs; writes RUN/model."""
    from reidr.training.grpo.stage import rl_stage

    click.echo(f"reasoner: {rl_stage(recipe, folder, given(options))}")


@command.command("tune", short_help="fusion, calibration and ask policy of a trained reasoner")
@click.argument("recipe", default="nano")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    default=Path("runs/rl/model"),
    help="Folder of the trained reasoner. [runs/rl/model]",
)
@click.option("--retriever", default="lite", help="Retriever to use it with, by name or folder. [lite]")
@click.option(
    "--words", is_flag=True, help="Also choose whether P(same) is read from its words: two rationales for each pair."
)
def tune(recipe: str, model: Path, retriever: str, words: bool) -> None:
    """Choose fusion weight, calibration and ask policy on held-out identities; written into MODEL."""
    from reidr.reasoning.models.checkpoint import find_checkpoint
    from reidr.training.recipes.find import find_recipe

    find_recipe(recipe)
    find_checkpoint(model)
    from reidr.training.tuning.stage import TuningOptions, tuning_stage

    profile = tuning_stage(recipe, model, {}, retriever=retriever, how=TuningOptions(words=words))
    click.echo(f"fusion weight {profile.weight}, chosen on {profile.chosen_on}: {model / 'inference_profile.json'}")
