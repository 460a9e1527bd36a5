"""A job's work in pieces that any process can do, and the list of those that are done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from reidr.core.storage.files import make_folder
from reidr.core.storage.json_lines import append_json_lines, read_json_lines
from reidr.retrieval.embedding_cache import cache_folder
from reidr.service.store.opening import open_store
from reidr.service.store.store import GalleryStore

CHUNK = 128  # crops, or pairs of crops, in one task


@dataclass(frozen=True)
class Task:
    """One piece of work: small, since only names travel.

    Attributes:
        id: hash of all that its result depends on. gallery: address of the gallery whose crops `names` are ids of; ""
            where they are paths, or pairs of paths as two neighbours.
    """

    id: str
    gallery: str
    names: tuple[str, ...]


class Work(Protocol):
    """What a process does with tasks; it is made once in each process, with its models."""

    def __call__(self, task: Task) -> bytes:
        """The result of a task."""
        ...


class Ledger:
    """Which tasks of one kind of work are done: a file beside the caches that their results lie in."""

    def __init__(self, what: str) -> None:
        """`what`: names the kind of work and its models."""
        digest = hashlib.sha256(what.encode()).hexdigest()[:16]
        self.path = cache_folder().parent / "bulk" / f"{digest}.jsonl"
        self.done = {row["task"] for row in read_json_lines(self.path)} if self.path.is_file() else set()

    def add(self, ids: Sequence[str]) -> None:
        """Note tasks as done, after their results are kept."""
        make_folder(self.path.parent)
        append_json_lines(self.path, [{"task": id} for id in ids])
        self.done.update(ids)


def tasks_of(names: Iterable[str], what: str, *, gallery: str = "", chunk: int = CHUNK) -> Iterator[Task]:
    """Tasks of `chunk` names each. Files count with size and time of change, so that changed ones are new work."""
    left = iter(names)
    while part := tuple(islice(left, chunk)):
        facts: list[Any] = [what, gallery, *(part if gallery else map(facts_of_file, part))]
        yield Task(hashlib.sha256(json.dumps(facts).encode()).hexdigest(), gallery, part)


def facts_of_file(name: str) -> list[Any]:
    """By what a changed file is known; a missing one is found out when it is read."""
    path = Path(name)
    if not path.is_file():
        return [name]
    state = path.stat()
    return [name, state.st_size, state.st_mtime_ns]


class Pictures:
    """Encoded pictures by name, from files or from a gallery that this process has opened."""

    def __init__(self) -> None:
        self._stores: dict[str, GalleryStore] = {}

    def of(self, task: Task) -> list[bytes | Path]:
        """A picture for each name: a path, or a gallery's encoded picture. Raises DataError for an id that is gone."""
        if not task.gallery:
            return [Path(name) for name in task.names]
        if task.gallery not in self._stores:
            self._stores[task.gallery] = open_store(task.gallery)
        store = self._stores[task.gallery]
        known = {name: crop.picture for name, crop in zip(task.names, store.get(task.names), strict=True)}
        return [known[name] for name in task.names]


def ids_of(store: GalleryStore) -> Iterator[str]:
    """The ids of a gallery's crops, read page by page without their pictures."""
    after: str | None = None
    while page := store.crops(after=after, pictures=False):
        yield from (crop.id for crop in page)
        after = page[-1].id
