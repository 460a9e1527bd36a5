"""States of optimisers in checkpoints, where several processes share a training."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from reidr.training.processes.kinds import uses_deepspeed
from reidr.training.processes.parallel import Parallel
from reidr.training.processes.sharding import for_first, shared_as
from reidr.training.processes.team import processes


def optimiser_part(parallel: Parallel, folder: Path) -> OptimiserState | EngineState:
    """The part of a checkpoint in `folder` that holds what the optimiser knows."""
    if uses_deepspeed():
        return EngineState(parallel.module, folder / "deepspeed")
    return OptimiserState(parallel.optimiser)


class OptimiserState:
    """The state of an optimiser as that of one process: a run may go on with another number of processes."""

    def __init__(self, optimiser: Any) -> None:
        self.optimiser = optimiser

    def state_dict(self) -> dict[str, Any]:
        """As torch's, with whole tensors in the first process."""
        state: dict[str, Any] = self.optimiser.state_dict()
        whole = {
            number: {name: for_first(each) if torch.is_tensor(each) else each for name, each in own.items()}
            for number, own in state["state"].items()
        }
        return {**state, "state": whole}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave, in this process's part."""
        weights = [each for group in self.optimiser.param_groups for each in group["params"]]
        spread = {
            number: {
                name: shared_as(weights[number], each) if torch.is_tensor(each) else each for name, each in own.items()
            }
            for number, own in state["state"].items()
        }
        self.optimiser.load_state_dict({**state, "state": spread})


class EngineState:
    """Weights and optimiser of DeepSpeed's engine, which writes each process's part itself, in a folder per save.

    A checkpoint names the folder that belongs to it; the folder before is kept until the checkpoint is written.
    """

    def __init__(self, engine: Any, folder: Path) -> None:
        self.engine, self.folder = engine, folder

    def state_dict(self) -> str:
        """Write a folder; returns its name."""
        name = f"step-{self.engine.global_steps}"
        if processes().is_first and self.folder.is_dir():
            kept = sorted(self.folder.glob("step-*"), key=lambda path: path.stat().st_mtime)
            for old in kept[:-1]:
                shutil.rmtree(old, ignore_errors=True)
        self.engine.save_checkpoint(str(self.folder), tag=name)
        return name

    def load_state_dict(self, state: str) -> None:
        """Take over the folder of that name; the number of processes must be the same."""
        self.engine.load_checkpoint(str(self.folder), tag=state)
