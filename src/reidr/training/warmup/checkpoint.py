"""The checkpoint of a warm-up: weights in training, their average, optimiser, and rationales of the current round."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from reidr.core.process.signals import note_step
from reidr.core.storage.files import torch_save
from reidr.training.warmup.rationales import Rationale


def save_checkpoint(
    path: Path,
    trained: Mapping[str, nn.Parameter],
    average: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
    rationales: Mapping[str, Rationale],
    step: int,
) -> None:
    """Write all of it, replacing the last checkpoint in one operation."""
    state = {
        "weights": {name: each.detach() for name, each in trained.items()},
        "average": average,
        "optimiser": optimiser.state_dict(),
        "rationales": json.dumps({key: asdict(each) for key, each in rationales.items()}),
        "step": step,
    }
    torch_save(state, path)
    note_step(path.parent, "step", step)


@torch.no_grad()
def load_checkpoint(
    path: Path, trained: Mapping[str, nn.Parameter], average: Mapping[str, Tensor], optimiser: torch.optim.Optimizer
) -> tuple[int, dict[str, Rationale]]:
    """Restore weights, average and optimiser in place; returns the number of steps taken and the rationales."""
    device = next(iter(trained.values())).device
    state = torch.load(path, map_location=device, weights_only=True)
    for name, each in trained.items():
        each.copy_(state["weights"][name])
    for name, mean in average.items():
        mean.copy_(state["average"][name])
    optimiser.load_state_dict(state["optimiser"])
    rationales = {
        key: Rationale(tuple(each["ids"]), each["answer"], each["reasoning"])
        for key, each in json.loads(state["rationales"]).items()
    }
    return int(state["step"]), rationales
