"""Statistics of one batch of rollouts for the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from reidr.reasoning.inference.sampling import Completion
from reidr.training.grpo.rewards.total import Reward


def statistics(rewards: Sequence[Reward], rollouts: Sequence[Completion], labels: Sequence[bool]) -> dict[str, float]:
    """Shares of answer words, accuracy per label and mean of each reward; NaN, which TRL leaves out of its means, where
    there is nothing to average."""
    answers = Counter(reward.answer for reward in rewards)
    parts = {name: [each.parts[name] for each in rewards] for name in rewards[0].parts}
    texts = [completion.text for completion, reward in zip(rollouts, rewards, strict=True) if reward.answer]
    correct = {
        name: [float(reward.correct) for reward, label in zip(rewards, labels, strict=True) if label == of]
        for name, of in (("same", True), ("different", False))
    }
    return {
        "parsable": 1.0 - answers[None] / len(rewards),
        "said_yes": answers["yes"] / len(rewards),
        "said_insufficient": answers["insufficient"] / len(rewards),
        "distinct_texts": len(set(texts)) / len(texts) if texts else float("nan"),
        **{f"accuracy_{name}": mean(values) for name, values in correct.items()},
        **{f"reward_{name}": mean([value for value in values if value is not None]) for name, values in parts.items()},
    }


def mean(values: Sequence[float]) -> float:
    """The mean; NaN of nothing."""
    return sum(values) / len(values) if values else float("nan")
