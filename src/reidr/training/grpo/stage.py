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
from reidr.training.grpo.build import COMPLETIONS, LOG, build_trainer
from reidr.training.grpo.checkpoints import CHECKPOINTS, last_whole_checkpoint
from reidr.training.grpo.rewards.registry import check_rewards
from reidr.training.pairs.table import read_pairs
from reidr.training.provenance import carry_over_once
from reidr.training.recipes.find import stage_values
from reidr.training.recipes.grpo import ReinforcementRecipe, ReinforcementStageRecipe


@in_own_folder
def rl_stage(recipe_name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """Reinforcement learning on sampled pairs; returns the folder of the finished checkpoint."""
    values, source = stage_values(recipe_name, "rl", changes)
    recipe = ReinforcementStageRecipe.from_values(values, source)
    pairs = read_pairs(recipe.sampled)
    where = reinforce_stage(recipe.with_steps(len(pairs)), pairs, recipe.model, folder)
    carry_over_once(recipe.model, where, pairs)
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
    """GRPO on `pairs`, resuming from the last checkpoint in `folder`.

    Returns:
        The trained model, its LoRA weights around it where the recipe asks for LoRA (with full fine-tuning it is
        `model` itself), and the lines of log.jsonl.

    Raises:
        DataError: a pair without a label, or no pair of one of the two labels. RecipeError: a reward that does not
            exist, or a training that diverged. ReIDError: a reward or the rollout server failed.
    """
    from reidr.reasoning.models.transformers_model import unwrap
    from reidr.training.grpo.trl_private import restore_forward

    trainer = build_trainer(recipe, pairs, model, processor, folder, advance)
    checkpoint, done = last_whole_checkpoint(folder / CHECKPOINTS)
    note_step(folder, "step", done)
    log = TrainingLog(folder / LOG)
    for written in (log, TrainingLog(folder / COMPLETIONS)):
        written.resume(done)
    if advance is not None:
        advance(done)
    try:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    finally:
        if trainer.server is not None:
            # A server that cannot be reached any more needs no adapter removed.
            with contextlib.suppress(ReIDError):
                trainer.server.unload_adapter()
    trained = trainer.accelerator.unwrap_model(trainer.model)
    restore_forward(unwrap(trained))
    trained.requires_grad_(True)
    trained.eval()
    return trained, log.read()
