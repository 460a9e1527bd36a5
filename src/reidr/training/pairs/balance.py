"""Balancing candidate pairs over labels, data sets and pairs of cameras."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from reidr.training.pairs.table import MinedPair

Key = TypeVar("Key", bound=Hashable)


def balance_pairs(pairs: Sequence[MinedPair], most: int | Mapping[str, int], seed: int) -> list[MinedPair]:
    """At most `most` of `pairs`, as many of one label as of the other in every data set and pair of cameras.

    The budget is divided evenly over data sets, then over pairs of cameras; what one cannot use goes to the others
    (`share_out`). A mapping gives each data set a budget of its own instead, by name. Within such a cell pairs are
    sampled by `seed`. The order of `pairs` is kept.
    """
    cells: dict[tuple[str, tuple[str, str]], dict[bool, list[int]]] = {}
    for place, pair in enumerate(pairs):
        cells.setdefault((pair.dataset, pair.cameras), {True: [], False: []})[pair.label].append(place)
    room = {cell: min(len(own[True]), len(own[False])) for cell, own in cells.items()}
    by_set: dict[str, int] = {}
    for (name, _), size in room.items():
        by_set[name] = by_set.get(name, 0) + size
    random = np.random.default_rng(seed)
    kept: list[int] = []
    budgets = (
        share_out(by_set, most // 2)
        if isinstance(most, int)
        else {name: min(size, most.get(name, 0) // 2) for name, size in by_set.items()}
    )
    for name, budget in sorted(budgets.items()):
        own_room = {cell: size for cell, size in room.items() if cell[0] == name}
        for cell, size in sorted(share_out(own_room, budget).items()):
            for label in (True, False):
                kept += random.permutation(cells[cell][label])[:size].astype(int).tolist()
    return [pairs[place] for place in sorted(kept)]


def share_out(room: Mapping[Key, int], total: int) -> dict[Key, int]:
    """Share `total` out as evenly as the room of each allows; ties in the order of the keys' text."""
    given = dict.fromkeys(room, 0)
    # Smallest first: what a small one cannot use of its even share goes to the larger ones.
    waiting = sorted(room, key=lambda key: (room[key], str(key)))
    for place, key in enumerate(waiting):
        given[key] = min(room[key], total // (len(waiting) - place))
        total -= given[key]
    return given
