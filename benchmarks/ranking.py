"""mAP, CMC and mINP at the size of Market-1501 and MSMT17: ours beside the bare matrix product, a naive twin and peers.

    python benchmarks/ranking.py                     every case, one JSON line each
    python benchmarks/ranking.py market/ours msmt17/ours
    PEER_DIR=~/peers python benchmarks/ranking.py    also torchreid, fast-reid and reid, where their sources lie there

Features are synthetic and seeded: a centre for each person and noise around it, so that times and memory are those of
real features while accuracies mean nothing. `market-hard` has so much noise that matches lie anywhere in the ranking,
which is the worst case of counting; `sort` is a bare `np.sort` of the matrix. Peers are imported from
`$PEER_DIR/deep-person-reid`, `$PEER_DIR/fast-reid` and `$PEER_DIR/reid` (see benchmarks/README.md); what is absent is
skipped.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
import numpy as np
from numpy.typing import NDArray

from reidr.retrieval.memory import available_memory

DIMENSIONS = 512
NAIVE_QUERIES = 100


@dataclass(frozen=True)
class Size:
    """Numbers of a data set's test split; `noise` is chosen for an mAP like that of a good retriever there."""

    queries: int
    gallery: int
    persons: int
    distractors: int
    cameras: int
    noise: float
    repeats: int


SIZES = {
    "market": Size(3_368, 15_913, 750, 2_798, 6, 2.0, 7),
    "market-hard": Size(3_368, 15_913, 750, 2_798, 6, 8.0, 7),
    "msmt17": Size(11_659, 82_161, 3_060, 0, 15, 2.2, 2),
}
# What the peers' argsort and match matrices take for each distance, both with 64-bit entries, and some spare.
PEER_BYTES = 20
KINDS = (
    "ours",
    "ours-numpy",
    "ours-features",
    "product",
    "sort",
    "naive",
    "roboflow",
    "torchreid",
    "torchreid-cython",
    "fastreid",
    "fastreid-cython",
)
HARD_KINDS = ("ours", "sort", "roboflow")
CASES = [f"{size}/{kind}" for size in SIZES for kind in (HARD_KINDS if size == "market-hard" else KINDS)]
SOURCES = {
    "torchreid": ("deep-person-reid", "torchreid.metrics.rank"),
    "fastreid": ("fast-reid", "fastreid.evaluation.rank"),
}


@dataclass
class Data:
    """Unit features and labels; distractors have persons of their own."""

    query: NDArray[np.float32]
    gallery: NDArray[np.float32]
    query_ids: NDArray[np.int64]
    gallery_ids: NDArray[np.int64]
    query_cameras: NDArray[np.int64]
    gallery_cameras: NDArray[np.int64]

    @property
    def labels(self) -> tuple[NDArray[np.int64], ...]:
        """In the order every evaluator of the field takes them."""
        return self.query_ids, self.gallery_ids, self.query_cameras, self.gallery_cameras


