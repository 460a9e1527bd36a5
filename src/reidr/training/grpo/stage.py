"""`reidr train rl`: labelled pairs and a checkpoint in, a checkpoint trained on its own rollouts out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reidr.core.process.signals import note_step
from reidr.core.progress import Advance, progress
from reidr.core.run import Run, content_hash, in_own_folder
from reidr.errors import ReIDError
from reidr.reasoning.types import Pair
from reidr.training.common.log import TrainingLog
from reidr.training.common.trackers import check_report_to
from reidr.training.grpo.arguments import rows_and_passes
from reidr.training.grpo.build import COMPLETIONS, LOG, build_trainer
from reidr.training.grpo.checkpoints import CHECKPOINTS, last_whole_checkpoint, refuse_other_sharding
from reidr.training.grpo.rewards.registry import check_rewards
from reidr.training.pairs.table import read_pairs
from reidr.training.processes.joining import across_processes
from reidr.training.processes.team import processes
from reidr.training.provenance import carry_over_once
from reidr.training.recipes.find import stage_values
from reidr.training.recipes.grpo import ReinforcementRecipe, ReinforcementStageRecipe


@across_processes
@in_own_folder
def rl_stage(recipe_name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """Reinforcement learning on sampled pairs; returns the folder of the finished checkpoint."""
    values, source = stage_values(recipe_name, "rl", changes)
    recipe = ReinforcementStageRecipe.from_values(values, source)
    pairs = read_pairs(recipe.sampled)
    recipe = recipe.with_steps(len(pairs))
    where = reinforce_stage(recipe, pairs, recipe.model, folder)
    processes().after_first(lambda: carry_over_once(recipe.model, where, pairs))
    return where


def reinforce_stage(recipe: ReinforcementRecipe, pairs: Sequence[Pair], source: str | Path, folder: Path) -> Path:
    """Train the checkpoint `source` (folder or preset) on `pairs`; returns the folder of the finished model.

    A finished run does nothing; an interrupted one goes on from its last checkpoint. In `folder`: `log.jsonl` (one line
    per step), `completions.jsonl` (every rollout with its rewards), `checkpoints/`, `model/`.

    Raises:
        DataError, RecipeError: as `reinforce`; RecipeError also where `folder` holds another run. WeightsError:
            `source` cannot be loaded. A reward that does not exist is refused before anything is loaded.
    """
    data = {
        "pairs": content_hash([f"{pair.query.id} {pair.candidate.id} {pair.label}" for pair in pairs]),
        "model": str(source),
    }
    rows_and_passes(recipe)
    # Who writes the rollouts, and who is told, changes nothing that is learned: a run may continue with others.
    settings = recipe.model_dump(mode="json", exclude={"rollout_server", "report_to"})
    run = Run(folder, "train rl", settings, data, defaults=recipe.defaults())
    if run.finished("rl"):
        return folder / "model"
    check_rewards(recipe.rewards)
    check_report_to(recipe.report_to)
    from reidr.reasoning.models.checkpoint import save_taught
    from reidr.training.common.device import load_for_training

    started = time.perf_counter()
    model, processor = load_for_training(source, half=bool(recipe.lora_rank), attention=recipe.attention)
    with progress("reinforcing the reasoner", recipe.steps) as advance:
        trained, log = reinforce(recipe, pairs, model, processor, folder, advance)
    if processes().is_first:
        save_taught(trained, processor, source, folder / "model")
    rewards = [line["reward"] for line in log if "reward" in line]
    run.finish("rl", started, model="model", pairs=len(pairs), first_reward=rewards[0], last_reward=rewards[-1])
    return folder / "model"


def reinforce(
    recipe: ReinforcementRecipe,
    pairs: Sequence[Pair],
    model: Any,
    processor: Any,
    folder: Path,
    advance: Advance | None = None,
) -> tuple[Any, list[dict[str, Any]]]:
    """GRPO on `pairs`, resuming from the last checkpoint in `folder`. Several processes share each update.

    Returns:
        The trained model, its LoRA weights around it where the recipe asks for LoRA (with full fine-tuning it is
        `model` itself), and the lines of log.jsonl. Where the weights are sharded, the first process alone has the
        model, the others None.

    Raises:
        DataError: a pair without a label, or no pair of one of the two labels. RecipeError: a reward that does not
            exist, or a training that diverged. ReIDError: a reward or the rollout server failed.
    """
    from reidr.reasoning.models.transformers_model import unwrap
    from reidr.training.common.lora import add_lora
    from reidr.training.grpo.trl_private import restore_forward
    from reidr.training.processes.kinds import is_sharded, refuse_sharding
    from reidr.training.processes.sharding import on_processor, take_out

    team = processes()
    refuse_sharding()
    plain = on_processor(model) if is_sharded() and team.is_first else None
    trainer = build_trainer(recipe, pairs, model, processor, folder, advance)
    checkpoint, done = team.from_first(lambda: last_whole_checkpoint(folder / CHECKPOINTS))
    if checkpoint is not None:
        refuse_other_sharding(checkpoint)
    note_step(folder, "step", done)
    log = TrainingLog(folder / LOG)
    if team.is_first:
        for written in (log, TrainingLog(folder / COMPLETIONS)):
            written.resume(done)
    team.wait()
    if advance is not None:
        advance(done)
    try:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    finally:
        if trainer.server is not None and team.is_first:
            # A server that cannot be reached any more needs no adapter removed.
            with contextlib.suppress(ReIDError):
                trainer.server.unload_adapter()
    trained = trainer.accelerator.unwrap_model(trainer.model)
    if is_sharded():
        weights = {name: each for name, each in trained.named_parameters() if each.requires_grad}
        if plain is not None:
            plain = add_lora(plain, recipe.lora_rank, recipe.lora_alpha, recipe.seed)
        trained = take_out(weights, plain)
    if trained is None:
        return None, team.from_first(log.read)
    restore_forward(unwrap(trained))
    trained.requires_grad_(True)
    trained.eval()
    return trained, team.from_first(log.read)
