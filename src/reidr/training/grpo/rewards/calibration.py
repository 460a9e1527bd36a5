"""The probability at the answer word is an honest one (RLCR, arXiv 2507.16806)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reidr.reasoning.prompting.grammar import AnswerWord, ParsedAnswer


def reward(
    parsed: Sequence[ParsedAnswer | None], label: Sequence[bool], probability: Sequence[float | None], **_: Any
) -> list[float | None]:
    """`calibration_reward` of each completion; None where it cannot be parsed."""
    return [
        None if each is None else calibration_reward(each.answer, same, chance)
        for each, same, chance in zip(parsed, label, probability, strict=True)
    ]


def calibration_reward(answer: AnswerWord, label: bool, probability: float | None) -> float | None:
    """RLCR: correct - (q - correct)², q the probability of the answer given.

    The expected value is greatest where q is the true chance of being correct, and is then q², never below 0. None for
    "insufficient", which claims nothing, and where there is no probability.

    Args:
        label: True for the same person. probability: P(same) where the answer word was written.
    """
    if probability is None or answer == "insufficient":
        return None
    correct = float((answer == "yes") == label)
    confidence = probability if answer == "yes" else 1.0 - probability
    return correct - (confidence - correct) ** 2
