"""An approximate index without a copy of any vector: rows in lists by the nearest of some thousand centres.

A search looks at the centres first and then, exactly, at the rows of the nearest few lists (the inverted file of Jégou,
Douze and Schmid, "Product quantization for nearest neighbor search", TPAMI 2011, without the quantization). So an
erasure has little to reach: the centres of the lists from which crops go are computed anew from those that stay.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reidr.core.progress import Advance
from reidr.core.storage.files import writing
from reidr.service.store.records import IndexFacts
from reidr.service.store.sqlite.nearest import Found, among, nearest

FILE = "index.npz"
LISTS = 4.0  # lists for the square root of the rows
SAMPLE, ROUNDS = 64, 10  # rows a list that k-means looks at, how often: with half of it people stay in many lists
BATCH = 4096
WANTED = 0.985  # recall of the first ten that is aimed at
QUERIES, FIRST = 200, 10  # by which it is measured


@dataclass(eq=False)
class Lists:
    """Centres (L, D) float32 unit rows, or zero; list of each row (N,) int32, -1 where a row is in none.

    Attributes:
        probes: how many lists a search looks at. facts: what was measured when it was made.
    """

    centres: NDArray[np.float32]
    assigned: NDArray[np.int32]
    probes: int
    facts: IndexFacts

    def __post_init__(self) -> None:
        self._order = np.argsort(self.assigned, kind="stable")
        self._bounds = np.searchsorted(self.assigned[self._order], np.arange(len(self.centres) + 1))

    def rows(self, query: NDArray[np.float32], probes: int) -> NDArray[np.int64]:
        """(n,) rows of the `probes` lists whose centres are nearest."""
        probes = min(probes, len(self.centres))
        chosen = np.argpartition(-(self.centres @ query), probes - 1)[:probes]
        parts = [self._order[self._bounds[one] : self._bounds[one + 1]] for one in chosen]
        return np.sort(np.concatenate(parts))

    def nearest(
        self, vectors: NDArray[np.float32], queries: NDArray[np.float32], k: int, wanted: NDArray[np.bool_] | None
    ) -> Found:
        """As `nearest.nearest`, but rows of other lists are missed. Where few rows are left, more lists are read."""
        found: Found = []
        for query in queries:
            probes = self.probes
            while True:
                rows = self.rows(query, probes)
                if wanted is not None:
                    rows = rows[wanted[rows]]
                if len(rows) >= 4 * k or probes >= len(self.centres):
                    break
                probes *= 2
            found += among(vectors, query[None], k, rows)
        return found

    def fitted(self, vectors: NDArray[np.float32], alive: NDArray[np.bool_]) -> Lists:
        """For so many rows: those that were added since put into their lists, or those that are not there yet left out.

        An index that another process has just made may know of more rows than a transaction that began before.
        """
        known = len(self.assigned)
        if known == len(vectors):
            return self
        if known > len(vectors):
            return Lists(self.centres, self.assigned[: len(vectors)], self.probes, self.facts)
        fresh = np.where(alive[known:], nearest_centres(vectors[known:], self.centres), -1)
        return Lists(self.centres, np.concatenate([self.assigned, fresh.astype(np.int32)]), self.probes, self.facts)


def nearest_centres(
    vectors: NDArray[np.float32], centres: NDArray[np.float32], advance: Advance | None = None
) -> NDArray[np.int32]:
    """(N,) for each row the nearest centre."""
    found = np.empty(len(vectors), dtype=np.int32)
    for first in range(0, len(vectors), BATCH):
        part = vectors[first : first + BATCH]
        found[first : first + BATCH] = np.argmax(part @ centres.T, axis=1)
        if advance is not None:
            advance(len(part))
    return found


def steps(rows: int) -> int:
    """How many rows `build` looks at, for a progress bar."""
    return ROUNDS * min(rows, SAMPLE * list_number(rows)) + rows


def list_number(rows: int) -> int:
    """How many lists there are for so many rows."""
    return min(rows, int(LISTS * rows**0.5))


def build(vectors: NDArray[np.float32], alive: NDArray[np.bool_], advance: Advance | None = None) -> Lists:
    """Centres by spherical k-means over a sample, every row into its list, and as many probes as the recall wants."""
    random = np.random.default_rng(0)
    begun = time.monotonic()
    rows = np.flatnonzero(alive)
    number = list_number(len(rows))
    sample = vectors[np.sort(random.choice(rows, min(len(rows), SAMPLE * number), replace=False))]
    centres = sample[random.choice(len(sample), number, replace=False)].copy()
    for _ in range(ROUNDS):
        centres = means(sample, nearest_centres(sample, centres, advance), centres)
    assigned = np.where(alive, nearest_centres(vectors, centres, advance), -1).astype(np.int32)
    # Every centre is the mean of the rows in its list and of nothing else: an erasure knows where a crop has gone.
    centres = means(vectors, assigned, np.zeros_like(centres))
    queries = vectors[np.sort(random.choice(rows, min(len(rows), QUERIES), replace=False))]
    made = Lists(centres, assigned, 1, IndexFacts("lists", len(rows), 0.0, 0.0))
    truth = [set(found.tolist()) for found, _ in nearest(vectors, queries, FIRST + 1, alive)]
    recall = 0.0
    while True:
        recall = made_recall(made, vectors, queries, truth)
        if recall >= WANTED or made.probes >= number:
            break
        made.probes = min(number, made.probes + max(1, made.probes // 2))
    made.facts = IndexFacts("lists", len(rows), recall, time.monotonic() - begun)
    return made


def made_recall(
    made: Lists, vectors: NDArray[np.float32], queries: NDArray[np.float32], truth: list[set[int]]
) -> float:
    """Share of the truly nearest rows that the lists hold which a search looks at."""
    shares = []
    for query, wanted in zip(queries, truth, strict=True):
        shares.append(len(wanted & set(made.rows(query, made.probes).tolist())) / max(1, len(wanted)))
    return float(np.mean(shares))


def means(
    vectors: NDArray[np.float32], assigned: NDArray[np.int32], before: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The unit mean of the rows of every list; of an empty one what it was before."""
    centres = before.copy()
    order = np.argsort(assigned, kind="stable")
    bounds = np.searchsorted(assigned[order], np.arange(len(before) + 1))
    for one in np.flatnonzero(bounds[1:] > bounds[:-1]):
        total = vectors[order[bounds[one] : bounds[one + 1]]].sum(axis=0, dtype=np.float64)
        centres[one] = total / max(float(np.linalg.norm(total)), 1e-12)
    return centres


