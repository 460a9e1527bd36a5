"""`reidr train warmup`: read the settings, load pairs and checkpoint, train, save. A finished run does nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reidr.core.progress import progress
from reidr.core.run import Run, in_own_folder
from reidr.reasoning.types import Pair
from reidr.training.common.trackers import check_report_to
from reidr.training.pairs.table import pairs_hash, read_pairs, split_of
from reidr.training.processes.joining import across_processes
from reidr.training.processes.team import processes
from reidr.training.provenance import carry_over, carry_over_once
from reidr.training.recipes.find import stage_values
from reidr.training.recipes.grpo import ReinforcementRecipe
from reidr.training.recipes.warmup import WarmupRecipe

SHARED_FIELDS = ("report_to", "seed", "lora_rank", "lora_alpha", "max_new_tokens", "temperature")


@across_processes
@in_own_folder
def warmup_stage(recipe_name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """Warm a pretrained reasoner up; returns the folder of the finished checkpoint. A finished run does nothing."""
    values, source = stage_values(recipe_name, "warmup", changes)
    recipe = WarmupRecipe.from_values(values, source)
    pairs, held_out = read_pairs(recipe.pairs), read_pairs(recipe.pairs, "held_out")
    if recipe.method == "reinforcement":
        return _reinforced(recipe, pairs, folder)
    processes().divide(recipe.batch, "the warm-up's batch")
    settings = recipe.model_dump(
        mode="json", exclude={"report_to": True, "reinforcement": {"rollout_server", "report_to"}}
    )
    run = Run(folder, "train warmup", settings, {"pairs": pairs_hash(pairs)}, defaults=recipe.defaults())
    where = folder / "model"
    if run.finished("warmup"):
        return where
    check_report_to(recipe.report_to)
    from reidr.reasoning.models.checkpoint import save_taught
    from reidr.report.trained.training_page import write_training_page
    from reidr.training.common.device import load_for_training
    from reidr.training.warmup.figures import draw_warmup
    from reidr.training.warmup.train import warm_up

    started = time.perf_counter()
    model, processor = load_for_training(recipe.model, half=bool(recipe.lora_rank), attention=recipe.attention)
    with progress("warming the reasoner up", recipe.steps) as advance:
        trained, log = warm_up(recipe, pairs, held_out, (model, processor), folder, advance)
    if processes().is_first:
        save_taught(trained, processor, recipe.model, where)
        carry_over(recipe.model, where, pairs, split_of(recipe.pairs))
        draw_warmup(log, folder / "warmup.png")
        facts = {"pairs": len(pairs), "steps": recipe.steps}
        write_training_page(folder, f"Warm-up of {recipe.model}", log, facts=facts)
    last = {name: value for name, value in log[-1].items() if name.startswith("held_out_") or name.endswith("loss")}
    run.finish("warmup", started, model="model", pairs=len(pairs), **last)
    return where


def _reinforced(recipe: WarmupRecipe, pairs: Sequence[Pair], folder: Path) -> Path:
    """The method `reinforcement`: GRPO with the format and identity rewards alone.

    Settings that both recipes have (`SHARED_FIELDS`) are the warm-up's, unless `reinforcement` sets them.
    """
    from reidr.training.grpo.rewards.registry import RewardWeights
    from reidr.training.grpo.stage import reinforce_stage

    two_rewards = RewardWeights(calibration=0, cues=0, rank=0, text_only=0, truth=0)
    own = recipe.reinforcement
    shared = {name: value for name, value in recipe if name in SHARED_FIELDS and name not in own.model_fields_set}
    settings = ReinforcementRecipe.from_values(
        own.model_dump() | shared | {"rewards": two_rewards.model_dump()}, "warmup"
    )
    where = reinforce_stage(settings, pairs, recipe.model, folder)
    processes().after_first(lambda: carry_over_once(recipe.model, where, pairs))
    return where
