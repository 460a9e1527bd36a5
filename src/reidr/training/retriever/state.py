"""The checkpoint of a retriever training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from reidr.core.process.signals import note_step
from reidr.core.storage.files import torch_save


class TrainingState:
    """Everything a resumed training needs, in one file that is replaced atomically after each epoch."""

    def __init__(
        self,
        path: Path,
        network: nn.Module,
        losses: nn.Module,
        optimiser: torch.optim.Optimizer,
        averaged: nn.Module,
    ) -> None:
        self.path = path
        self.parts: dict[str, Any] = {
            "network": network,
            "losses": losses,
            "optimiser": optimiser,
            "averaged": averaged,
        }

    def save(self, epoch: int, random: np.random.Generator) -> None:
        """Write all parts, the epoch count and both random states."""
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {
            "epoch": epoch,
            "torch_random": torch.get_rng_state(),
            "random": json.dumps(random.bit_generator.state),
        }
        torch_save(state, self.path)
        note_step(self.path.parent, "epoch", epoch)

    def load(self, random: np.random.Generator) -> int:
        """Restore everything when the file is there; returns the number of finished epochs (0 without a file)."""
        if not self.path.exists():
            return 0
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        torch.set_rng_state(state["torch_random"])
        random.bit_generator.state = json.loads(state["random"])
        note_step(self.path.parent, "epoch", int(state["epoch"]))
        return int(state["epoch"])
