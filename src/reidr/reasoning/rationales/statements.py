"""A reasoning sentence by sentence, each claim held against known attributes, or against a claim check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from reidr.data.attributes import common_attributes
from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.reasoning.rationales.claim_check import CheckedClaim
from reidr.reasoning.rationales.claims import check_claim, claims_by_sentence
from reidr.reasoning.rationales.regions import REGIONS, UNSEEN

ClaimMark = Literal[
    "confirmed", "contradicted", "untestable", "consistent", "not visible", "inconsistent", "self-contradictory"
]
"""How a claim stands against known attributes, or, where nothing is known, how a claim check at its crops ended."""
Known = Literal["per crop", "per person", "nothing"]

COMPARED = frozenset(name for region in REGIONS for name in region.attributes)
CHECKED: Mapping[Known, str] = {
    "per crop": "Each claim of a reason is held against what its two crops are known to show.",
    "per person": "Each claim of a reason is held against what is known of the two persons. What a single crop shows "
    "is not known, so that something is hidden cannot be tested.",
    "nothing": "This data set has no attributes to check reasons against, so no claim is marked.",
}


@dataclass(frozen=True)
class Statement:
    """One sentence of a reasoning, and the (region, mark) of each claim in it.

    `claims` is empty where the sentence says nothing of a body region, or where nothing is known to hold it against.
    `note` is what a claim check gave instead.
    """

    text: str
    claims: tuple[tuple[str, ClaimMark], ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        for region, mark in self.claims:
            if mark not in get_args(ClaimMark):
                raise ReIDError(
                    f"report statement {self.text!r}: mark {mark!r} of {region} is not one of {get_args(ClaimMark)}"
                )


def what_is_known(crops: Iterable[Crop]) -> Known:
    """Whether attributes of body regions are known, and of each crop or of persons.

    They are known per crop where some crop says of an attribute that it is not visible, as those of a rendered street
    do; a table of persons never says that.
    """
    known: Known = "nothing"
    for crop in crops:
        values = [value for name, value in common_attributes(crop.attributes).items() if name in COMPARED]
        if UNSEEN in values:
            return "per crop"
        if values:
            known = "per person"
    return known


def mark_checked_statements(reasoning: str, looks: Sequence[CheckedClaim]) -> tuple[Statement, ...]:
    """The sentences of `reasoning` in order, each claim with how a claim check at its crops ended.

    Args:
        looks: of all claims of `reasoning`, in its order, as `claim_check.check_claims` gives them; none at all where
            there was no claim check.
    """
    left = iter(looks)
    found = []
    for sentence, made in claims_by_sentence(reasoning):
        own = [next(left) for _ in made] if looks else []
        claims = tuple((each.claim.region, each.ended) for each in own if each.ended is not None)
        found.append(Statement(sentence, claims, "; ".join(each.note for each in own if each.note)))
    return tuple(found)


def with_notes(statements: Sequence[Statement], looks: Sequence[CheckedClaim]) -> tuple[Statement, ...]:
    """`statements` with what a claim check gave instead; `looks` as in `mark_checked_statements`."""
    again = mark_checked_statements("\n".join(statement.text for statement in statements), looks)
    return tuple(replace(one, note=other.note) for one, other in zip(statements, again, strict=True))


def statements_of(
    reasoning: str, a: Mapping[str, str], b: Mapping[str, str], known: Known = "nothing"
) -> tuple[Statement, ...]:
    """The sentences of `reasoning` in order, with the mark of each claim that they make.

    Args:
        a, b: attributes of person A (the query) and of person B.
        known: as `what_is_known` says of the data set; with "nothing" no sentence is marked.
    """
    if known == "nothing":
        return tuple(Statement(sentence) for sentence, _ in claims_by_sentence(reasoning))
    return tuple(
        Statement(
            sentence,
            tuple((claim.region, check_claim(claim, a, b, per_crop=known == "per crop")) for claim in claims),
        )
        for sentence, claims in claims_by_sentence(reasoning)
    )
