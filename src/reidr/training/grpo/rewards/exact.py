"""The probability of the right answer word, taken exactly instead of by a toss (VeriFree, arXiv 2505.21493).

A rollout's answer word is drawn from a probability that is known. Rewarding the drawn word adds the luck of the draw to
the reward of the words before it; its expectation has the same gradient for the words, and no luck. Both rewards are
2 P - 1, the expectation of the identity reward over yes and no.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reidr.reasoning.prompting.grammar import ParsedAnswer

Parsed = Sequence[ParsedAnswer | None]
Probabilities = Sequence[float | None]


def likelihood(parsed: Parsed, label: Sequence[bool], probability: Probabilities, **_: Any) -> list[float | None]:
    """2·P(right word | pictures, words) - 1 of each completion; None where it cannot be parsed."""
    return exact(parsed, label, probability)


def reasoned(
    parsed: Parsed, label: Sequence[bool], reasoned_probability: Probabilities, **_: Any
) -> list[float | None]:
    """2·P(right word | words) - 1 of each completion, the pictures taken away; None where it cannot be parsed."""
    return exact(parsed, label, reasoned_probability)


def exact(parsed: Parsed, label: Sequence[bool], probability: Probabilities) -> list[float | None]:
    """`exact_reward` of each completion that can be parsed."""
    return [
        None if each is None or chance is None else exact_reward(same, chance)
        for each, same, chance in zip(parsed, label, probability, strict=True)
    ]


def exact_reward(label: bool, probability: float) -> float:
    """2·P(right) - 1, in [-1, 1]. `probability`: P(same); `label`: True for the same person."""
    return 2.0 * (probability if label else 1.0 - probability) - 1.0
