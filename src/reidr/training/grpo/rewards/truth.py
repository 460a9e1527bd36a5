"""What is claimed of body regions is true, where attributes are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reidr.reasoning.prompting.grammar import ParsedAnswer
from reidr.reasoning.rationales.claims import check_claim, parse_claims, states_what_is_hidden
from reidr.training.grpo.rewards.columns import ENOUGH_REGIONS, Facts


def reward(parsed: Sequence[ParsedAnswer | None], facts: Sequence[Facts | None], **_: Any) -> list[float | None]:
    """`truth_reward` of each completion; None where it cannot be parsed."""
    return [
        None if each is None else truth_reward(each.reasoning, known) for each, known in zip(parsed, facts, strict=True)
    ]


def truth_reward(reasoning: str, facts: Facts | None) -> float | None:
    """Whether what the reasoning claims of body regions is true of the two crops, in [-1, 1].

    (true - false regions) / checkable regions; a positive value counts in full from `ENOUGH_REGIONS` checkable regions
    on and proportionally below. A region counts once, as false where any claim about it is contradicted or states what
    its crop does not show. None where nothing is known of the crops, 0 where no claim can be checked.
    """
    if facts is None or not (facts.a and facts.b):
        return None
    marks: dict[str, bool] = {}
    for claim in parse_claims(reasoning):
        mark = check_claim(claim, facts.a, facts.b, per_crop=facts.per_crop)
        invented = facts.per_crop and states_what_is_hidden(claim, facts.a, facts.b)
        if invented or mark != "untestable":
            marks[claim.region] = marks.get(claim.region, True) and mark == "confirmed" and not invented
    if not marks:
        return 0.0
    balance = (2 * sum(marks.values()) - len(marks)) / len(marks)
    return balance if balance <= 0 else balance * min(len(marks), ENOUGH_REGIONS) / ENOUGH_REGIONS
