"""A second look: what a reason states of a crop is asked again, of that crop alone. No truth is needed for it.

A reason is written with both crops in view and with a verdict to come; asked about one crop alone, with nothing at
stake, a reasoner that has seen a thing says it again, and one that has made it up mostly does not (docs/method.md has
how often). The idea of asking a model for what it has claimed, detached from the claim, is Chain-of-Verification's
(Dhuliawala et al., arXiv 2309.11495).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from reidr.data.attributes import common_attributes
from reidr.data.types import Crop
from reidr.evaluation.claims import BY_NAME, Claim, belies_itself, equal, parse_claims
from reidr.reasoning.questions import QUESTIONS, value_of
from reidr.reasoning.regions import ADJECTIVES, UNSEEN
from reidr.reasoning.types import Pair, Progress, Verdict

Look = Literal["said again", "said otherwise", "contradicts itself"]
Side = Literal["a", "b"]
ANSWER_TOKENS = 12
NEGATED = re.compile(r"\b(?:no|none|not|nothing|without)\b", re.I)


@runtime_checkable
class Telling(Protocol):
    """A back end that can be asked about one crop alone, as `reasoning.reasoner.Reasoner.tell`."""

    def tell(
        self,
        crops: Sequence[Crop],
        texts: str | Sequence[str] = ...,
        *,
        max_new_tokens: int = ...,
        batch_size: int = ...,
        progress: Progress | None = None,
    ) -> list[str]:
        """What the model answers to each question about each crop."""
        ...


@dataclass(frozen=True)
class Point:
    """One thing to ask again: which crop of the pair, which attribute, and the value that the reason states."""

    side: Side
    attribute: str
    value: str


def points_of(claim: Claim) -> tuple[Point, ...]:
    """What a claim states of each crop, as far as there is a question for it; empty where it states no value."""
    if claim.agreement == "unseen":
        region = BY_NAME.get(claim.region)
        sides: tuple[Side, ...] = {"A": ("a",), "B": ("b",)}.get(claim.where, ("a", "b"))  # type: ignore[assignment]
        return () if region is None else tuple(Point(side, region.attributes[0], UNSEEN) for side in sides)
    stated: tuple[tuple[Side, Mapping[str, str]], ...] = (("a", claim.a), ("b", claim.b))
    return tuple(Point(side, name, value) for side, said in stated for name, value in said.items() if name in QUESTIONS)


def look_again(
    reasoner: Telling, pairs: Sequence[Pair], verdicts: Sequence[Verdict | None], progress: Progress | None = None
) -> list[tuple[tuple[Claim, Look | None], ...]]:
    """For each verdict its claims in order, each with how the second look ended.

    - "contradicts itself": it claims a difference and states the same of both crops; nothing is asked.
    - "said again": asked about each crop alone, the reasoner gives every value that the claim states (of one that says
      that something cannot be seen "in A or B": for either of them).
    - "said otherwise": it gives another answer to any of it.
    - None: the claim states nothing that could be asked. A None or unparsable verdict has no claims.

    Every distinct question is asked once, greedily; those about one crop together.

    Raises:
        ImageError: a picture that cannot be used.
    """
    claims = [
        parse_claims(verdict.reasoning) if verdict is not None and verdict.parsable else () for verdict in verdicts
    ]
    # By the crop itself and not by its id: a query may have the name of a gallery file.
    wanted: dict[tuple[int, str], Crop] = {}
    for pair, own in zip(pairs, claims, strict=True):
        for claim in own:
            for point in () if belies_itself(claim) else points_of(claim):
                crop = shown(pair, point)
                wanted[id(crop), point.attribute] = crop
    order = sorted(wanted)
    told = (
        reasoner.tell(
            [wanted[key] for key in order],
            [QUESTIONS[attribute][0] for _, attribute in order],
            max_new_tokens=ANSWER_TOKENS,
            progress=progress,
        )
        if order
        else []
    )
    answers = dict(zip(order, told, strict=True))

    def ended(pair: Pair, claim: Claim) -> Look | None:
        if belies_itself(claim):
            return "contradicts itself"
        points = points_of(claim)
        if not points:
            return None
        again = [says(answers[id(shown(pair, point)), point.attribute], point) for point in points]
        either = claim.agreement == "unseen" and claim.where == "either"
        return "said again" if (any(again) if either else all(again)) else "said otherwise"

    return [tuple((claim, ended(pair, claim)) for claim in own) for pair, own in zip(pairs, claims, strict=True)]


def shown(pair: Pair, point: Point) -> Crop:
    """The crop of which `point` speaks; the query is person A."""
    return pair.query if point.side == "a" else pair.candidate


def says(answer: str, point: Point) -> bool:
    """Whether an answer gives the value of `point`: in the words of our grammar, or as words in a free sentence.

    A hat of unknown kind is no other one than a cap.
    """
    said = common_attributes({point.attribute: value_of(answer)}).get(point.attribute, value_of(answer))
    if equal(said, point.value) is not False:
        return True
    if len(answer.split()) <= len(point.value.split()):
        return False
    if point.value == "none":
        return NEGATED.search(answer) is not None
    if point.value == UNSEEN:
        return re.search(r"\b(?:not|cannot|can't|un|in)\s?(?:be seen|visible)\b|\bhidden\b", answer, re.I) is not None
    words = {point.value, ADJECTIVES.get(point.value, point.value)}
    return NEGATED.search(answer) is None and any(re.search(rf"\b{re.escape(w)}\b", answer, re.I) for w in words)
