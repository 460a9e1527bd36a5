"""Low-rank adapters (LoRA, Hu et al. 2022) on the language model of a vision-language model."""

from __future__ import annotations

from typing import Any

import torch

LANGUAGE_PROJECTIONS = r".*(language|text)_model.*\.((q|k|v|o|gate|up|down|out)_proj|in_proj_(qkv|z))"
"""Which modules get an adapter: every projection of the language model (Qwen3.5's linear attention has the last three),
none of the vision encoder."""


def lora_config(rank: int, alpha: int) -> Any:
    """peft's settings for adapters of `rank`, scaled by `alpha` / `rank`; None for rank 0, full fine-tuning."""
    if not rank:
        return None
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=alpha, target_modules=LANGUAGE_PROJECTIONS, task_type="CAUSAL_LM")


def add_lora(model: Any, rank: int, alpha: int, seed: int) -> Any:
    """`model` inside adapters whose first weights are drawn by `seed`; `model` itself for rank 0."""
    settings = lora_config(rank, alpha)
    if settings is None:
        return model
    from peft import get_peft_model

    torch.manual_seed(seed)
    return get_peft_model(model, settings)
