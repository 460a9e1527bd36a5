"""Choosing an ask policy on training identities: every candidate policy is measured, the best for a budget is kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reidr.core.checks import one_list, real_number
from reidr.evaluation.experiment.cost_curve import Point, Study, follow_scored
from reidr.fusion.ask_policy import NEVER, Policy, entropy, policy_name
from reidr.retrieval.score_normalisation import normalised_distances

SURE = (0.9, 0.99, NEVER)
BANDS, CLEAR = 16, 7  # values tried
UNSURE = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)


def candidate_policies(study: Study, first: int = 11, last: int = 50) -> list[Policy]:
    """The policies that are tried: bands and clearness at quantiles, lists of up to m, and every way of stopping."""
    m = study.scores.shape[1]
    normalised = normalised_distances(study.ranked, first, last)[:, :m]
    gaps = (normalised - normalised[:, :1])[:, 1:]
    if not np.isfinite(gaps).any():
        return []
    bands = np.unique(np.quantile(gaps[np.isfinite(gaps)], np.linspace(0, 1, BANDS)))
    known = normalised[np.isfinite(normalised)]
    clear = (None, *np.unique(np.quantile(known, np.linspace(0, 0.9, CLEAR))).tolist())
    lengths = sorted({3, 5, 10, m} & set(range(2, m + 1)))
    doubts = (NEVER,) if study.thoughts is None else (0.5, 0.9, NEVER)
    unsure = (0.0,) if study.guess is None else UNSURE
    return [
        Policy(float(band), most, sure, doubtful, near, first, last, least)
        for band in bands
        for near in clear
        for most in lengths
        for sure in SURE
        for doubtful in doubts
        for least in unsure
    ]


def _tried(study: Study, first: int, last: int) -> list[tuple[Policy, Point]]:
    """Every candidate policy that asks other pairs than those before it, and the one that asks nothing."""
    normalised, doubt = normalised_distances(study.ranked, first, last), entropy(study.scores)
    found: dict[bytes, tuple[Policy, Point]] = {}
    for policy in (Policy(0.0, 0, first=first, last=last), *candidate_policies(study, first, last)):
        asked, thought = follow_scored(study, policy, normalised, doubt)
        key = np.packbits(asked).tobytes() + np.packbits(thought).tobytes()
        if key not in found:
            found[key] = policy, study.measure(policy_name(policy), asked, thought)
    return list(found.values())


def choose_policies(
    study: Study, budgets: Sequence[float], *, first: int = 11, last: int = 50
) -> list[tuple[float, Policy]]:
    """For each budget of mean calls per query the policy with the greatest mAP + Rank-1, then the fewest calls.

    To be called on training identities; a budget in seconds is one in calls by the seconds of a call. A budget that no
    policy keeps, or where none brings anything, gets the one that asks nothing.
    """
    tried = _tried(study, first, last)
    chosen = []
    for budget in one_list(budgets, "adaptive: budgets"):
        budget = real_number(budget, "adaptive: a budget of calls per query", least=0.0, infinite=True)
        kept = [each for each in tried if each[1].calls <= budget + 1e-9]
        best = max(kept, key=lambda each: (_worth(each[1]), -each[1].calls))
        chosen.append((float(budget), best[0]))
    return chosen


def _worth(point: Point) -> float:
    return round(point.mean_average_precision + point.rank1, 9)
