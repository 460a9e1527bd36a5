"""Rewards that do not belong to the package, named in recipes as `outside_rewards:NAME`."""

from __future__ import annotations

from typing import Any

from reidr.training.grpo.rewards.registry import RewardWeights

NONE_OF_THE_PACKAGE = dict.fromkeys(RewardWeights.model_fields, 0.0)


def alone(name: str) -> RewardWeights:
    """Weights of the reward `name` of this file and no other."""
    return RewardWeights(**NONE_OF_THE_PACKAGE, **{f"outside_rewards:{name}": 1.0})


def varied(completions: list[str], label: list[bool], **_: Any) -> list[float]:
    """Differs between random texts, of which hardly any can be parsed."""
    return [sum(map(ord, text)) % 7 / 7 + 0.5 * same for text, same in zip(completions, label, strict=True)]


def short(completions: list[str], **_: Any) -> list[float]:
    """Short texts earn more."""
    return [-float(len(text)) for text in completions]
