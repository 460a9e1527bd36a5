"""Whether the words of a reason support an answer: the one definition, for tests of reasons, warm-up and reward.

The rule weighs body regions, not sentences, since repeating a comparison adds no evidence:

- "same": more regions agree than differ. Most of what can be compared has to fit; clothes that look alike in one place
  do not outweigh differences in two.
- "different": at least one region differs. A person does not change shoes between two cameras, so one difference can
  decide, and any number of agreements with it cannot forbid it: strangers often dress alike.
- "insufficient": more regions cannot be seen than are compared. A tie supports no answer, here as for "same".

A reason that contradicts itself supports nothing: it says of one region that it agrees and that it differs, or it
claims a difference and states the same of both crops ("a red top in A, a red top in B"). Were it let through, a writer
who says both could never be wrong. A reason that compares nothing supports nothing either.

How much a supporting reason *earns* (how many regions, how much of it is scenery or repetition) is the reward's affair
(`training.grpo`), and whether it may be imitated is the warm-up's; neither changes whether it supports the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from reidr.reasoning.rationales.claims import parse_claims, self_contradictory
from reidr.reasoning.rationales.cues import extract_cues
from reidr.reasoning.types import Agreement, Answer, Region


@dataclass(frozen=True)
class ComparedRegions:
    """The body regions of a reason by what it says of them.

    Attributes:
        agree, differ: regions said to agree, and to differ. unseen: regions that cannot be seen and are not compared
            elsewhere in the reason.
        contradictory: the reason contradicts itself, see the module.
    """

    agree: frozenset[Region]
    differ: frozenset[Region]
    unseen: frozenset[Region]
    contradictory: bool

    @property
    def compared(self) -> frozenset[Region]:
        """Regions said to agree or to differ."""
        return self.agree | self.differ


def compared_regions(reasoning: str) -> ComparedRegions:
    """What `reasoning` (the text between the think tags) says of each region."""
    regions: dict[Agreement, set[Region]] = {"agree": set(), "differ": set(), "unseen": set()}
    for cue in extract_cues(reasoning):
        regions[cue.agreement].add(cue.region)
    agree, differ = frozenset(regions["agree"]), frozenset(regions["differ"])
    contradictory = bool(agree & differ) or any(self_contradictory(claim) for claim in parse_claims(reasoning))
    return ComparedRegions(agree, differ, frozenset(regions["unseen"]) - agree - differ, contradictory)


def degree_of_support(answer: Answer, regions: ComparedRegions) -> float:
    """How far a reason supports `answer`, in [-1, 1]; above 0 it supports it, and below 0 it speaks against it.

    -1 for a reason that contradicts itself. Otherwise 0 where nothing is compared (or, for "insufficient", named), and:
    "same": (agreeing - differing) / compared regions. "different": 1 where any region differs, else -1.
    "insufficient": (unseen - compared) / named regions.
    """
    if regions.contradictory:
        return -1.0
    compared, unseen = len(regions.compared), len(regions.unseen)
    if answer == "insufficient":
        return (unseen - compared) / (unseen + compared) if unseen + compared else 0.0
    if not compared:
        return 0.0
    if answer == "same":
        return (len(regions.agree) - len(regions.differ)) / compared
    return 1.0 if regions.differ else -1.0


def supports(answer: Answer, reasoning: str) -> bool:
    """Whether the words of `reasoning` support `answer`; see the module for the rule."""
    return degree_of_support(answer, compared_regions(reasoning)) > 0
