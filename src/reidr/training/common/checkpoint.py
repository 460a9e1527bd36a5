"""The checkpoint of a training: everything that a resumed run needs to take the steps of an unbroken one.

A file is a dictionary: the state of each part under the part's name, and the number of finished steps or epochs under
the name of the unit. Random generators are parts like any other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from reidr.core.process.signals import note_step
from reidr.core.storage.files import torch_save
from reidr.core.storage.whole import keeping_version_before, last_whole_version
from reidr.errors import WeightsError
from reidr.training.processes.sharding import fill_tensor, for_first


class Stateful(Protocol):
    """A part of a training: a module, an optimiser, a moving average, a random generator."""

    def state_dict(self) -> Any:
        """What `torch.load(weights_only=True)` can read again: tensors, numbers, texts, and lists or dicts of them."""
        ...

    def load_state_dict(self, state: Any) -> Any:
        """Take the state over, in place."""
        ...


class Checkpoint:
    """One file, replaced atomically by each save, and the save before: one of both is whole whatever happens."""

    def __init__(self, path: Path, parts: Mapping[str, Stateful], unit: str = "step", *, writes: bool = True) -> None:
        """`unit`: what is counted, "step" or "epoch"; its name is the count's key in the file. `writes`: False in those
        of several processes that share the training and leave the file to the first."""
        self.path, self.parts, self.unit, self.writes = path, dict(parts), unit, writes

    def save(self, done: int) -> None:
        """Write the state after `done` steps or epochs; all processes that share the training have to call it.

        Raises ReIDError where the file cannot be written.
        """
        state = {name: part.state_dict() for name, part in self.parts.items()}
        if self.writes:
            with keeping_version_before(self.path):
                torch_save({**state, self.unit: done}, self.path)
        note_step(self.path.parent, self.unit, done)

    def load(self) -> int:
        """Restore every part from the last whole file; returns the finished steps or epochs, 0 without a file.

        Raises WeightsError where the file is not a checkpoint of these parts, or none is whole.
        """
        done, place = 0, last_whole_version(self.path)
        if place is None and self.path.exists():
            raise WeightsError(f"{self.path}: is damaged, and no whole one is before it; remove it to begin anew")
        if place is not None:
            state = torch.load(place, map_location="cpu", weights_only=True)
            missing = next((name for name in (*self.parts, self.unit) if name not in state), None)
            if missing is not None:
                raise WeightsError(f"{self.path}: has no {missing!r}, so it belongs to another training; remove it")
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
            done = int(state[self.unit])
        note_step(self.path.parent, self.unit, done)
        return done


class TrainedWeights:
    """Named tensors that are saved and restored in place: the trained weights of a model that is frozen otherwise."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = tensors

    def state_dict(self) -> dict[str, Tensor]:
        return {name: for_first(each) for name, each in self.tensors.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        for name, each in self.tensors.items():
            fill_tensor(each, state[name])


class TorchRandom:
    """The state of torch's global generator on the CPU."""

    def state_dict(self) -> Tensor:
        return torch.get_rng_state()

    def load_state_dict(self, state: Tensor) -> None:
        torch.set_rng_state(state)


class NumpyRandom:
    """The state of a NumPy generator."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random

    def state_dict(self) -> str:
        return json.dumps(self.random.bit_generator.state)

    def load_state_dict(self, state: str) -> None:
        self.random.bit_generator.state = json.loads(state)
