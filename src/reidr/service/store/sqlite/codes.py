"""An approximate index: one bit for each number of a vector. Rows whose bits differ least are then compared exactly.

Signs of vectors agree the more, the smaller their angle is (Charikar, "Similarity estimation techniques from rounding
algorithms", STOC 2002; here the numbers themselves, less their mean, take the place of random projections). A vector of
512 numbers has 64 bytes of bits, so a search reads a thirty-second of what an exact one reads. An erasure sets the bits
of its crops to zero.
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
from reidr.service.store.sqlite.nearest import Found, among, compiled, nearest

FILE = "index.npz"
WORD = 64  # bits of a word
BATCH = 16_384  # rows whose bits are compared together: what is read fits the processor's cache
MEAN_OF = 20_000  # rows that the mean is taken of
ENOUGH = 1000  # rows from which on there is a mean: that of so many says nothing of one of them
WANTED = 0.985  # recall of the first ten that is aimed at
QUERIES, FIRST = 200, 10  # by which it is measured
FEWEST = 64  # rows that are compared exactly in any case
TURNS = 4  # tables that are counted into by turns


@dataclass(eq=False)
class Codes:
    """Bits of N rows.

    Attributes:
        mean: (D,) what is taken from a vector before its signs are. words: (ceil(D / 64), N) uint64, the bits; zero for
            a row that is no more. candidates: how many rows a search compares exactly. facts: what was measured when it
            was made.
    """

    mean: NDArray[np.float32]
    words: NDArray[np.uint64]
    candidates: int
    facts: IndexFacts

    def nearest(
        self, vectors: NDArray[np.float32], queries: NDArray[np.float32], k: int, wanted: NDArray[np.bool_] | None
    ) -> Found:
        """As `nearest.nearest`, but a row whose bits differ in too many places is missed."""
        found: Found = []
        for query in queries:
            rows = self.rows(query, max(self.candidates, 4 * k), wanted)
            found += among(vectors, query[None], k, rows)
        return found

    def rows(self, query: NDArray[np.float32], number: int, wanted: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """(n,) the `number` rows whose bits differ least, and those that differ as little as the last of them."""
        differing = self.differing(query)
        most = WORD * len(self.words)
        if wanted is not None:
            np.copyto(differing, most + 1, where=~wanted)
        limit = np.searchsorted(np.cumsum(frequencies(differing, most + 2))[: most + 1], number)
        return np.flatnonzero(differing <= min(int(limit), most))

    def differing(self, query: NDArray[np.float32]) -> NDArray[np.uint16]:
        """(N,) in how many bits each row differs from a vector."""
        own = bits(query[None], self.mean)[:, 0]
        found = np.zeros(self.words.shape[1], dtype=np.uint16)
        made = compiled()
        if made is not None:
            made.differences(self.words, own, found)
            return found
        for first in range(0, len(found), BATCH):
            part = found[first : first + BATCH]
            for word, mine in zip(self.words, own, strict=True):
                part += np.bitwise_count(word[first : first + BATCH] ^ mine)
        return found

    def fitted(self, vectors: NDArray[np.float32], alive: NDArray[np.bool_]) -> Codes:
        """For so many rows: with those that were added since, or without those that are not there yet.

        An index that another process has just made may know of more rows than a transaction that began before.
        """
        known = self.words.shape[1]
        if known == len(vectors):
            return self
        if known > len(vectors):
            return Codes(self.mean, self.words[:, : len(vectors)], self.candidates, self.facts)
        fresh = codes(vectors[known:], alive[known:], self.mean)
        return Codes(self.mean, np.concatenate([self.words, fresh], axis=1), self.candidates, self.facts)


def frequencies(values: NDArray[np.uint16], number: int) -> NDArray[np.int64]:
    """(number,) how often each of 0, 1, 2 … occurs."""
    made = compiled()
    if made is None:
        return np.bincount(values, minlength=number)
    counts = np.zeros((TURNS, number), dtype=np.int64)
    made.frequencies(values, counts)
    return counts.sum(axis=0)


def bits(vectors: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.uint64]:
    """(ceil(D / 64), N) the bits of (N, D) vectors: 1 where a number is above the mean."""
    width = -(-vectors.shape[1] // WORD) * WORD
    signs = np.zeros((len(vectors), width), dtype=np.bool_)
    np.greater(vectors, mean, out=signs[:, : vectors.shape[1]])
    packed = np.packbits(signs, axis=1, bitorder="little").view("<u8").astype(np.uint64, copy=False)
    return np.ascontiguousarray(packed.T)


def codes(
    vectors: NDArray[np.float32],
    alive: NDArray[np.bool_],
    mean: NDArray[np.float32],
    advance: Advance | None = None,
) -> NDArray[np.uint64]:
    """`bits` of the rows that are alive, zero for the others; of many rows piece by piece."""
    found = np.zeros((-(-vectors.shape[1] // WORD), len(vectors)), dtype=np.uint64)
    for first in range(0, len(vectors), BATCH):
        part = slice(first, first + BATCH)
        found[:, part] = np.where(alive[part], bits(vectors[part], mean), np.uint64(0))
        if advance is not None:
            advance(found[:, part].shape[1])
    return found


def build(vectors: NDArray[np.float32], alive: NDArray[np.bool_], advance: Advance | None = None) -> Codes:
    """The bits of every row, and as many candidates as the recall wants."""
    random = np.random.default_rng(0)
    begun = time.monotonic()
    rows = np.flatnonzero(alive)
    mean = np.zeros(vectors.shape[1], dtype=np.float32)
    if len(rows) >= ENOUGH:
        mean = vectors[np.sort(random.choice(rows, min(len(rows), MEAN_OF), replace=False))].mean(axis=0)
    made = Codes(mean, codes(vectors, alive, mean, advance), FEWEST, IndexFacts("codes", len(rows), 0.0, 0.0))
    if len(rows):
        queries = vectors[np.sort(random.choice(rows, min(len(rows), QUERIES), replace=False))]
        ranks = ranks_of_the_nearest(made, vectors, queries, alive)
        made.candidates = max(FEWEST, int(np.ceil(np.quantile(ranks, WANTED, method="higher"))))
        made.facts = IndexFacts("codes", len(rows), float((ranks <= made.candidates).mean()), time.monotonic() - begun)
    return made


def ranks_of_the_nearest(
    made: Codes, vectors: NDArray[np.float32], queries: NDArray[np.float32], alive: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """For each of the truly nearest rows of all queries, themselves aside, how many rows differ in as few bits."""
    ranks = []
    truth = nearest(vectors, queries, FIRST + 1, alive)
    for query, (rows, distances) in zip(queries, truth, strict=True):
        first = rows[np.argsort(distances, kind="stable")[: FIRST + 1]]
        differing = made.differing(query)
        ranked = np.cumsum(np.bincount(differing[alive], minlength=int(differing.max()) + 1))
        ranks.append(ranked[differing[first]])
    return np.concatenate(ranks)


def without(made: Codes, removed: NDArray[np.int64]) -> Codes:
    """The index after a removal: no bits of the removed rows are left."""
    words = made.words.copy()
    words[:, removed[removed < words.shape[1]]] = 0
    return Codes(made.mean, words, made.candidates, made.facts)


def write_index(folder: Path, made: Codes, numbering: int) -> None:
    """Write the index beside the block. numbering: of the rows that it speaks of."""
    facts = json.dumps({**asdict(made.facts), "numbering": numbering, "candidates": made.candidates})
    with writing(folder / FILE) as file:
        np.savez(file, mean=made.mean, words=made.words, facts=np.frombuffer(facts.encode(), dtype=np.uint8))


def read_index(folder: Path, numbering: int) -> Codes | None:
    """The index, where there is one of this numbering of the rows."""
    path = folder / FILE
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as parts:
        if "words" not in parts:  # of an earlier version
            return None
        facts = json.loads(parts["facts"].tobytes())
        if facts.pop("numbering") != numbering:
            return None
        return Codes(parts["mean"], parts["words"], facts.pop("candidates"), IndexFacts(**facts))
