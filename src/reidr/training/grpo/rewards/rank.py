"""The probability moves the query's candidates in the right direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reidr.reasoning.prompting.grammar import ParsedAnswer
from reidr.retrieval.average_precision import hits_in_order, precision_at_matches
from reidr.training.grpo.rewards.columns import RankContext


def reward(
    parsed: Sequence[ParsedAnswer | None],
    probability: Sequence[float | None],
    rank_context: Sequence[RankContext | None],
    **_: Any,
) -> list[float | None]:
    """`rank_reward` of each completion; None where it cannot be parsed."""
    return [
        None if each is None else rank_reward(chance, context)
        for each, chance, context in zip(parsed, probability, rank_context, strict=True)
    ]


def rank_reward(probability: float | None, context: RankContext | None) -> float | None:
    """Change in the query's average precision that the verdict makes, in [-1, 1]: after fusion, less before.

    Fused by MUSE's (1 - w)·d + w·2·(1 - p) with p = 0.5 for every other candidate, so a verdict of 0.5 changes nothing.
    Ties are ordered pessimistically. None without a probability, a context, or a match among the candidates.
    """
    if probability is None or context is None or not any(context.labels):
        return None
    w, place = context.weight, context.place
    neutral = [(1 - w) * distance + w for distance in context.distances]
    moved = list(neutral)
    moved[place] += w * (1 - 2 * probability)
    return average_precision(moved, context.labels) - average_precision(neutral, context.labels)


def average_precision(distances: Sequence[float], labels: Sequence[bool]) -> float:
    """Average precision of one list by rising distance, matches last among equals. At least one label must be True.

    The definition is `retrieval.average_precision`, as for every ranking that is measured.
    """
    truth = np.array([labels], dtype=bool)
    (ranks,) = np.nonzero(hits_in_order(np.array([distances], dtype=np.float64), truth)[0])
    precisions = precision_at_matches(np.arange(1, len(ranks) + 1), ranks + 1)
    return float(sum(precisions.tolist())) / len(ranks)
