"""Claims held against the known attributes, and against what the reasoner says of one crop alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from reidr.evaluation.explanations.reasons_tested import CheckedClaims, ClaimsTested, Estimate, estimate
from reidr.reasoning.rationales.claim_check import CheckedClaim, CheckOutcome
from reidr.reasoning.rationales.claims import (
    Claim,
    Mark,
    check_claim,
    parse_claims,
    self_contradictory,
    states_what_is_hidden,
)
from reidr.reasoning.types import Pair, Verdict

MarkedClaims = tuple[tuple[Claim, Mark], ...]


def marked_claims(pairs: Sequence[Pair], verdicts: Sequence[Verdict], *, per_crop: bool) -> list[MarkedClaims]:
    """The claims of each reason, each with its mark against the attributes of the two crops."""
    return [
        tuple(
            (claim, check_claim(claim, *attributes_of(pair), per_crop=per_crop))
            for claim in parse_claims(verdict.reasoning)
        )
        for pair, verdict in zip(pairs, verdicts, strict=True)
    ]


def claims_tested(
    pairs: Sequence[Pair],
    claims: Sequence[Sequence[tuple[Claim, Mark]]],
    groups: NDArray[np.int64],
    seed: int,
    per_crop: bool,
) -> ClaimsTested:
    """Marks of all claims summed up."""
    flat = [(row, claim, mark) for row, own in enumerate(claims) for claim, mark in own]
    marks = {name: sum(mark == name for *_, mark in flat) for name in ("confirmed", "contradicted", "untestable")}
    testable = [(row, claim.region, mark == "confirmed") for row, claim, mark in flat if mark != "untestable"]

    def share(rows: Sequence[tuple[int, str, bool]]) -> Estimate:
        return estimate([true for *_, true in rows], groups[[row for row, *_ in rows]], seed)

    hidden = [states_what_is_hidden(claim, *attributes_of(pairs[row])) for row, claim, _ in flat]
    told = [(row, self_contradictory(claim)) for row, claim, _ in flat if claim.agreement == "differ" and claim.a]
    regions = sorted({region for _, region, _ in testable})
    return ClaimsTested(
        share(testable) if testable else None,
        estimate(hidden, groups[[row for row, *_ in flat]], seed) if flat and per_crop else None,
        estimate([self_contradictory for _, self_contradictory in told], groups[[row for row, _ in told]], seed)
        if told
        else None,
        marks,
        {region: share([each for each in testable if each[1] == region]) for region in regions},
    )


def claim_checks_tested(
    looks: Sequence[Sequence[CheckedClaim]],
    claims: Sequence[Sequence[tuple[Claim, Mark]]],
    groups: NDArray[np.int64],
    seed: int,
) -> CheckedClaims | None:
    """The claim check beside what is known; None where nothing was asked."""
    flat = [
        (row, look.ended, mark)
        for row, (own, marks) in enumerate(zip(looks, claims, strict=True))
        if own  # an unreadable answer is not looked at
        for look, (_, mark) in zip(own, marks, strict=True)
        if look.ended is not None
    ]
    asked = [(row, ended == "consistent", mark) for row, ended, mark in flat if ended != "self-contradictory"]

    def share(rows: Sequence[tuple[int, bool]]) -> Estimate | None:
        return estimate([true for _, true in rows], groups[[row for row, _ in rows]], seed) if rows else None

    again = share([(row, said) for row, said, _ in asked])
    if again is None:
        return None
    tested = [(row, said, mark == "confirmed") for row, said, mark in asked if mark != "untestable"]
    return CheckedClaims(
        again,
        share([(row, true) for row, said, true in tested if said]),
        share([(row, true) for row, said, true in tested if not said]),
        {name: sum(ended == name for _, ended, _ in flat) for name in get_args(CheckOutcome)},
    )


def attributes_of(pair: Pair) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What is known of the query and of the candidate."""
    return pair.query.attributes, pair.candidate.attributes
