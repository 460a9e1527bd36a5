"""The learning-rate schedule of every training: linear warm-up, then cosine (Loshchilov & Hutter 2017)."""

from __future__ import annotations

import math

import torch


def learning_rate_at(step: int, steps: int, warmup: int) -> float:
    """Share of the full learning rate at `step` of `steps`, counted from 0; it falls to 1 % at the end.

    Args:
        warmup: steps of linear warm-up.
    """
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def set_learning_rate(optimiser: torch.optim.Optimizer, full: float, share: float) -> None:
    """Give every parameter group `share` of the full learning rate, times the group's own `factor` where it has one."""
    for group in optimiser.param_groups:
        group["lr"] = group.get("factor", 1.0) * full * share
