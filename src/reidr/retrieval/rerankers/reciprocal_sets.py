"""k-reciprocal neighbour sets and their encoding as sparse vectors (Zhong et al., CVPR 2017, sections 3.2 to 3.4)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Reals = NDArray[np.floating[Any]]
Positions = NDArray[np.int32]
SHARE = 2.0 / 3.0  # of a neighbour's own reciprocal set that must agree before the set is added


def encode(features: Reals, neighbours: Positions, scale: Reals, k1: int, block: int = 256) -> sparse.csr_array:
    """(N, N) rows of weights `exp(-d)` over each vector's expanded reciprocal set, summing to 1.

    Args:
        features: (N, D) unit rows. neighbours: (N, at least min(k1 + 1, N)) ascending by distance, itself included.
        scale: (N,) largest squared distance of each row, +inf where that is none; d is the squared distance over it.
    """
    number = len(features)
    near = neighbours[:, : k1 + 1]
    # The published code rounds k1/2 to the nearest even number at one half, as NumPy does.
    close = neighbours[:, : int(np.around(k1 / 2)) + 1]
    mutual, mutual_close = reciprocal(near), reciprocal(close)
    sizes = mutual_close.sum(axis=1)
    lengths, columns, weights = [], [], []
    for start in range(0, number, block):
        rows = slice(start, start + block)
        members = np.where(mutual[rows], near[rows], -1)
        added = expansion(members, close, mutual_close, sizes)
        every = np.concatenate([members, added.reshape(len(members), -1)], axis=1)
        every.sort(axis=1)
        fresh = every >= 0
        fresh[:, 1:] &= every[:, 1:] != every[:, :-1]
        length = fresh.sum(axis=1)
        column = every[fresh]
        row = np.repeat(np.arange(start, start + len(members)), length)
        weight = np.exp(-squared_distances(features, row, column) / scale[rows].repeat(length))
        total = np.bincount(row - start, weights=weight, minlength=len(members))
        lengths.append(length)
        columns.append(column)
        weights.append((weight / total[row - start]).astype(np.float32))
    bounds = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    return sparse.csr_array((np.concatenate(weights), np.concatenate(columns), bounds), shape=(number, number))


def reciprocal(neighbours: Positions, block: int = 4096) -> NDArray[np.bool_]:
    """(N, k) True where a row's neighbour has the row among its own k neighbours."""
    mutual = np.empty(neighbours.shape, dtype=np.bool_)
    for start in range(0, len(neighbours), block):
        part = neighbours[start : start + block]
        own = np.arange(start, start + len(part), dtype=np.int32)[:, None, None]
        mutual[start : start + block] = (neighbours[part] == own).any(axis=2)
    return mutual


def expansion(
    members: Positions, close: Positions, mutual_close: NDArray[np.bool_], sizes: NDArray[np.int64]
) -> Positions:
    """(B, k, c) the close reciprocal sets of each member that agree with the row's own set, -1 elsewhere.

    Args:
        members: (B, k) a row's reciprocal neighbours, -1 where there is none.
        close, mutual_close: (N, c) closer neighbours and whether they are reciprocal. sizes: (N,) how many are.
    """
    candidate = np.where(mutual_close[members], close[members], -2)
    known = np.zeros(candidate.shape, dtype=np.bool_)
    for column in range(members.shape[1]):
        known |= candidate == members[:, column, None, None]
    agreeing = (known.sum(axis=2) > SHARE * sizes[members]) & (members >= 0)
    return np.where(agreeing[:, :, None] & (candidate >= 0), candidate, -1)


def squared_distances(features: Reals, left: NDArray[np.integer[Any]], right: Positions, block: int = 8192) -> Reals:
    """(n,) squared distances of pairs of unit rows."""
    found = np.empty(len(left), dtype=features.dtype)
    for start in range(0, len(left), block):
        rows = slice(start, start + block)
        found[rows] = np.einsum("ij,ij->i", features[left[rows]], features[right[rows]])
    return np.maximum(2.0 - 2.0 * found, 0.0)
