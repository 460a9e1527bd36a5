"""Low-rank adapters (LoRA, Hu et al. 2022) on the language model of a vision-language model.

A training that starts from LoRA weights goes on with them: the result is one set of weights on the original base, and
nothing is ever merged in between, which would round it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from reidr.errors import RecipeError
from reidr.reasoning.lora.storage import NAME, has_lora

LANGUAGE_PROJECTIONS = r".*(language|text)_model.*\.((q|k|v|o|gate|up|down|out)_proj|in_proj_(qkv|z))"
"""Which modules get an adapter: every projection of the language model (Qwen3.5's linear attention has the last three),
none of the vision encoder."""
START = "ref"
"""Name of a frozen copy of the LoRA weights that a training starts from; TRL takes its reference model from it."""


def lora_config(rank: int, alpha: int) -> Any:
    """peft's settings for adapters of `rank`, scaled by `alpha` / `rank`; None for rank 0, full fine-tuning."""
    if not rank:
        return None
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=alpha, target_modules=LANGUAGE_PROJECTIONS, task_type="CAUSAL_LM")


def add_lora(model: Any, rank: int, alpha: int, seed: int) -> Any:
    """`model` inside adapters whose first weights are drawn by `seed`; with rank 0 without any.

    LoRA weights that are around `model` already are trained on (`continued`). Raises RecipeError as that.
    """
    model = continued(model, rank, alpha)
    settings = lora_config(rank, alpha)
    if settings is None or has_lora(model):
        return model
    from peft import get_peft_model

    torch.manual_seed(seed)
    return get_peft_model(model, settings)


def continued(model: Any, rank: int, alpha: int) -> Any:
    """`model` ready for training: its LoRA weights, where it has any, learn; with rank 0 they are merged into it.

    A frozen copy of those LoRA weights stays beside them, for `starting_weights`.

    Raises:
        RecipeError: its LoRA weights have another rank or alpha than the recipe asks for.
    """
    if not has_lora(model):
        return model
    if not rank:
        return model.merge_and_unload(safe_merge=True)
    own = model.peft_config[NAME]
    if (own.r, own.lora_alpha) != (rank, alpha):
        raise RecipeError(
            f"the checkpoint holds LoRA weights of rank {own.r} and alpha {own.lora_alpha}, and training goes on with"
            f" them: set lora_rank: {own.r} and lora_alpha: {own.lora_alpha}, or start from a merged copy (reidr merge)"
        )
    if START not in model.peft_config:
        model.add_adapter(START, own)
        for name, weights in model.named_parameters():
            if f".{NAME}." in name:
                model.get_parameter(name.replace(f".{NAME}.", f".{START}.")).data.copy_(weights.data)
    model.set_adapter(NAME)
    for name, weights in model.named_parameters():
        weights.requires_grad_(f".{NAME}." in name)
    return model


def new_lora(model: Any, rank: int, alpha: int) -> Any:
    """`lora_config` for a model that has no LoRA weights yet; None where it has, and training goes on with those."""
    return None if has_lora(model) else lora_config(rank, alpha)


@contextmanager
def starting_weights(model: Any) -> Iterator[None]:
    """Within the block, `model` with LoRA computes as it did before the training: no second copy of it is needed.

    `model` is what PEFT has put LoRA into, wrapped or not. The starting point is the LoRA weights it came with, or
    the base where it came without.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    active = [layer.active_adapters for layer in layers]
    learning = {weights for weights in model.parameters() if weights.requires_grad}
    try:
        for layer in layers:
            if START in getattr(layer, "lora_A", {}):
                layer.set_adapter(START)
            else:
                layer.enable_adapters(False)
        yield
    finally:
        for layer, names in zip(layers, active, strict=True):
            layer.enable_adapters(True)
            layer.set_adapter(names)
        for weights in model.parameters():
            weights.requires_grad_(weights in learning)
