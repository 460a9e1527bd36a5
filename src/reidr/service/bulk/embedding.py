"""Embedding very many crops into the cache that `find`, `evaluate` and the service take embeddings from."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.core.progress import progress
from reidr.data.pictures.images import read_picture
from reidr.data.types import Crop
from reidr.errors import ImageError, ReIDError
from reidr.retrieval.content_key import content_key
from reidr.retrieval.embedders.registry import load_embedder
from reidr.retrieval.embedding_cache import EmbeddingCache, cache_folder
from reidr.service.bulk.running import run_tasks
from reidr.service.bulk.tasks import Ledger, Pictures, Task

AT_ONCE = 4096  # embeddings that are kept together


@dataclass(frozen=True)
class Done:
    """What a job did. skipped: tasks that were done before. problems: a sentence for each picture without a result."""

    tasks: int
    skipped: int
    results: int
    problems: tuple[str, ...]


class EmbedCrops:
    """Embeds the crops of tasks; for one process."""

    def __init__(self, retriever: str) -> None:
        self._embedder = load_embedder(retriever)
        self._pictures = Pictures()

    def __call__(self, task: Task) -> bytes:
        """Content keys and (N, D) vectors of the pictures that can be used, and sentences about the others."""
        keys, opened, problems = [], [], []
        for name, picture in zip(task.names, self._pictures.of(task), strict=True):
            source: Any = picture  # `Crop` and `read_picture` take encoded bytes as well as paths
            try:
                opened.append(read_picture(source, name))
            except ImageError as error:
                problems.append(str(error))
                continue
            keys.append(content_key(Crop("crop", source)))
        vectors = self._embedder.embed_pictures(opened) if opened else np.empty((0, 0), np.float32)
        file = io.BytesIO()
        told = json.dumps({"keys": keys, "problems": problems})
        np.savez(file, told=np.array(told), vectors=vectors)
        return file.getvalue()


def read_result(result: bytes) -> tuple[dict[str, NDArray[np.float32]], list[str]]:
    """Vectors by content key, and problems, of what `EmbedCrops` gave."""
    with np.load(io.BytesIO(result), allow_pickle=False) as stored:
        told, vectors = json.loads(str(stored["told"])), stored["vectors"]
    return dict(zip(told["keys"], vectors, strict=True)), told["problems"]


def embed_crops(retriever: str, tasks: Iterable[Task], *, workers: int, cluster: str | None = None) -> Done:
    """Embed the crops of tasks that are not done yet, into this machine's cache of embeddings.

    Raises WeightsError for an unknown retriever, and as `run_tasks`; what was kept until then is not done again.
    """
    fingerprint = load_embedder(retriever).fingerprint
    ledger, cache = Ledger(f"embed {fingerprint}"), EmbeddingCache(cache_folder(), fingerprint)
    every = list(tasks)
    todo = [task for task in every if task.id not in ledger.done]
    problems: list[str] = []
    waiting: dict[str, NDArray[np.float32]] = {}
    finished: list[str] = []
    number = 0

    def keep() -> None:
        if waiting:
            missing = set(waiting) - set(cache.rows)
            cache.add(waiting)
            if not missing <= set(cache.rows):
                raise ReIDError(f"{cache_folder()}: cannot keep embeddings, so this job would be for nothing")
        ledger.add(finished)
        waiting.clear()
        finished.clear()

    try:
        with progress("embedding", sum(len(task.names) for task in todo)) as advance:
            sizes = {task.id: len(task.names) for task in todo}
            for id, result in run_tasks(todo, partial(EmbedCrops, retriever), workers=workers, cluster=cluster):
                rows, own = read_result(result)
                waiting |= rows
                problems += own
                finished.append(id)
                number += len(rows)
                advance(sizes[id])
                if len(waiting) >= AT_ONCE:
                    keep()
    finally:
        keep()
    return Done(len(every), len(every) - len(todo), number, tuple(problems))
