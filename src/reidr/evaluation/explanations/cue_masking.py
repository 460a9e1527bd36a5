"""Cue masking: does the direct score move when a region that the reason names is erased?"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from reidr.core.progress import Advance
from reidr.evaluation.experiment.candidate_scoring import steps_of
from reidr.evaluation.explanations.masking import MasksOf, control_region, erase, outside
from reidr.evaluation.explanations.reasons_tested import CueMasking, estimate
from reidr.reasoning.backends.backend import Backend
from reidr.reasoning.types import Pair, Verdict

ANSWER_SIGN = {"same": 1.0, "different": -1.0}
Erased = tuple[str, str, float, float, float, float]
"""Cited and uncited region, their areas, and the direct score without each."""


def score_erased(
    reasoner: Backend,
    pairs: Sequence[Pair],
    verdicts: Sequence[Verdict],
    masks_of: MasksOf,
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
            without, area = pair_without(pair, region, kept, masks_of)
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


def pair_without(pair: Pair, region: str, kept: Collection[str], masks_of: MasksOf) -> tuple[Pair, float]:
    """The pair with `region` erased in both crops, but for what belongs to the `kept` regions; and the mean share of
    the crops that this took."""
    parts = [outside(region, kept, masks_of(crop)) for crop in (pair.query, pair.candidate)]
    area = float(np.mean([0.0 if part is None else part.mean() for part in parts]))
    query, candidate = erase(pair.query, parts[0]), erase(pair.candidate, parts[1])
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
