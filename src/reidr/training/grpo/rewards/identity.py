"""The answer word is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reidr.reasoning.prompting.grammar import AnswerWord, ParsedAnswer


def reward(parsed: Sequence[ParsedAnswer | None], label: Sequence[bool], **_: Any) -> list[float | None]:
    """`identity_reward` of each completion; None where it cannot be parsed."""
    return [
        None if each is None else identity_reward(each.answer, same) for each, same in zip(parsed, label, strict=True)
    ]


def identity_reward(answer: AnswerWord, label: bool) -> float:
    """1 for the right answer, -1 for the wrong one, 0 for "insufficient": the expectation of a random guess."""
    if answer == "insufficient":
        return 0.0
    return 1.0 if (answer == "yes") == label else -1.0
