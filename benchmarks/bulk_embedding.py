"""Embedding crops in bulk: crops a second and core of one process, and of one and two workers of Ray.

    python benchmarks/bulk_embedding.py                 2,000 crops, the shipped retriever
    CROPS=20000 RETRIEVER=lite WORKERS=1,2,8 python benchmarks/bulk_embedding.py

Crops are JPEGs of noise, 128x64. Every run begins with an empty cache and uses one thread for each process. Measured is
the time from the first result to the last, without the start of Ray and the loading of models; `share` is the rate of a
core beside that of the single process, which is measured before and after the workers so that a busy machine is seen.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import measure
import numpy as np
from PIL import Image

from reidr.service.bulk.embedding import EmbedCrops, read_result
from reidr.service.bulk.running import run_tasks
from reidr.service.bulk.tasks import Task, tasks_of

CHUNK = 32


def crops_in(folder: Path, number: int) -> list[str]:
    """Paths of new pictures."""
    random = np.random.default_rng(0)
    paths = []
    for index in range(number):
        path = folder / f"{index:06}.jpg"
        Image.fromarray(random.integers(0, 255, (128, 64, 3), dtype=np.uint8)).save(path, quality=85)
        paths.append(str(path))
    return paths


def rate_of(tasks: list[Task], retriever: str, workers: int) -> float:
    """Crops a second, from the first result of each worker to the last result."""
    begun, number = 0.0, 0
    done = run_tasks(tasks, partial(EmbedCrops, retriever), workers=workers)
    for seen, (_, result) in enumerate(done, start=1):
        rows, _ = read_result(result)
        if seen <= max(1, workers):
            begun = time.perf_counter()
        else:
            number += len(rows)
    return number / (time.perf_counter() - begun)


def main() -> None:
    """Measure, and print one JSON line for each number of workers."""
    number, retriever = int(os.environ.get("CROPS", "2000")), os.environ.get("RETRIEVER", "lite")
    counts = [int(part) for part in os.environ.get("WORKERS", "1,2").split(",")]
    with tempfile.TemporaryDirectory() as folder:
        tasks = list(tasks_of(crops_in(Path(folder), number), "benchmark", chunk=CHUNK))
        before = rate_of(tasks, retriever, 0)
        rates = {workers: rate_of(tasks, retriever, workers) for workers in counts}
        after = rate_of(tasks, retriever, 0)
    alone = (before + after) / 2
    for workers, rate in rates.items():
        found = {
            "case": "bulk embedding", "retriever": retriever, "crops": number, "workers": workers,
            "crops_per_second": round(rate, 1), "one_process": [round(before, 1), round(after, 1)],
            "share": round(rate / workers / alone, 3),
        }  # fmt: skip
        print(json.dumps({**found, **measure.machine()}))


if __name__ == "__main__":
    main()
