"""A reinforcement that diverges ends in a sentence, before the weights of that step are saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from outside_rewards import alone
from tiny_reasoners import TINY, lively

from reidr.errors import RecipeError
from reidr.reasoning.types import Pair

pytest.importorskip("trl")

from reidr.training.grpo.log_callback import StepLog
from reidr.training.grpo.stage import reinforce
from reidr.training.grpo.trainer import PairTrainer
from reidr.training.recipes.grpo import ReinforcementRecipe

RECIPE = ReinforcementRecipe(
    rewards=alone("varied"), steps=3, pairs=2, num_generations=4, backward_rows=8, max_new_tokens=10, warmup_steps=0,
    save_every=1,
)  # fmt: skip


def train(folder: Path, **changes: Any) -> list[dict[str, Any]]:
    pairs = [Pair(pair.query, pair.candidate, label=i % 2 == 0) for i, pair in enumerate(TINY.noise_pairs(4))]
    return reinforce(RECIPE.model_copy(update=changes), pairs, *lively("qwen3_vl"), folder)[1]


def steps_in(folder: Path) -> tuple[list[int], list[str]]:
    """(steps in the log, checkpoints)."""
    log = [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]
    return log, sorted(path.name for path in (folder / "checkpoints").glob("checkpoint-*"))


def test_a_reward_that_makes_the_loss_explode(tmp_path: Path) -> None:
    """With a large learning rate the rewards drive the model far from where it began, and the KL term grows."""
    with pytest.raises(RecipeError, match=r"diverged: the loss is \d+.* in step 2, more than 100 times its usual size"):
        train(tmp_path, learning_rate=0.3, beta=100.0)
    assert steps_in(tmp_path) == ([1], ["checkpoint-1"])
    # A resumed run remembers the losses before.
    with pytest.raises(RecipeError, match=r"in step 2, more than 100 times"):
        train(tmp_path, learning_rate=0.3, beta=100.0)
    assert steps_in(tmp_path) == ([1], ["checkpoint-1"])


def test_a_loss_that_is_no_number_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loss_of = PairTrainer.loss_of

    def no_number(self: PairTrainer, model: Any, batch: dict[str, Any]) -> Any:
        loss = loss_of(self, model, batch)
        return loss * float("nan") if self.state.global_step else loss

    monkeypatch.setattr(PairTrainer, "loss_of", no_number)
    with pytest.raises(RecipeError, match="diverged: loss is nan in step 2, and nothing of it is saved"):
        train(tmp_path, learning_rate=1e-3)
    assert steps_in(tmp_path) == ([1], ["checkpoint-1"])


def test_a_gradient_that_is_no_number_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_number(self: StepLog, args: Any, state: Any, control: Any, **options: Any) -> None:
        options["logs"]["grad_norm"] = float("inf")
        on_log(self, args, state, control, **options)

    on_log = StepLog.on_log
    monkeypatch.setattr(StepLog, "on_log", no_number)
    with pytest.raises(RecipeError, match="gradient norm is inf in step 1"):
        train(tmp_path, learning_rate=1e-3)
    assert not list((tmp_path / "checkpoints").glob("checkpoint-*"))


def test_weights_that_overflow(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="diverged: the probabilities of the next token are not finite"):
        train(tmp_path, learning_rate=1e30)


def test_an_ordinary_training_goes_through(tmp_path: Path) -> None:
    assert [line["step"] for line in train(tmp_path, learning_rate=1e-3, beta=0.1)] == [1, 2, 3]
