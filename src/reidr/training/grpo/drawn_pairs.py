"""Which pairs a reinforcement trains on, in which order, and how each is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reidr.errors import DataError
from reidr.reasoning.types import Pair


@dataclass(frozen=True)
class DrawnPair:
    """One pair to train on: `shown` is `mined`, with its pictures swapped for half of the pairs."""

    shown: Pair
    mined: Pair


def draw_pairs(pairs: Sequence[Pair], count: int, seed: int) -> list[DrawnPair]:
    """`count` pairs in the order of training.

    Labels alternate; within a label every pair comes once before any comes again; half are shown in swapped order.

    Raises:
        DataError: a pair without a label, or no pair of one of the labels.
    """
    unlabelled = next((place for place, pair in enumerate(pairs) if pair.label is None), None)
    if unlabelled is not None:
        raise DataError(f"pair {unlabelled} has no label; reinforcement learning needs to know who is who")
    random = np.random.default_rng(seed)
    streams = []
    for label, name in ((True, "one person"), (False, "two persons")):
        own = [pair for pair in pairs if pair.label is label]
        if not own:
            raise DataError(f"none of the {len(pairs)} pairs shows {name}; reinforcement learning needs both kinds")
        order: list[int] = []
        while len(order) < count // 2 + 1:
            order += random.permutation(len(own)).tolist()
        streams.append([own[place] for place in order])
    drawn = [streams[turn % 2][turn // 2] for turn in range(count)]
    swapped = random.random(count) < 0.5
    return [DrawnPair(pair.swapped() if swap else pair, pair) for pair, swap in zip(drawn, swapped, strict=True)]
