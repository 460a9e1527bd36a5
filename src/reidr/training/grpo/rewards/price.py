"""Every claim costs: what is not worth saying is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reidr.reasoning.prompting.grammar import ParsedAnswer
from reidr.reasoning.rationales.claims import parse_claims
from reidr.reasoning.types import REGIONS


def reward(parsed: Sequence[ParsedAnswer | None], **_: Any) -> list[float | None]:
    """`price_reward` of each completion; None where it cannot be parsed."""
    return [None if each is None else price_reward(each.reasoning) for each in parsed]


def price_reward(reasoning: str) -> float:
    """Minus the claims of the reasoning in units of the body regions there are (8), at least -1.

    With the weight 0.16 a claim costs 0.02. Claims beyond as many as there are regions cost no more, so that a
    completion that cannot be parsed (-1) is never the cheaper one.
    """
    return -min(len(parse_claims(reasoning)), len(REGIONS)) / len(REGIONS)
