"""CSLS: how much nearer two crops are than either is to its own surroundings.

A crop in a crowd of look-alikes is near to everybody, one in rare clothes to nobody; a distance by itself does not know
that. Cross-domain similarity CSLS (CSLS; Conneau et al., "Word translation without parallel data", 2018) takes
from a cosine the mean cosines of both sides with their neighbours: hubs lose their advantage, and what is left stands
on one scale for all queries. The reasoner looks at two crops alone; this is what the whole gallery knows of them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reidr.core.checks import flag_array, instance_of, whole_number
from reidr.errors import ReIDError
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.score_normalisation import LEAST, check_ranks, has_z_norm
from reidr.retrieval.unit_rows import unit_rows

Reals = NDArray[np.float64]
FIRST, LAST = 11, 50  # ranks of the surroundings: before them may stand matches


def with_csls(
    ranked: RankedList,
    gallery: NDArray[np.float32],
    *,
    junk: NDArray[np.bool_] | None = None,
    first: int = FIRST,
    last: int = LAST,
    block: int = 512,
) -> RankedList:
    """`ranked` with `local` filled: 1 - (cos - (mean cosine around the query + mean cosine around the candidate) / 2).

    Order and distances stay. The surroundings of a query are ranks `first` to `last` of its own list, those of a
    candidate the same ranks among the other gallery crops; ranks that are not there are left out.

    Args:
        ranked: a list of Euclidean distances of unit vectors, long enough for `last` where the gallery is.
        gallery: (G, D) unit rows, in the order of `ranked.gallery_ids`. junk: (G,) True for crops that are nobody's
            surroundings. block: candidates at a time; memory is about `block × G × 8` bytes.

    A list or gallery too small for surroundings comes back as it is. Raises ReIDError for shapes that do not fit, rows
    that are not finite or not of length 1, and ranks or a block out of range.
    """
    instance_of(ranked, RankedList, "ranked")
    check_ranks(first, last)
    block = whole_number(block, "block", least=1)
    gallery = unit_rows(gallery, None, "gallery", ranked.gallery_ids)
    if len(gallery) != len(ranked.gallery_ids):
        raise ReIDError(f"CSLS: {len(gallery)} gallery features for {len(ranked.gallery_ids)} gallery ids")
    kept = np.arange(len(gallery)) if junk is None else np.flatnonzero(~flag_array(junk, "junk", (len(gallery),)))
    if len(kept) < first + LEAST or not has_z_norm(ranked, first, last):
        return ranked
    listed = np.unique(ranked.indices[ranked.indices >= 0])
    around = np.zeros(len(gallery))
    around[listed] = mean_cosines(gallery, listed, kept, first, last, block)
    return with_surroundings(ranked, around, first=first, last=last)


def with_surroundings(ranked: RankedList, around: Reals, *, first: int = FIRST, last: int = LAST) -> RankedList:
    """`ranked` with `local` filled as by `with_csls`, where it is known already how near the neighbours are.

    Args:
        around: (G,) mean cosine of each gallery crop with its neighbours `first` to `last`; of listed crops alone it is
            used.

    A list too short for surroundings of its own comes back as it is.
    """
    if not has_z_norm(ranked, first, last):
        return ranked
    part = ranked.distances[:, first - 1 : last]
    there = np.isfinite(part)
    around_query = np.where(there, cosine_of(np.where(there, part, 0.0)), 0.0).sum(axis=1) / there.sum(axis=1)
    known = ranked.indices >= 0
    cosines = cosine_of(np.where(known, ranked.distances, 0.0))
    local = 1.0 - (cosines - (around_query[:, None] + around[np.maximum(ranked.indices, 0)]) / 2.0)
    return replace(ranked, local=np.where(known, local, np.inf))


def cosine_of(distances: Reals) -> Reals:
    """Cosine of unit vectors at a Euclidean distance."""
    return 1.0 - distances**2 / 2.0


def mean_cosines(
    gallery: NDArray[np.float32], rows: NDArray[np.int64], others: NDArray[np.int64], first: int, last: int, block: int
) -> Reals:
    """(R,) mean cosine of each of `rows` with its neighbours `first` to `last` among `others`, itself left out."""
    found = np.empty(len(rows))
    rest = gallery if len(others) == len(gallery) else gallery[others]
    place = np.full(len(gallery), -1)
    place[others] = np.arange(len(others))
    last = min(last, len(others) - 1)
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        cosines = gallery[part] @ rest.T
        own = np.flatnonzero(place[part] >= 0)
        cosines[own, place[part][own]] = -np.inf
        nearest = -np.partition(-cosines, last - 1, axis=1)[:, :last]
        nearest.sort(axis=1)
        # Ascending now: the last ones are the nearest, before which matches may stand.
        found[start : start + block] = nearest[:, : last - first + 1].mean(axis=1, dtype=np.float64)
    return found