def without(made: Lists, vectors: NDArray[np.float32], removed: NDArray[np.int64]) -> Lists:
    """The lists after a removal: the centres of those that lost rows are the means of the rest, or zero."""
    assigned = made.assigned.copy()
    removed = removed[removed < len(assigned)]
    hit = np.unique(assigned[removed])
    assigned[removed] = -1
    centres = made.centres.copy()
    for one in hit[hit >= 0]:
        total = vectors[np.flatnonzero(assigned == one)].sum(axis=0, dtype=np.float64)
        centres[one] = total / max(float(np.linalg.norm(total)), 1e-12)
    return Lists(centres, assigned, made.probes, made.facts)


def write_index(folder: Path, made: Lists, numbering: int) -> None:
    """Write the index beside the block. numbering: of the rows that it speaks of."""
    facts = json.dumps({**asdict(made.facts), "numbering": numbering, "probes": made.probes})
    with writing(folder / FILE) as file:
        np.savez(
            file, centres=made.centres, assigned=made.assigned, facts=np.frombuffer(facts.encode(), dtype=np.uint8)
        )


def read_index(folder: Path, numbering: int) -> Lists | None:
    """The index, where there is one of this numbering of the rows."""
    path = folder / FILE
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as parts:
        facts = json.loads(parts["facts"].tobytes())
        if facts.pop("numbering") != numbering:
            return None
        return Lists(parts["centres"], parts["assigned"], facts.pop("probes"), IndexFacts(**facts))
