"""TRL's settings for a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reidr.training.grpo.checkpoints import CHECKPOINTS
from reidr.training.recipes.grpo import ReinforcementRecipe


def arguments(recipe: ReinforcementRecipe, folder: Path) -> Any:
    """A `GRPOConfig`: DAPO's token-level loss, one update per batch of rollouts; nothing is sent to any service.

    With one update per batch the ratios of new to old probabilities are 1, so nothing is clipped.
    """
    import torch
    from trl import GRPOConfig

    gpu = torch.cuda.is_available()
    passes = recipe.pairs * recipe.num_generations // recipe.rows
    return GRPOConfig(
        output_dir=str(folder / CHECKPOINTS),
        max_steps=recipe.steps,
        per_device_train_batch_size=recipe.rows,
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
        scale_rewards="group",
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
