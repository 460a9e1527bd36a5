"""Disk of a run: what is downloaded, what stays, and what is there twice while a checkpoint is replaced."""

from __future__ import annotations

import math

from reidr.training.planning.dry_run.memory import StageMemory
from reidr.training.planning.work import COMPLETION_SHARE
from reidr.training.recipes.grpo import ReinforcementRecipe
from reidr.training.recipes.sampling import SampleRecipe

BYTES_A_TOKEN, BYTES_A_COMPLETION = 5, 500
"""Of text in a log of completions, and of what is written beside each."""
BYTES_A_PAIR = 600
"""Of a mined pair, with the candidates beside it."""


def warmup_bytes(memory: StageMemory, model: int) -> int:
    """The checkpoint with optimiser and averages, twice while it is replaced, and the model of `model` bytes."""
    trained = memory.standing["gradients"] + memory.standing["optimiser"]
    return 2 * trained + model


def sample_bytes(recipe: SampleRecipe, pairs: int) -> int:
    """Texts and rewards of all rollouts, and the table of pairs."""
    return pairs * (recipe.rollouts * 60 + BYTES_A_PAIR)


def grpo_bytes(recipe: ReinforcementRecipe, steps: int, memory: StageMemory, model: int) -> int:
    """TRL's checkpoint, twice while it is replaced, every completion, and the model of `model` bytes."""
    trained = memory.standing["gradients"] + memory.standing["optimiser"]
    if not recipe.lora_rank:
        trained += memory.standing["weights"] - memory.standing["gradients"]
    rollouts = steps * recipe.pairs * recipe.num_generations
    each = BYTES_A_COMPLETION + BYTES_A_TOKEN * math.ceil(COMPLETION_SHARE * recipe.max_new_tokens)
    return 2 * trained + rollouts * each + model
