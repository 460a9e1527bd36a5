"""A frozen copy of the starting model reaches the verdict from the reasoning alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reidr.reasoning.prompting.grammar import AnswerWord, ParsedAnswer


def reward(
    parsed: Sequence[ParsedAnswer | None], text_only_probability: Sequence[float | None], **_: Any
) -> list[float | None]:
    """`text_only_reward` of each completion; None where it cannot be parsed."""
    return [
        None if each is None else text_only_reward(each.answer, chance)
        for each, chance in zip(parsed, text_only_probability, strict=True)
    ]


def text_only_reward(answer: AnswerWord, probability: float | None) -> float | None:
    """2·P(answer) - 1, P from a frozen scorer that sees no picture: does the reasoning lead to the verdict?

    Idea of Embed-RL's process reward (arXiv 2602.13823). None without a scorer, and for "insufficient", about which
    P(same) says nothing.
    """
    if probability is None or answer == "insufficient":
        return None
    return 2.0 * (probability if answer == "yes" else 1.0 - probability) - 1.0
