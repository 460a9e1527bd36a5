"""Exponential moving averages of weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from reidr.training.processes.sharding import fill_tensor, for_first


def averaged_copy(network: nn.Module, decay: float) -> AveragedModel:
    """A copy of a whole network, buffers included, that follows it at a constant decay by `update_parameters`."""
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


class MovingAverage:
    """The average of the trained weights of a model that is frozen otherwise; with decay 0 it does nothing.

    The first weights are the worst, so the average starts with a short memory: after step t, counted from 0, the decay
    is min(`decay`, (t + 1) / (t + 10)).
    """

    def __init__(self, trained: Mapping[str, Tensor], decay: float) -> None:
        self.trained, self.decay = trained, decay
        self.average = {name: each.detach().clone() for name, each in trained.items() if decay}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after `step` in."""
        decay = min(self.decay, (step + 1) / (step + 10))
        for name, each in self.average.items():
            each.lerp_(self.trained[name], 1 - decay)

    @torch.no_grad()
    def apply(self) -> None:
        """Make the averaged weights the model's own."""
        for name, each in self.average.items():
            self.trained[name].copy_(each)

    def state_dict(self) -> dict[str, Tensor]:
        return {name: for_first(each) for name, each in self.average.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        for name, each in self.average.items():
            fill_tensor(each, state[name])
