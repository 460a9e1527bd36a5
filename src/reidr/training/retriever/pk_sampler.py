"""PK batches for metric learning: P identities, K crops of each, cameras mixed within an identity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from reidr.errors import DataError


def identity_batches(
    identities: Sequence[int], cameras: Sequence[str | None], persons: int, images: int, random: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """One epoch of index batches of `persons × images` crops (Hermans et al. 2017).

    Every identity gives all of its crops once, in groups of `images`; a short last group is filled by repeats.
    Within an identity the crops are dealt camera by camera, so a group spans as many cameras as the identity has:
    neighbouring crops of one camera are nearly the same picture. Batches never hold an identity twice;
    what is left when fewer than `persons` identities remain is dropped, at most a batch's worth of groups per epoch.

    Raises DataError when there are fewer identities than `persons`.
    """
    labels = np.asarray(identities)
    if len(np.unique(labels)) < persons:
        raise DataError(
            f"a batch needs {persons} identities, but the training data has {len(np.unique(labels))}: "
            "lower batch_persons or give more data"
        )
    groups: dict[int, list[NDArray[np.int64]]] = {}
    for identity in np.unique(labels):
        dealt = _deal_by_camera(np.flatnonzero(labels == identity), cameras, random)
        missing = -len(dealt) % images
        dealt = np.concatenate([dealt, random.choice(dealt, missing)]) if missing else dealt
        groups[int(identity)] = list(dealt.reshape(-1, images))
    while len(groups) >= persons:
        # Identities with many groups left are likelier, so that they do not pile up at the end of the epoch.
        names = np.array(list(groups))
        left = np.array([len(groups[name]) for name in names], dtype=float)
        chosen = random.choice(names, persons, replace=False, p=left / left.sum())
        yield np.concatenate([groups[name].pop() for name in chosen])
        groups = {name: rest for name, rest in groups.items() if rest}


def _deal_by_camera(
    rows: NDArray[np.int64], cameras: Sequence[str | None], random: np.random.Generator
) -> NDArray[np.int64]:
    piles: dict[str | None, list[int]] = {}
    for row in random.permutation(rows):
        piles.setdefault(cameras[row], []).append(int(row))
    order = [piles[camera] for camera in random.permutation(np.array(list(piles), dtype=object))]
    dealt: list[int] = []
    while order:
        dealt += [pile.pop() for pile in order]
        order = [pile for pile in order if pile]
    return np.array(dealt, dtype=np.int64)
