"""A claim check: what a reason states of a crop is asked again, of that crop alone. No truth is needed for it.

A reason is written with both crops in view and with a verdict to come; asked about one crop alone, nothing is at stake.
How much more often what is consistent is true, docs/results.md has beside the other tests of reasons. The idea of
asking a model for what it has claimed, away from the claim, is Chain-of-Verification's (Dhuliawala et al. 2023, arXiv
2309.11495).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from reidr.data.attributes import AND
from reidr.data.types import Crop
from reidr.data.vocabulary import FAMILIES
from reidr.reasoning.prompting.questions import QUESTIONS, value_of
from reidr.reasoning.rationales import cues
from reidr.reasoning.rationales.claims import BY_NAME, SYNONYMS, Claim, parse_claims, plain, self_contradictory
from reidr.reasoning.rationales.regions import ADJECTIVES, UNSEEN
from reidr.reasoning.types import Pair, Progress, Verdict

CheckOutcome = Literal["consistent", "not visible", "inconsistent", "self-contradictory"]
Side = Literal["A", "B"]
ANSWER_TOKENS = 12
BATCH = 32  # questions at a time
BARELY = re.compile(r"\bnot \w+ly (?:seen|visible)\b", re.I)
ABSENT = ("none", "nothing", "no")
NONE = re.compile(r"\b(?:no|none|not|nothing|without)\b", re.I)


@runtime_checkable
class CropQuestions(Protocol):
    """A back end that can be asked about one crop alone, as `reasoning.reasoner.Reasoner.ask_about_crops`; known by
    that name.
    """

    def ask_about_crops(
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
class Stated:
    """One thing to ask again: the crop (A is the query), the attribute, and the value that a reason states of it."""

    side: Side
    attribute: str
    value: str


@dataclass(frozen=True)
class CheckedClaim:
    """A claim, and how a claim check at its crops ended.

    Attributes:
        ended: "contradicts itself": it claims a difference and states the same of both crops; nothing was asked.
            "consistent": every value that it states is given again (of something that "cannot be seen", not said in
            which crop: for either). "not visible": some of it "cannot be seen", the rest is given again. "said
            otherwise": some other value is given. None: it states nothing that could be asked.
        answers: (what was asked, what was answered) where the answer does not give what is stated.
    """

    claim: Claim
    ended: CheckOutcome | None
    answers: tuple[tuple[Stated, str], ...] = ()

    @property
    def note(self) -> str:
        """What was answered instead: 'A: Cap; B: It cannot be seen'; empty where nothing else was."""
        return "; ".join(
            dict.fromkeys(
                f"{stated.side}: {answer.strip().removesuffix('.') or '–'}" for stated, answer in self.answers
            )
        )


def stated_by(claim: Claim) -> tuple[Stated, ...]:
    """What a claim states of each crop, as far as there is a question for it; empty where it states no value.

    That a region cannot be seen is asked by its leading attribute.
    """
    if claim.agreement == "unseen":
        region = BY_NAME.get(claim.region)
        sides: tuple[Side, ...] = {"A": ("A",), "B": ("B",)}.get(claim.where, ("A", "B"))  # type: ignore[assignment]
        return () if region is None else tuple(Stated(side, region.attributes[0], UNSEEN) for side in sides)
    both: tuple[tuple[Side, Mapping[str, str]], ...] = (("A", claim.a), ("B", claim.b))
    return tuple(Stated(side, name, value) for side, said in both for name, value in said.items() if name in QUESTIONS)


def check_claims(
    reasoner: CropQuestions, pairs: Sequence[Pair], verdicts: Sequence[Verdict], progress: Progress | None = None
) -> list[tuple[CheckedClaim, ...]]:
    """For each verdict its claims in order, each with how the claim check ended; an unparsable verdict has none.

    Raises:
        ImageError: a picture that cannot be used.
    """
    reasonings = [verdict.reasoning if verdict.parsable else None for verdict in verdicts]
    return check_claims_of(reasoner, pairs, reasonings, progress)


def check_claims_of(
    reasoner: CropQuestions, pairs: Sequence[Pair], reasonings: Sequence[str | None], progress: Progress | None = None
) -> list[tuple[CheckedClaim, ...]]:
    """`check_claims` for reasonings by themselves; None has no claims.

    Every distinct question is asked once, greedily; those about one crop together.
    """
    claims = [() if reasoning is None else parse_claims(reasoning) for reasoning in reasonings]
    # By the crop itself and not by its id: a query may have the name of a gallery file.
    places: dict[int, int] = {}
    wanted: dict[tuple[int, str], Crop] = {}
    for pair, own in zip(pairs, claims, strict=True):
        for claim in own:
            for stated in () if self_contradictory(claim) else stated_by(claim):
                crop = shown(pair, stated.side)
                wanted[places.setdefault(id(crop), len(places)), stated.attribute] = crop
    order = sorted(wanted)
    answers: dict[tuple[int, str], str] = {}
    if order:
        told = reasoner.ask_about_crops(
            [wanted[key] for key in order],
            [QUESTIONS[attribute][0] for _, attribute in order],
            max_new_tokens=ANSWER_TOKENS,
            batch_size=BATCH,
            progress=progress,
        )
        answers = dict(zip(order, told, strict=True))
    elif progress is not None:
        progress(1, 1)

    def looked(pair: Pair, claim: Claim) -> CheckedClaim:
        if self_contradictory(claim):
            return CheckedClaim(claim, "self-contradictory")
        points = stated_by(claim)
        replies = [(point, answers[places[id(shown(pair, point.side))], point.attribute]) for point in points]
        others = tuple((point, answer) for point, answer in replies if not gives(answer, point))
        if not points:
            return CheckedClaim(claim, None)
        if not others or (claim.agreement == "unseen" and claim.where == "either" and len(others) < len(points)):
            return CheckedClaim(claim, "consistent")
        unseen = all(says_unseen(answer) for _, answer in others)
        return CheckedClaim(claim, "not visible" if unseen else "inconsistent", others)

    return [tuple(looked(pair, claim) for claim in own) for pair, own in zip(pairs, claims, strict=True)]


def shown(pair: Pair, side: Side) -> Crop:
    """Person A's crop, the query, or person B's."""
    return pair.query if side == "A" else pair.candidate


def gives(answer: str, stated: Stated) -> bool:
    """Whether an answer gives the value: in the words of our grammar, or as the only value named in a free sentence."""
    if stated.value == UNSEEN or says_unseen(answer):
        return stated.value == UNSEEN and says_unseen(answer)
    said = plain(value_of(answer.strip()))
    if set(said.split(AND)) == set(stated.value.split(AND)):
        return True
    possible = (*FAMILIES[stated.attribute].values, *stated.value.split(AND))
    named = {value for value in possible if value not in ABSENT and names(answer, value)}
    if stated.value in ABSENT:
        return not named and NONE.search(answer) is not None
    return named == set(stated.value.split(AND))


def says_unseen(answer: str) -> bool:
    """Whether an answer says that it cannot be seen."""
    return value_of(answer) == UNSEEN or any(words.search(answer) for words in (cues.UNSEEN, BARELY))


def names(answer: str, value: str) -> bool:
    """Whether a value stands in an answer, and not behind a "not" or a "no"."""
    spelt = {value, ADJECTIVES.get(value, value), *(word for word, meant in SYNONYMS.items() if meant == value)}
    words = "|".join(re.escape(each) for each in sorted(spelt))
    found = re.search(rf"(?P<no>\b(?:not|no|n't|without)\s+(?:\w+\s+)?)?\b(?:{words})\b", answer, re.I)
    return found is not None and found["no"] is None
