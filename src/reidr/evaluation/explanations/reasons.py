"""Reasons that are tested: order flips, words against verdicts, erased cues, words alone, claims turned round, and
claims against facts.

Every number comes with a 95 % percentile bootstrap over the queries' persons (all pairs of a person drawn together), so
that many candidates of one query, or many queries of one person, do not pass for many independent cases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.errors import ReIDError
from reidr.evaluation.experiment.candidate_scoring import share_of_steps, steps_of
from reidr.evaluation.explanations.claims_tested import (
    MarkedClaims,
    claim_checks_tested,
    claims_tested,
    marked_claims,
)
from reidr.evaluation.explanations.cue_masking import Erased, masking_of, score_erased
from reidr.evaluation.explanations.edited_claims import Scores, edited_claims, edited_scores
from reidr.evaluation.explanations.masking import MasksOf
from reidr.evaluation.explanations.reasons_tested import Estimate, ReasonCase, ReasonsTested, estimate
from reidr.evaluation.explanations.text_alone import read_from_text
from reidr.reasoning.backends.backend import Backend
from reidr.reasoning.rationales.claim_check import CheckedClaim, check_claims
from reidr.reasoning.rationales.support import supports
from reidr.reasoning.types import Answer, Pair, Verdict

Bools = NDArray[np.bool_]
Progress = Callable[[str, int], Any]


def measure_reasons(
    reasoner: Backend, pairs: Sequence[Pair], masks_of: MasksOf, progress: Progress, *, per_crop: bool, seed: int = 0
) -> ReasonsTested:
    """Put `pairs` before `reasoner` in both orders, with words and without, and with regions erased.

    Cost: `most_asked`. The query is person A.

    Args:
        pairs: with crops whose attributes are known, where claims shall be tested.
        masks_of: where the regions of a crop lie (`StreetMasks`, or `band_masks` for photos).
        per_crop: whether attributes say what each crop shows (the street) or are known per person (photos).

    Raises ReIDError where there are no pairs, or the reasoner writes no reasons.
    """
    if not pairs:
        raise ReIDError("there are no pairs whose reasons could be tested")
    if not reasoner.capabilities.think:
        raise ReIDError(f"{reasoner.name} writes no reasons, so none can be tested; leave --reasons out")
    given = answers_of(reasoner, pairs, masks_of, progress)
    claims = marked_claims(pairs, given.verdicts, per_crop=per_crop)
    groups = np.unique([pair.query.person or pair.query.id for pair in pairs], return_inverse=True)[1]
    parsable = np.array([verdict.parsable for verdict in given.verdicts])
    crossed, gap = score_flips(given.scores, given.scores_swapped, groups, seed)
    flips = order_flips(given.verdicts, given.verdicts_swapped)
    return ReasonsTested(
        pairs=len(pairs),
        parsable=estimate(parsable, groups, seed),
        score_flips=crossed,
        score_gap=gap,
        verdict_flips=estimate(flips[0], groups, seed),
        hard_flips=estimate(flips[1], groups, seed),
        **agreement_of(given.verdicts, groups, seed),
        masking=masking_of(given.verdicts, given.direct, given.erased, groups, seed),
        text_alone=read_from_text(given.verdicts, groups, seed=seed),
        claims=claims_tested(pairs, claims, groups, seed, per_crop),
        checked_claims=None if given.checks is None else claim_checks_tested(given.checks, claims, groups, seed),
        cases=cases_of(pairs, given, claims),
        edited=None if given.edited is None else edited_claims(given.edited, groups, seed),
    )


@dataclass(frozen=True)
class Given:
    """What the reasoner gave for N pairs.

    Attributes:
        scores, scores_swapped: (N,) direct scores in each order of the crops; NaN where a server gave none.
        verdicts, verdicts_swapped: with words, in each order. erased: direct scores without regions.
        checks: what it says of single crops, claim by claim; None where it cannot be asked about one.
        edited: the reasoned score after each edit of its words; None where it reads no words alone.
    """

    scores: NDArray[np.float64]
    scores_swapped: NDArray[np.float64]
    verdicts: Sequence[Verdict]
    verdicts_swapped: Sequence[Verdict]
    erased: Sequence[Erased | None]
    checks: Sequence[tuple[CheckedClaim, ...]] | None
    edited: Sequence[Scores] | None = None

    @property
    def direct(self) -> NDArray[np.float64]:
        """(N,) the mean direct score over both orders."""
        mean: NDArray[np.float64] = np.mean([self.scores, self.scores_swapped], axis=0)
        return mean


def answers_of(reasoner: Backend, pairs: Sequence[Pair], masks_of: MasksOf, progress: Progress) -> Given:
    """Ask the reasoner everything that the tests need."""
    swapped = [pair.swapped() for pair in pairs]
    scores = []
    for name, own in (("scoring", pairs), ("scoring, other order", swapped)):
        with progress(name, len(own)) as advance:
            scores.append(reasoner.score(own, both_orders=False, progress=steps_of(advance)))
    with progress("thinking", len(pairs)) as advance:
        verdicts = reasoner.think(pairs, progress=steps_of(advance))
    with progress("thinking, other order", len(pairs)) as advance:
        others = reasoner.think(swapped, progress=steps_of(advance))
    with progress("erasing regions", 2 * len(pairs)) as advance:
        erased = score_erased(reasoner, pairs, verdicts, masks_of, advance)
    checks: list[tuple[CheckedClaim, ...]] | None = None
    if reasoner.capabilities.ask_about_crops:
        with progress("asking about single crops", len(pairs)) as advance:
            checks = check_claims(reasoner, pairs, verdicts, share_of_steps(advance, len(pairs)))
    edited: list[Scores] | None = None
    if reasoner.capabilities.score_words:
        with progress("turning claims round", len(pairs)) as advance:
            edited = edited_scores(reasoner, verdicts, advance)
    return Given(scores[0], scores[1], verdicts, others, erased, checks, edited)


def cases_of(pairs: Sequence[Pair], given: Given, claims: Sequence[MarkedClaims]) -> tuple[ReasonCase, ...]:
    """Every pair with all that was given for it, for a page."""
    direct, checks = given.direct, given.checks or [()] * len(pairs)
    return tuple(
        ReasonCase(
            pair,
            verdict,
            other,
            own,
            float(score) if np.isfinite(score) else None,
            check,
            *((erased[0], erased[1], erased[4], erased[5]) if erased else ()),
        )
        for pair, verdict, other, own, score, erased, check in zip(
            pairs, given.verdicts, given.verdicts_swapped, claims, direct, given.erased, checks, strict=True
        )
    )


def score_flips(
    first: NDArray[np.float64], second: NDArray[np.float64], groups: NDArray[np.int64], seed: int
) -> tuple[Estimate | None, Estimate | None]:
    """How often the direct score crosses one half with the order of the crops, and how far it moves."""
    scored = np.isfinite(first) & np.isfinite(second)  # a server may give no score: no evidence is no number
    if not scored.any():
        return None, None
    first, second, groups = first[scored], second[scored], groups[scored]
    crossed = np.sign(first - 0.5) * np.sign(second - 0.5) < 0
    return estimate(crossed, groups, seed), estimate(np.abs(first - second), groups, seed)


def agreement_of(verdicts: Sequence[Verdict], groups: NDArray[np.int64], seed: int) -> dict[str, Any]:
    """Whether the words support the verdict, how often they would by chance, and how many reasons compare nothing."""
    parsable = np.array([verdict.parsable for verdict in verdicts])
    speaking = np.array([bool(verdict.cues) for verdict in verdicts]) & parsable
    supported = np.array([supports(verdict.answer, verdict.reasoning) for verdict in verdicts])
    return {
        "agreement": estimate(supported[speaking], groups[speaking], seed) if speaking.any() else None,
        "agreement_by_chance": by_chance([v for v, own in zip(verdicts, speaking, strict=True) if own]),
        "silent": estimate(~speaking[parsable], groups[parsable], seed) if parsable.any() else None,
    }


def most_asked(pairs: int) -> tuple[int, int]:
    """(thoughts, forward passes of direct scores) that `measure_reasons` asks of a reasoner at most.

    Each pair in both orders with words and without, and twice more without, in both orders, with a region erased.
    """
    return 2 * pairs, 6 * pairs


def order_flips(verdicts: Sequence[Verdict], turned: Sequence[Verdict]) -> tuple[Bools, Bools]:
    """(N,) whether the answer changes with the order of the crops, and (N,) whether from "same" to "different"."""
    first = np.array([verdict.answer for verdict in verdicts])
    second = np.array([verdict.answer for verdict in turned])
    return first != second, (first != second) & (first != "insufficient") & (second != "insufficient")


def by_chance(verdicts: Sequence[Verdict]) -> float | None:
    """Expected agreement were every text equally likely to stand under every verdict; None for no verdicts."""
    if not verdicts:
        return None
    answers: list[Answer] = [verdict.answer for verdict in verdicts]
    shares = {answer: answers.count(answer) / len(answers) for answer in set(answers)}
    return float(np.mean([sum(w * supports(a, v.reasoning) for a, w in shares.items()) for v in verdicts]))
