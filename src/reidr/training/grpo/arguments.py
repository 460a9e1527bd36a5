"""TRL's settings for a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reidr.errors import RecipeError
from reidr.training.grpo.checkpoints import CHECKPOINTS
from reidr.training.processes.team import processes
from reidr.training.recipes.grpo import ReinforcementRecipe


def arguments(recipe: ReinforcementRecipe, folder: Path) -> Any:
    """A `GRPOConfig`: DAPO's token-level loss, one update per batch of rollouts; nothing is sent to any service.

    With one update per batch the ratios of new to old probabilities are 1, so nothing is clipped. Several processes
    share the pairs of an update, each with all rollouts of its own.

    Raises RecipeError as `rows_and_passes`.
    """
    import torch
    from trl import GRPOConfig

    gpu = torch.cuda.is_available()
    rows, passes = rows_and_passes(recipe)
    return GRPOConfig(
        output_dir=str(folder / CHECKPOINTS),
        max_steps=recipe.steps,
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=passes,
        steps_per_generation=passes,
        num_generations=recipe.num_generations,
        max_completion_length=recipe.max_new_tokens,
        temperature=recipe.temperature,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.gradient_norm,
        loss_type="dapo",
        scale_rewards="group" if recipe.advantage == "normalised" else "none",
        # A rollout that was cut off cannot be parsed: its reward is low, and it should not be left out.
        mask_truncated_completions=False,
        shuffle_dataset=False,  # `draw_pairs` has put them in order
        save_strategy="steps",
        save_steps=recipe.save_every,
        save_total_limit=2,  # the last one may turn out to be truncated
        logging_steps=1,
        logging_nan_inf_filter=False,  # otherwise a loss that is NaN is logged as 0
        seed=recipe.seed,
        report_to="none",
        push_to_hub=False,
        use_cpu=not gpu,
        bf16=gpu,
        gradient_checkpointing=recipe.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        dataloader_pin_memory=False,
        disable_tqdm=True,
    )


def rows_and_passes(recipe: ReinforcementRecipe) -> tuple[int, int]:
    """Rollouts per forward and backward pass, and passes per update, of each process.

    Raises RecipeError where the processes cannot share the pairs of an update equally.
    """
    rollouts = processes().divide(recipe.pairs, "the number of pairs per update") * recipe.num_generations
    rows = min(recipe.backward_rows, rollouts)
    if rollouts % rows:
        raise RecipeError(
            f"backward_rows ({rows}) must divide the {rollouts} rollouts of an update that each process has; take "
            f"{recipe.num_generations}, or another number of processes"
        )
    return rows, rollouts // rows
