"""`reidr plan RECIPE`: data, pairs, memory, hours and disk of a training, before anything is spent."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import click

from reidr.cli.command import Command

STOPPED = 3
"""Exit status of a plan that cannot be carried out as it is."""


@click.command("plan", cls=Command)
@click.argument("recipe", default="nano")
@click.option("--gpu", help="Plan for this GPU: h200, h100, a100-80gb, l40s, rtx4090 and others. [the machine's own]")
@click.option("--gpus", type=click.IntRange(min=1), default=1, help="How many of them. [1]")
@click.option(
    "--sharded", is_flag=True, help="Weights, gradients and optimiser are split over the GPUs (FSDP, DeepSpeed ZeRO-3)."
)
@click.option("--data", multiple=True, help="A data set in place of the recipe's; may be given several times.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="STAGE.NAME=VALUE",
    help="Another value of a setting, for example warmup.rows=16; may be given several times.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write the plan as JSON; - for stdout.")
def command(recipe: str, json_file: Path | None, **options: Any) -> None:
    """Say what a training needs and takes: data, pairs, GPU memory of every stage, hours, disk, and what to change.

    Nothing is downloaded or trained. Memory is counted in a dry run without weights; hours are estimates.

    Exit status: 0 where the training can begin and fits, 3 where data are missing or something does not fit, 1 where no
    plan can be made, 2 for a wrong option.
    """
    from reidr.cli.shared import prepare_output, write_output
    from reidr.core.text import shown_lines

    to_stdout = prepare_output(json_file, [recipe])
    # peft asks transformers for a name that newer versions call otherwise, once for each model that is built.
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
    from reidr.training.planning.advice import advise
    from reidr.training.planning.gpus import find_processor
    from reidr.training.planning.plan import Machine, make_plan, problems_of
    from reidr.training.planning.settings import parse_changes, read_sections, with_data
    from reidr.training.planning.text import plan_text, plan_values

    changes = with_data(recipe, parse_changes(options["settings"]), options["data"])
    sections = read_sections(recipe, changes)
    plan = make_plan(sections, Machine(find_processor(options["gpu"]), options["gpus"], options["sharded"]))
    advice = advise(sections, plan)
    click.echo(shown_lines(plan_text(plan, advice)), err=to_stdout)
    if json_file is not None:
        write_output(json_file, plan_values(plan, advice))
    sys.exit(STOPPED if problems_of(plan) else 0)
