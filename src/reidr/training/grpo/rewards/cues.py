"""Body regions are compared, and the comparisons support a right answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from reidr.reasoning.prompting.grammar import ANSWERS, AnswerWord, ParsedAnswer
from reidr.reasoning.rationales.claims import parse_claims
from reidr.reasoning.rationales.support import compared_regions, degree_of_support
from reidr.training.grpo.rewards.columns import ENOUGH_REGIONS
from reidr.training.grpo.rewards.identity import identity_reward

SCENERY = re.compile(
    r"\b(?:backgrounds?|scenery|scenes?|lighting|illumination|brightness|shadows?|(?:the|same|other|different) light"
    # Only the noun: "the same light blue shirt" is about clothes.
    r"(?=[.,;:!?)]|$|\s+(?:is|was|in|on|at|of|from|differs?|agrees?|matches|conditions?|falls?|comes?|sources?)\b)"
    r"|poses?|posture|stances?|cameras?|viewpoints?|(?:viewing )?angles?|walls?|floors?|streets?|weather)\b",
    re.I,
)
"""Words about the scene instead of the person."""


def reward(parsed: Sequence[ParsedAnswer | None], label: Sequence[bool], **_: Any) -> list[float | None]:
    """`cues_reward` of each completion, at most 0 unless the answer is right; None where it cannot be parsed."""
    return [None if each is None else earned(each, same) for each, same in zip(parsed, label, strict=True)]


def earned(parsed: ParsedAnswer, label: bool) -> float:
    """`cues_reward`, at most 0 unless the answer is right.

    Were reasons for a wrong answer rewarded, a policy that writes "all agrees: yes" about every pair would earn as much
    as an accurate one that gives no reasons yet, and training ends there (observed with `nano` and a large weight of
    this reward). The same holds for reasons without a verdict: "hair, shoes and bag cannot be seen" can be written of
    any pair, and would earn more than an honest answer on the pairs that sampling selects, where the model is right
    about half of the time.
    """
    supported = cues_reward(parsed.answer, parsed.reasoning)
    return supported if identity_reward(parsed.answer, label) > 0 else min(supported, 0.0)


def cues_reward(answer: AnswerWord, reasoning: str) -> float:
    """Whether the reasoning compares body regions and its comparisons support the answer, in [-1, 1].

    The degree of support is `rationales.support.degree_of_support`. It counts in full from `ENOUGH_REGIONS` regions on
    (for "insufficient": regions that cannot be seen) and proportionally below. Each mention of background, light, pose
    or camera reduces it as if it had taken the place of a region, and so does each further claim about the same region:
    without that, every fourth text of a model trained with this reward mentioned its bag twice. Contradiction (negative
    support) always counts in full. 0 where nothing was compared.
    """
    regions = compared_regions(reasoning)
    support = degree_of_support(ANSWERS[answer], regions)
    if support <= 0:
        return support
    breadth = len(regions.unseen if answer == "insufficient" else regions.compared)
    claims = parse_claims(reasoning)
    beside = len(SCENERY.findall(reasoning)) + len(claims) - len({claim.region for claim in claims})
    return support * min(breadth, ENOUGH_REGIONS) / ENOUGH_REGIONS * breadth / (breadth + beside)