def make(size: Size, seed: int = 0) -> Data:
    """The same data for every case, made in blocks so that making it needs no more memory than having it."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((size.persons, DIMENSIONS), dtype=np.float32)
    query_ids = np.arange(size.queries) % size.persons
    true = size.gallery - size.distractors
    gallery_ids = np.concatenate([np.arange(true) % size.persons, size.persons + np.arange(size.distractors)])

    def features(persons: NDArray[np.int64]) -> NDArray[np.float32]:
        made = np.empty((len(persons), DIMENSIONS), dtype=np.float32)
        for start in range(0, len(persons), 1024):
            block, part = made[start : start + 1024], persons[start : start + 1024]
            random.standard_normal(out=block, dtype=np.float32)
            # Some crops are worse than others: without this every query would be equally hard.
            block *= np.float32(size.noise) * random.lognormal(0, 0.35, (len(part), 1)).astype(np.float32)
            known = part < size.persons
            block[known] += centres[part[known]]
            block /= np.linalg.norm(block, axis=1, keepdims=True)
        return made

    return Data(
        features(query_ids), features(gallery_ids), query_ids, gallery_ids,
        random.integers(0, size.cameras, size.queries), random.integers(0, size.cameras, size.gallery),
    )  # fmt: skip


def run_case(name: str) -> dict[str, Any]:
    """Facts of one case: seconds (least of several runs) and the answer."""
    size_name, kind = name.split("/")
    size, data = SIZES[size_name], make(SIZES[size_name])
    facts: dict[str, Any] = {"queries": size.queries, "gallery": size.gallery}
    if kind == "product":
        return facts | {"seconds": measure.best_time(lambda: product_in_blocks(data), size.repeats)[0]}
    if kind == "ours-features":
        from reidr.evaluation.metrics.ranking import evaluate_features

        seconds, result = measure.best_time(
            lambda: evaluate_features(data.query, data.gallery, *data.labels), size.repeats
        )
        return facts | {"seconds": seconds} | answer(result)
    distances = data.query @ data.gallery.T
    np.negative(distances, out=distances)
    data.query = data.gallery = np.empty((0, DIMENSIONS), dtype=np.float32)
    if kind in ("ours", "ours-numpy"):
        from reidr.evaluation.metrics.counting import negative_counts as counting
        from reidr.evaluation.metrics.ranking import evaluate_ranking

        if kind == "ours-numpy":
            counting.WORTH_COMPILING = 10**18
        started = time.perf_counter()
        evaluate_ranking(distances, *data.labels)
        facts["first_seconds"] = time.perf_counter() - started
        seconds, result = measure.best_time(lambda: evaluate_ranking(distances, *data.labels), size.repeats)
        return facts | {"seconds": seconds} | answer(result)
    if kind == "sort":
        return facts | {"seconds": measure.best_time(lambda: np.sort(distances, axis=1), size.repeats)[0]}
    if kind == "roboflow":
        return facts | run_roboflow(distances, data, size)
    if kind == "naive":
        few = NAIVE_QUERIES
        seconds, value = measure.best_time(lambda: naive_map(distances[:few], data, few), 1)
        return facts | {"seconds": seconds * size.queries / few, "scaled_from_queries": few, "mAP_of_those": value}
    return facts | run_peer(kind, distances, data, size)


def product_in_blocks(data: Data) -> None:
    """The floor of anything exact that starts from features."""
    room = np.empty((256, len(data.gallery)), dtype=np.float32)
    for start in range(0, len(data.query), 256):
        rows = data.query[start : start + 256]
        np.matmul(rows, data.gallery.T, out=room[: len(rows)])


def answer(result: Any) -> dict[str, float]:
    """The means, to compare answers between cases."""
    return {
        "mAP": round(result.mean_average_precision, 7),
        "rank1": round(result.rank(1), 7),
        "mINP": round(result.mean_inverse_negative_penalty, 7),
    }


def naive_map(distances: NDArray[np.float32], data: Data, queries: int) -> float:
    """mAP the usual way: sort every row, walk down it in Python."""
    precisions = []
    for query in range(queries):
        found, seen, total = 0, 0, 0.0
        for item in np.argsort(distances[query]).tolist():
            right = data.gallery_ids[item] == data.query_ids[query]
            if right and data.gallery_cameras[item] == data.query_cameras[query]:
                continue
            seen += 1
            if right:
                found += 1
                total += found / seen
        if found:
            precisions.append(total / found)
    return float(np.mean(precisions))


def run_roboflow(distances: NDArray[np.float32], data: Data, size: Size) -> dict[str, Any]:
    """The evaluator of Roboflow's `reid`, loaded by its file: the package itself would import torchvision."""
    root = Path(os.environ.get("PEER_DIR", "")) / "reid"
    found = importlib.util.find_spec("reid")
    roots = [root / "reid"] if os.environ.get("PEER_DIR") else []
    roots += [Path(place) for place in (found.submodule_search_locations or ())] if found else []
    path = next((each / "eval" / "metrics.py" for each in roots if (each / "eval" / "metrics.py").is_file()), None)
    if path is None:
        return {"skipped": "Roboflow's reid is neither installed nor in PEER_DIR"}
    spec = importlib.util.spec_from_file_location("reid_metrics", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    few = min(size.queries, 1000)
    part = Data(data.query, data.gallery, data.query_ids[:few], data.gallery_ids, data.query_cameras[:few],
                data.gallery_cameras)  # fmt: skip
    seconds, result = measure.best_time(lambda: module._compute_reid_metrics(distances[:few], *part.labels), 1)
    mean = round(result.mean_average_precision / 100, 7)
    return {"seconds": seconds * size.queries / few, "mAP": mean, "scaled_from_queries": few}


def run_peer(kind: str, distances: NDArray[np.float32], data: Data, size: Size) -> dict[str, Any]:
    """A peer's own `evaluate_rank`; its Python fallback on a few queries, scaled."""
    library, _, cython = kind.partition("-")
    folder, module_name = SOURCES[library]
    root = Path(os.environ.get("PEER_DIR", "")) / folder
    if not os.environ.get("PEER_DIR") or not (root / (module_name.replace(".", "/") + ".py")).is_file():
        return {"skipped": f"no {folder} in PEER_DIR"}
    # Empty packages stand in for the peer's own, whose __init__ would import torch and much else.
    parts = module_name.split(".")[:-1]
    for depth in range(1, len(parts) + 1):
        package = types.ModuleType(".".join(parts[:depth]))
        package.__path__ = [str(root.joinpath(*parts[:depth]))]
        sys.modules[package.__name__] = package
    peer = importlib.import_module(module_name)
    if cython and not peer.IS_CYTHON_AVAI:
        return {"skipped": f"the Cython module of {folder} is not built"}
    few = size.queries if cython else NAIVE_QUERIES
    needed = PEER_BYTES * few * size.gallery
    if needed > (available_memory() or needed):
        return {"skipped": f"needs about {needed / 1e9:.0f} GB more than the matrix"}
    labels = (data.query_ids[:few], data.gallery_ids, data.query_cameras[:few], data.gallery_cameras)

    def work() -> Any:
        return peer.evaluate_rank(
            distances[:few], *labels, max_rank=50, use_metric_cuhk03=False, use_cython=bool(cython)
        )

    seconds, found = measure.best_time(work, 1)
    # torchreid gives (CMC, mAP), fast-reid (CMC, every AP, every INP).
    facts = {"seconds": seconds * size.queries / few, "mAP": round(float(np.mean(found[1])), 7)}
    return facts if cython else facts | {"scaled_from_queries": few}


if __name__ == "__main__":
    measure.main(__file__, CASES, run_case)
