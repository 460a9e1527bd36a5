"""What the tests of training share."""

from __future__ import annotations

from typing import Any

import pytest

from reidr.training.grpo import stage as stage
from reidr.training.grpo.rewards import Reward


@pytest.fixture
def varied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rewards that random texts earn differently: the parsable are too rare among them to learn from."""

    def reward(text: str, label: bool, *_: Any, probability: float | None, **__: Any) -> Reward:
        total = sum(map(ord, text)) % 7 / 7 + 0.5 * label
        return Reward(total, {"format": -1.0, "identity": None}, None, False)

    monkeypatch.setattr(stage, "total_reward", reward)
