"""How `accelerate launch` was told to spread weights over processes: not at all, by FSDP 2, or by DeepSpeed.

It says so in the environment, by its options or its config file.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

from reidr.errors import MissingExtraError, RecipeError
from reidr.training.processes.team import processes


def is_sharded() -> bool:
    """Whether the weights are spread over the processes."""
    return uses_deepspeed() or (uses_fsdp() and processes().count > 1)


def uses_fsdp() -> bool:
    """Whether `accelerate launch` was told to use FSDP."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def uses_deepspeed() -> bool:
    """Whether `accelerate launch` was told to use DeepSpeed."""
    return os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true"


def refuse_sharding() -> None:
    """Raises MissingExtraError for DeepSpeed where it is not installed, RecipeError for a kind that does not work."""
    if uses_deepspeed() and find_spec("deepspeed") is None:
        raise MissingExtraError("accelerate was told to use DeepSpeed, which is not installed: pip install deepspeed")
    if uses_fsdp() and os.environ.get("FSDP_VERSION", "1") != "2":
        raise RecipeError(
            "accelerate was told to use the first version of FSDP; set fsdp_version: 2 in its config file "
            "(docs/many-gpus.md)"
        )
