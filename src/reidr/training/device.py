"""Where a training runs."""

from __future__ import annotations

import torch


def training_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def random_devices(device: torch.device) -> list[torch.device]:
    """For `torch.random.fork_rng`: the random states beside the CPU's that a training on `device` uses up."""
    return [device] if device.type == "cuda" else []
