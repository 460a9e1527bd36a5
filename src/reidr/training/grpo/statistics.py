"""Statistics of one batch of rollouts for the log."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from reidr.reasoning.inference.sampling import Completion
from reidr.training.grpo.rewards.total import Reward

LEAST_LEVERAGE = 0.05
"""Below it a run says that its words had next to nothing to learn from."""


def statistics(
    rewards: Sequence[Reward], rollouts: Sequence[Completion], labels: Sequence[bool], groups: Sequence[int]
) -> dict[str, float]:
    """Shares of answer words, accuracy per label, mean of each reward, and leverage; NaN, which TRL leaves out of its
    means, where there is nothing to average.

    Args:
        groups: rollouts of equal number are of one pair.
    """
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
        "leverage": leverage(decisive(rewards, rollouts), groups),
        "distinct_texts": len(set(texts)) / len(texts) if texts else float("nan"),
        **{f"accuracy_{name}": mean(values) for name, values in correct.items()},
        **{f"reward_{name}": mean([value for value in values if value is not None]) for name, values in parts.items()},
    }


def decisive(rewards: Sequence[Reward], rollouts: Sequence[Completion]) -> list[float | None]:
    """P(same) of each rollout as it is rewarded: read from the words alone where that was asked for, else where the
    answer word was written, with the pictures in view."""
    if any(each.reasoned is not None for each in rewards):
        return [each.reasoned for each in rewards]
    return [completion.probability for completion in rollouts]


def mean(values: Sequence[float]) -> float:
    """The mean; NaN of nothing."""
    return sum(values) / len(values) if values else float("nan")


def leverage(probabilities: Sequence[float | None], groups: Sequence[int]) -> float:
    """Share of the answer's variance within a group that comes from the words before it.

    A rollout z ends in "yes" with the probability P(yes | z), so by the law of total variance the answers of a group
    vary by Var_z P, which the words decide, and by E_z P(1 - P), which the toss of the answer word decides. Leverage is
    the first as a share of both, summed over groups (docs/observing.md). At 0 nothing that is learned from right and
    wrong answers is about the words.

    Args:
        probabilities: of "yes" at the answer of each rollout; None where it cannot be read.

    Returns:
        A number in [0, 1]; NaN where no group has two readable rollouts, or their answers are certain and equal.
    """
    by_group: dict[int, list[float]] = {}
    for probability, group in zip(probabilities, groups, strict=True):
        if probability is not None:
            by_group.setdefault(group, []).append(probability)
    words = toss = 0.0
    for own in by_group.values():
        if len(own) > 1:
            centre = mean(own)
            words += sum((each - centre) ** 2 for each in own) / (len(own) - 1)
            toss += mean([each * (1 - each) for each in own])
    return words / (words + toss) if words + toss > 0 else float("nan")


def low_leverage(log: Sequence[Mapping[str, Any]]) -> str:
    """A sentence where the mean leverage of a training's steps is under `LEAST_LEVERAGE`; else empty.

    `log`: lines of log.jsonl.
    """
    known = [float(line["leverage"]) for line in log if line.get("leverage") is not None]
    known = [value for value in known if math.isfinite(value)]
    if not known or mean(known) >= LEAST_LEVERAGE:
        return ""
    return (
        f"the words decided {100 * mean(known):.1f} % of the variance of the answers within a group (leverage), under "
        f"{100 * LEAST_LEVERAGE:.0f} %: right and wrong answers taught them next to nothing (docs/observing.md)"
    )
