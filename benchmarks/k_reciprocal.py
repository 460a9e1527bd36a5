"""Time and memory of k-reciprocal re-ranking (k1 = 20, k2 = 6, lambda = 0.3; the first 100 crops of each query out).

    python benchmarks/k_reciprocal.py                     every case, one JSON line each
    python benchmarks/k_reciprocal.py market/ours
    PEER_DIR=~/peers python benchmarks/k_reciprocal.py    also torchreid's dense version, where its sources lie there

Features are those of benchmarks/ranking.py. `product` is the bare N × N product of the features in blocks of 256 rows,
N = queries + gallery; an exact method needs half of it. torchreid is not run on msmt17, where its matrices would need
more than 70 GB.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import measure
import numpy as np
from ranking import SIZES, Data, make

# In its repository, and in its source package on PyPI.
TORCHREID = ("deep-person-reid/torchreid/utils/rerank.py", "deep-person-reid/torchreid/reid/utils/rerank.py")
TOP, BLOCK = 100, 256
# A quarter of Market-1501, and Market-1501 with features that hardly tell persons apart: neighbour sets overlap widely.
ALL_SIZES = {
    "small": replace(SIZES["market"], queries=800, gallery=4_020, persons=190, distractors=700),
    "market": SIZES["market"],
    "market-hard": replace(SIZES["market"], noise=4.0),
    "msmt17": SIZES["msmt17"],
}
CASES = [
    f"{size}/{kind}"
    for size in ALL_SIZES
    for kind in ("ours", "product", "torchreid")
    if size in ("small", "market") or kind == "ours" or (size, kind) == ("msmt17", "product")
]


def run_case(name: str) -> dict[str, Any]:
    """Facts of one case: seconds (one run; it is long enough)."""
    size_name, kind = name.split("/")
    data = make(ALL_SIZES[size_name])
    facts: dict[str, Any] = {"crops": len(data.query) + len(data.gallery)}
    if kind == "ours":
        return facts | run_ours(data)
    if kind == "product":
        return facts | {"seconds": measure.best_time(lambda: product_in_blocks(data), 1)[0]}
    return facts | run_torchreid(data)


def run_ours(data: Data) -> dict[str, Any]:
    """Ours, with the memory it said it would need beyond Python and the features."""
    from reidr.retrieval.rerankers.k_reciprocal import estimate_memory, k_reciprocal

    names = [tuple(map(str, range(len(part)))) for part in (data.query, data.gallery)]
    seconds, _ = measure.best_time(lambda: k_reciprocal(data.query, data.gallery, *names, k=TOP), 1)
    estimate = estimate_memory(len(data.query), len(data.gallery), data.query.shape[1], k=TOP)
    return {"seconds": seconds, "estimated_gb": round(estimate / 1e9, 3)}


def product_in_blocks(data: Data) -> None:
    """Nothing but the products of all features with all."""
    features = np.concatenate([data.query, data.gallery])
    room = np.empty((BLOCK, len(features)), dtype=np.float32)
    for start in range(0, len(features), BLOCK):
        rows = features[start : start + BLOCK]
        np.matmul(rows, features.T, out=room[: len(rows)])


def run_torchreid(data: Data) -> dict[str, Any]:
    """torchreid from its three distance matrices (making them is not counted), and how far our answer is from its."""
    folder = os.environ.get("PEER_DIR")
    places = [Path(folder) / name for name in TORCHREID] if folder else []
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return {"skipped": "no deep-person-reid in PEER_DIR"}
    spec = importlib.util.spec_from_file_location("rerank", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sides = ((data.query, data.gallery), (data.query, data.query), (data.gallery, data.gallery))
    # It squares what it is given, as the published code does with Euclidean distances.
    matrices = [np.sqrt(np.maximum(2 - 2 * left @ right.T, 0)) for left, right in sides]
    seconds, theirs = measure.best_time(lambda: module.re_ranking(*matrices), 1)
    return {"seconds": seconds, "largest_difference": largest_difference(data, theirs)}


def largest_difference(data: Data, theirs: np.ndarray[Any, Any]) -> float:
    """Largest absolute difference of the distances in our list to a peer's full matrix."""
    from reidr.retrieval.rerankers.k_reciprocal import k_reciprocal

    names = [tuple(map(str, range(len(part)))) for part in (data.query, data.gallery)]
    ours = k_reciprocal(data.query, data.gallery, *names, k=TOP)
    return float(np.abs(np.take_along_axis(theirs, ours.indices, axis=1) - ours.distances).max())


if __name__ == "__main__":
    measure.main(__file__, CASES, run_case)
