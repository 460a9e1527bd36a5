"""Thresholds of "not in the gallery" for a gallery that is larger than the one they were chosen in.

The more strangers a search is compared with, the nearer the nearest of them comes by chance. Where a share a of the
searches for absent people comes as near as t among N crops, and strangers' crops are independent, it is
1 - (1 - a)^(M/N) among M crops. So the threshold for a rate a among M crops is the one for the rate
1 - (1 - a)^(N/M) among N (the distribution of the least of independent numbers: David and Nagaraja, Order
Statistics, 2003, section 2.1).

Crops of one person are alike, so they are not independent, and a gallery of M crops counts for fewer strangers. In a
larger gallery counting crops is therefore strict, as far as strangers there are like those at hand. Thresholds chosen
for FPIR 1, 5 and 10 % on held-out training people gave 21.6, 43.4 and 68.9 % on the official test of Market-1501. By
crops it is about 33 times as large, which predicts 28, 81 and 97 %; by people about 10 times, which predicts 9.6, 40
and 65 %. Fitted by crops they gave 6.6, 12.7 and 17.6 %: most of the way, since beyond the strictest threshold the
curve is a guess.

In a smaller gallery it would be lenient: with one crop of each of those held-out people, eleven times fewer crops but
as many strangers, the threshold so computed for 1 % let 2.7 % through. So there the thresholds stay as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from math import expm1, isfinite, log1p

from reidr.fusion.profile import OpenSetRule
from reidr.fusion.shipped_curve import curve_through
from reidr.retrieval.embedders.embedder import Embedder, facts_of

DISTANCES_TO_SINGLE_CROPS = ("distance", "fused distance")
"""The scores whose smallest value falls as the gallery grows. A distance in units of the query's own list (z-norm) is
measured against how near strangers come in this very gallery, so it has taken its size into account already. Of
1 - P(same) only the first k candidates have one, however large the gallery is, and it does not say how near they are. A
fused distance made of CSLS distances is partly relative to the list too: for that one the correction is stricter still.
"""
LEAST_SHARE = 1e-300


def for_gallery(thresholds: Mapping[str, float], chosen_in: float | None, crops: float | None) -> dict[str, float]:
    """Thresholds for a search among `crops` crops, from those chosen where a search was compared with `chosen_in`.

    Args:
        thresholds: by wanted false-positive identification rate as text (`"0.01"`), of a distance to single crops.
        chosen_in, crops: how many crops a search is compared with, on average; None: unknown.

    None is looser than it was, all are finite where the given ones are, and they rise with the rate as these do. As
    given where a number is unknown, the gallery is no larger, or fewer than two distinct thresholds are given (the
    curve between and beyond them, `ShippedCurve`, is then unknown). Raises ReIDError for a rate outside (0, 1).
    """
    curve = curve_through(thresholds) if larger(chosen_in, crops) else None
    if curve is None:
        return dict(thresholds)
    assert chosen_in is not None
    assert crops is not None
    found: dict[str, float] = {}
    for rate, shipped in thresholds.items():
        share = -expm1(chosen_in / crops * log1p(-float(rate)))
        value = curve.value(max(share, LEAST_SHARE))
        # Of equal thresholds the curve keeps one; the others must not rise between it and the next.
        found[rate] = max(min(value, shipped), -sys.float_info.max)
    return found


def larger(chosen_in: float | None, crops: float | None) -> bool:
    """Whether both numbers of crops are known, and `crops` is the greater one."""
    known = chosen_in is not None and crops is not None and isfinite(crops) and isfinite(chosen_in)
    return known and 0.0 < chosen_in < crops  # type: ignore[operator]


def rule_for_gallery(rule: OpenSetRule, crops: float | None) -> OpenSetRule:
    """The rule for a search among `crops` crops; its `crops` say for how many, None where that is not reckoned.

    A rule that is for `crops` already, or of another score than a distance to single crops, stays as it is. Raises as
    `for_gallery`.
    """
    if rule.score in DISTANCES_TO_SINGLE_CROPS and crops is not None:
        if rule.crops == crops:
            return rule
        if larger(rule.crops, crops) and curve_through(rule.thresholds) is not None:
            return OpenSetRule(rule.score, for_gallery(rule.thresholds, rule.crops, crops), crops)
    return replace(rule, crops=None)


def stored_rule(retriever: Embedder) -> OpenSetRule:
    """What is stored with a retriever: thresholds of its distance, none where it has none."""
    facts = facts_of(retriever)
    return OpenSetRule("distance", facts.thresholds, facts.threshold_crops)
