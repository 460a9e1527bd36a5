"""The completion follows the grammar of a reasoned answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reidr.reasoning.prompting.grammar import ParsedAnswer


def reward(parsed: Sequence[ParsedAnswer | None], **_: Any) -> list[float | None]:
    """`format_reward` of each completion."""
    return [format_reward(each) for each in parsed]


def format_reward(parsed: ParsedAnswer | None) -> float:
    """1 where the completion follows the strict grammar, else -1."""
    return -1.0 if parsed is None else 1.0
