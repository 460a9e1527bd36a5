"""What all trainings share: checkpoint, moving average, log, and the check for losses that explode."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from reidr.errors import RecipeError, WeightsError
from reidr.training.common.checkpoint import Checkpoint, NumpyRandom, TorchRandom, TrainedWeights
from reidr.training.common.divergence import FACTOR, ExplosionCheck
from reidr.training.common.ema import MovingAverage
from reidr.training.common.log import TrainingLog
from reidr.training.common.schedule import set_learning_rate


class Training:
    """A training whose every step needs all that a checkpoint holds."""

    def __init__(self, path: Path) -> None:
        torch.manual_seed(0)
        self.network = nn.Linear(4, 4)
        self.random = np.random.default_rng(0)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=0.1)
        trained = dict(self.network.named_parameters())
        self.average = MovingAverage(trained, 0.9)
        parts = {
            "weights": TrainedWeights(trained), "average": self.average, "optimiser": self.optimiser,
            "torch_random": TorchRandom(), "random": NumpyRandom(self.random),
        }  # fmt: skip
        self.checkpoint = Checkpoint(path, parts)

    def steps(self, first: int, last: int) -> None:
        for step in range(first, last):
            inputs = torch.randn(8, 4) + float(self.random.random())
            self.optimiser.zero_grad()
            self.network(inputs).square().mean().backward()
            self.optimiser.step()
            self.average.update(step)


def test_a_resumed_training_equals_an_unbroken_one(tmp_path: Path) -> None:
    whole = Training(tmp_path / "whole.pt")
    assert whole.checkpoint.load() == 0
    whole.steps(0, 6)
    first = Training(tmp_path / "halves.pt")
    first.steps(0, 3)
    first.checkpoint.save(3)
    torch.manual_seed(99)
    second = Training(tmp_path / "halves.pt")
    assert second.checkpoint.load() == 3
    second.steps(3, 6)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[name])
        assert torch.equal(whole.average.average[name], second.average.average[name])
    second.average.apply()
    assert torch.equal(second.network.weight, whole.average.average["weight"])


def test_the_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    network = nn.Linear(2, 2)
    Checkpoint(tmp_path / "c.pt", {"network": network}, "epoch").save(2)
    with pytest.raises(WeightsError, match="has no 'losses'"):
        Checkpoint(tmp_path / "c.pt", {"network": network, "losses": nn.Linear(1, 1)}, "epoch").load()
    with pytest.raises(WeightsError, match="has no 'step'"):
        Checkpoint(tmp_path / "c.pt", {"network": network}).load()


def test_lines_of_steps_to_be_taken_again_are_dropped(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "log.jsonl")
    log.resume(3)
    assert not log.path.exists()
    log.path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"ste', encoding="utf-8")
    log.resume(2)
    log.append({"step": 3, "loss": 0.5})
    assert log.read() == [{"step": 1}, {"step": 2}, {"step": 3, "loss": 0.5}]
    assert json.loads(log.path.read_text().splitlines()[-1])["loss"] == 0.5


def test_a_group_may_learn_at_a_multiple_of_the_rate() -> None:
    one, other = nn.Linear(1, 1), nn.Linear(1, 1)
    groups = [{"params": one.parameters()}, {"params": other.parameters(), "factor": 20.0}]
    optimiser = torch.optim.AdamW(groups, lr=1.0)
    set_learning_rate(optimiser, 0.01, 0.5)
    assert [group["lr"] for group in optimiser.param_groups] == [0.005, pytest.approx(0.1)]


def test_a_loss_that_explodes_is_refused_and_a_noisy_one_is_not() -> None:
    check = ExplosionCheck()
    for step, loss in enumerate([4.0, -3.0, 0.01, 60.0, 2.0] * 10):
        check.check(loss, f"step {step}")
    with pytest.raises(RecipeError, match=r"the loss is 500 in step 51, more than 100 times its usual size \(3\)"):
        check.check(500.0, "step 51")
    with pytest.raises(RecipeError, match="loss is nan in step 52"):
        check.check(float("nan"), "step 52")


def test_a_resumed_run_is_judged_by_the_losses_before_it() -> None:
    fresh, resumed = ExplosionCheck(), ExplosionCheck([0.1, -0.2, 0.1])
    fresh.check(2 * FACTOR, "step 1")  # a first loss has nothing to be compared with
    with pytest.raises(RecipeError, match="diverged"):
        resumed.check(2 * FACTOR, "step 4")
