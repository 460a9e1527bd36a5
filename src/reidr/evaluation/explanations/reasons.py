"""Reasons that are tested: order flips, words against verdicts, erased cues, words alone, and claims against facts.

Every number comes with a 95 % percentile bootstrap over the queries' persons (all pairs of a person drawn together), so
that many candidates of one query, or many queries of one person, do not pass for many independent cases.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from reidr.core.progress import Advance
from reidr.errors import ReIDError
from reidr.evaluation.experiment.candidate_scoring import share_of_steps, steps_of
from reidr.evaluation.explanations.masking import Filling, MasksOf, control_region, erase, outside
from reidr.evaluation.explanations.reasons_tested import (
    CheckedClaims,
    ClaimsTested,
    CueMasking,
    Estimate,
    ReasonCase,
    ReasonsTested,
)
from reidr.evaluation.explanations.text_alone import read_from_text
from reidr.evaluation.metrics.statistics import bootstrap_interval
from reidr.reasoning.backends.backend import Backend
from reidr.reasoning.rationales.claim_check import CheckedClaim, CheckOutcome, check_claims
from reidr.reasoning.rationales.claims import (
    Claim,
    Mark,
    check_claim,
    parse_claims,
    self_contradictory,
    states_what_is_hidden,
)
from reidr.reasoning.rationales.support import supports
from reidr.reasoning.types import Answer, Pair, Verdict

Bools = NDArray[np.bool_]
Progress = Callable[[str, int], Any]
ANSWER_SIGN = {"same": 1.0, "different": -1.0}


def measure_reasons(
    reasoner: Backend,
    pairs: Sequence[Pair],
    masks_of: MasksOf,
    progress: Progress,
    *,
    per_crop: bool,
    filling: Filling = "mean",
    seed: int = 0,
) -> ReasonsTested:
    """Put `pairs` before `reasoner` in both orders, with words and without, and with regions erased.

    Cost: `most_asked`. The query is person A.

    Args:
        pairs: with crops whose attributes are known, where claims shall be tested.
        masks_of: where the regions of a crop lie (`StreetMasks`, or `band_masks` for photos).
        per_crop: whether attributes say what each crop shows (the street) or are known per person (photos).

    Raises ReIDError where there are no pairs.
    """
    if not pairs:
        raise ReIDError("there are no pairs whose reasons could be tested")
    if not reasoner.capabilities.think:
        raise ReIDError(f"{reasoner.name} writes no reasons, so none can be tested; leave --reasons out")
    groups = np.unique([pair.query.person or pair.query.id for pair in pairs], return_inverse=True)[1]
    turned = [pair.swapped() for pair in pairs]
    orders = []
    for name, own in (("scoring", pairs), ("scoring, other order", turned)):
        with progress(name, len(own)) as advance:
            orders.append(reasoner.score(own, both_orders=False, progress=steps_of(advance)))
    with progress("thinking", len(pairs)) as advance:
        verdicts = reasoner.think(pairs, progress=steps_of(advance))
    with progress("thinking, other order", len(pairs)) as advance:
        others = reasoner.think(turned, progress=steps_of(advance))
    before = np.mean(orders, axis=0)
    scored = np.isfinite(before)  # a server may give no score: no evidence is no number
    with np.errstate(invalid="ignore"):
        crossed = np.sign(orders[0] - 0.5) * np.sign(orders[1] - 0.5) < 0
    with progress("erasing regions", 2 * len(pairs)) as advance:
        erased = score_erased(reasoner, pairs, verdicts, masks_of, filling, advance)

    claims = [
        tuple((claim, check_claim(claim, *attributes_of(pair), per_crop=per_crop)) for claim in parse_claims(reasoning))
        for pair, reasoning in zip(pairs, (verdict.reasoning for verdict in verdicts), strict=True)
    ]
    looks: list[tuple[CheckedClaim, ...]] | None = None
    if reasoner.capabilities.ask_about_crops:
        with progress("asking about single crops", len(pairs)) as advance:
            looks = check_claims(reasoner, pairs, verdicts, share_of_steps(advance, len(pairs)))
    parsable = np.array([verdict.parsable for verdict in verdicts])
    speaking = np.array([bool(verdict.cues) for verdict in verdicts]) & parsable
    supported = np.array([supports(verdict.answer, verdict.reasoning) for verdict in verdicts])
    flips = order_flips(verdicts, others)
    return ReasonsTested(
        pairs=len(pairs),
        parsable=estimate(parsable, groups, seed),
        score_flips=estimate(crossed[scored], groups[scored], seed) if scored.any() else None,
        score_gap=estimate(np.abs(orders[0] - orders[1])[scored], groups[scored], seed) if scored.any() else None,
        verdict_flips=estimate(flips[0], groups, seed),
        hard_flips=estimate(flips[1], groups, seed),
        agreement=estimate(supported[speaking], groups[speaking], seed) if speaking.any() else None,
        agreement_by_chance=by_chance([v for v, own in zip(verdicts, speaking, strict=True) if own]),
        silent=estimate(~speaking[parsable], groups[parsable], seed) if parsable.any() else None,
        masking=masking_of(verdicts, before, erased, groups, seed),
        text_alone=read_from_text(verdicts, groups, seed=seed),
        claims=claims_tested(pairs, claims, groups, seed, per_crop),
        checked_claims=None if looks is None else looks_summed_up(looks, claims, groups, seed),
        cases=tuple(
            ReasonCase(
                pair,
                verdict,
                other,
                own,
                float(at) if np.isfinite(at) else None,
                look,
                *((e[0], e[1], e[4], e[5]) if e else ()),
            )
            for pair, verdict, other, own, at, e, look in zip(
                pairs, verdicts, others, claims, before, erased, looks or [()] * len(pairs), strict=True
            )
        ),
    )


def most_asked(pairs: int) -> tuple[int, int]:
    """(thoughts, forward passes of direct scores) that `measure_reasons` asks of a reasoner at most.

    Each pair in both orders with words and without, and twice more without, in both orders, with a region erased.
    """
    return 2 * pairs, 6 * pairs


def estimate(values: Any, groups: NDArray[np.int64], seed: int = 0, draws: int = 1000) -> Estimate:
    """Mean of `values` (N,) with the interval of a bootstrap over whole `groups` (N,) (Field and Welsh 2007)."""
    values = np.asarray(values, dtype=np.float64)
    return Estimate(
        float(values.mean()), *bootstrap_interval(values, groups=groups, seed=seed, draws=draws), len(values)
    )


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


Erased = tuple[str, str, float, float, float, float]
"""Cited and uncited region, their areas, and the direct score without each."""


def score_erased(
    reasoner: Backend,
    pairs: Sequence[Pair],
    verdicts: Sequence[Verdict],
    masks_of: MasksOf,
    filling: Filling,
    advance: Advance,
) -> list[Erased | None]:
    """Per pair the direct scores without a cited and without an uncited region; None where there is no such pair.

    Of the cited regions that support the verdict and show in a crop (agreeing ones for "same", differing ones for
    "different") the one is erased to which an uncited one is most alike in size.
    """
    tried: list[tuple[int, str, str, float, float]] = []
    changed: list[Pair] = []
    for place, (pair, verdict) in enumerate(zip(pairs, verdicts, strict=True)):
        advance(1)
        wanted = {"same": "agree", "different": "differ"}.get(verdict.answer)
        named: set[str] = {cue.region for cue in verdict.cues}
        if wanted is None or not named:
            continue
        first, second = masks_of(pair.query), masks_of(pair.candidate)
        shown: list[str] = [
            c.region for c in verdict.cues if c.agreement == wanted and (c.region in first or c.region in second)
        ]
        choices = [(*found, region) for region in shown if (found := control_region(region, named, first, second))]
        if not choices:
            continue
        _, uncited, cited = min(choices)
        areas = []
        for region, kept in ((cited, set[str]()), (uncited, named)):
            without, area = pair_without(pair, region, kept, masks_of, filling)
            areas.append(area)
            changed.append(without)
        tried.append((place, cited, uncited, areas[0], areas[1]))
    steps = steps_of(lambda done: advance(done * len(pairs) / len(changed)))
    scores = reasoner.score(changed, both_orders=True, progress=steps) if changed else np.empty(0)
    erased: list[Erased | None] = [None] * len(pairs)
    for row, (place, cited, uncited, area, other_area) in enumerate(tried):
        if not np.isfinite(scores[2 * row : 2 * row + 2]).all():
            continue
        erased[place] = (cited, uncited, area, other_area, float(scores[2 * row]), float(scores[2 * row + 1]))
    return erased


def pair_without(
    pair: Pair, region: str, kept: Collection[str], masks_of: MasksOf, filling: Filling = "mean"
) -> tuple[Pair, float]:
    """The pair with `region` erased in both crops, but for what belongs to the `kept` regions; and the mean share of
    the crops that this took."""
    parts = [outside(region, kept, masks_of(crop)) for crop in (pair.query, pair.candidate)]
    area = float(np.mean([0.0 if part is None else part.mean() for part in parts]))
    query, candidate = erase(pair.query, parts[0], filling), erase(pair.candidate, parts[1], filling)
    return Pair(query, candidate, pair.distance, pair.label), area


def masking_of(
    verdicts: Sequence[Verdict],
    before: NDArray[np.float64],
    erased: Sequence[Erased | None],
    groups: NDArray[np.int64],
    seed: int,
) -> CueMasking | None:
    """The movements that erasing made; None where no pair could be tried."""
    rows = [row for row, each in enumerate(erased) if each is not None and np.isfinite(before[row])]
    if not rows:
        return None
    known = [each for row in rows if (each := erased[row]) is not None]
    areas = np.array([each[2:4] for each in known])
    moved = np.array([each[4:6] for each in known]) - before[rows][:, None]
    against = -np.array([ANSWER_SIGN[verdicts[row].answer] for row in rows])[:, None] * moved
    parts = [
        estimate(values, groups[rows], seed)
        for each in (np.abs(moved), against)
        for values in (each[:, 0], each[:, 1], each[:, 0] - each[:, 1])
    ]
    return CueMasking(
        parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], float(areas[:, 0].mean()), float(areas[:, 1].mean())
    )


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


def looks_summed_up(
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
