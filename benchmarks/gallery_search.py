"""Searching a gallery in SQLite beside a bare flat index of faiss, with the same filters, in the same process.

    python benchmarks/gallery_search.py                    every case, one JSON line each
    python benchmarks/gallery_search.py 16k/all 1m/camera
    GALLERY_FOLDER=/fast/disk python benchmarks/gallery_search.py 1m/all 1m/approximate

Vectors of 512 numbers are synthetic and seeded: a centre for each person, and noise around it that leaves most of the
ten nearest to the person. Pictures are a few bytes, since no search reads them. Both sides answer one query at a time,
taking turns, so that a busy machine disturbs both alike; `ratio` is that of the 99th percentiles, `median_ratio` that
of the medians. Before the first measured query each side has seen the filter: faiss gets it as a bitmap over its rows,
ours as cameras and times. Ours also says ids, tracks, cameras and times of the hits. Without faiss only our side is
measured. `approximate` compares our approximate index with our exact search: `share` of its time, recall of the first
ten. A million crops take 2 GB on each side, and 5 GB on the disk; GALLERY_FOLDER keeps them for the next case.
`count_median_ms` is what the service adds to each search by counting the crops that it is among.
"""

from __future__ import annotations

import importlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import measure
import numpy as np
from numpy.typing import NDArray

from reidr.service.store.records import EVERYTHING, CropFilter, StoredCrop
from reidr.service.store.sql_store import SqlStore
from reidr.service.store.sqlite.store import SqliteStore

DIMENSIONS, K, CAMERAS, PER_PERSON = 512, 10, 10, 20
SIZES = {"16k": (16_000, 400), "200k": (200_000, 200), "1m": (1_000_000, 100)}
"""Crops, and queries that are measured."""
FILTERS = ("all", "camera", "hour")
CASES = [f"{size}/{kind}" for size in SIZES for kind in (*FILTERS, "approximate")]
BATCH = 10_000
COUNTS = 20  # how often the crops that pass are counted, from what is held and by the table
DAY = 86_400.0

Rows = NDArray[np.float32]


def unit(rows: Rows) -> Rows:
    """Rows of length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def centres_of(number: int) -> Rows:
    """(P, 512) one centre for each person of a gallery of so many crops."""
    random = np.random.default_rng(0)
    return unit(random.standard_normal((max(1, number // PER_PERSON), DIMENSIONS), dtype=np.float32))


def around(centres: Rows, seed: int) -> Rows:
    """Rows around the centres."""
    noise = np.random.default_rng([1, seed]).standard_normal(centres.shape, dtype=np.float32)
    return unit(centres + np.float32(0.9 / np.sqrt(DIMENSIONS)) * noise)


def parts_of(number: int, first: int = 0) -> Iterator[tuple[int, Rows]]:
    """The vectors of a gallery in parts, each with the place of its first; the machine may not have room for all."""
    centres = centres_of(number)
    for place in range(first, number, BATCH):
        who = np.arange(place, min(place + BATCH, number)) % len(centres)
        yield place, around(centres[who], place)


def queries_of(number: int, queries: int) -> Rows:
    """(queries, 512) further rows of the gallery's persons."""
    centres = centres_of(number)
    return around(centres[np.random.default_rng(2).integers(len(centres), size=queries)], -1 % 2**31)


def times_of(number: int) -> NDArray[np.float64]:
    """(number,) seconds of a day, ascending."""
    return np.linspace(0.0, DAY, number, endpoint=False)


def filled(folder: Path, number: int) -> SqliteStore:
    """A gallery of these rows; one that is there already is used again."""
    store = SqliteStore(folder)
    store.set_model("benchmark", "benchmark", DIMENSIONS)
    times = times_of(number)
    for first, rows in parts_of(number, store.count()):
        store.add(
            [
                StoredCrop(
                    f"{place:08}",
                    f"camera {place % CAMERAS}",
                    f"track {place % CAMERAS}-{place // 50}",
                    b"picture",
                    row,
                    time=float(times[place]),
                )
                for place, row in enumerate(rows, start=first)
            ]
        )
    return store


def filter_of(kind: str, number: int) -> tuple[CropFilter, NDArray[np.bool_] | None]:
    """A filter, and the rows that pass it."""
    if kind == "camera":
        return CropFilter(cameras=frozenset(["camera 3"])), np.arange(number) % CAMERAS == 3
    if kind == "hour":
        times = times_of(number)
        start, end = DAY / 2, DAY / 2 + 3600
        return CropFilter(since=start, until=end), (times >= start) & (times <= end)
    return EVERYTHING, None


def flat_index(number: int, mask: NDArray[np.bool_] | None) -> Callable[[Rows], Any] | None:
    """The search of faiss; None where it is not installed."""
    try:
        faiss: Any = importlib.import_module("faiss")
    except ImportError:
        return None
    index = faiss.IndexFlatIP(DIMENSIONS)
    for _, rows in parts_of(number):
        index.add(rows)
    if mask is None:
        return lambda query: index.search(query, K)
    bits = np.packbits(mask, bitorder="little")
    selector = faiss.IDSelectorBitmap(bits)
    return lambda query: index.search(query, K, params=faiss.SearchParameters(sel=selector))


def in_turns(queries: Rows, *sides: Callable[[Rows], Any] | None) -> tuple[list[list[float]], list[list[Any]]]:
    """Milliseconds and answers of each side, one query at a time."""
    taken: list[list[float]] = [[] for _ in sides]
    answers: list[list[Any]] = [[] for _ in sides]
    for place in range(-5, len(queries)):
        query = queries[place : place + 1] if place >= 0 else queries[:1]  # the first few warm up
        for number, side in enumerate(sides):
            if side is None:
                continue
            begun = time.perf_counter()
            answer = side(query)
            milliseconds = 1000 * (time.perf_counter() - begun)
            if place >= 0:
                taken[number].append(milliseconds)
                answers[number].append(answer)
    return taken, answers


def percentiles(name: str, taken: list[float]) -> dict[str, float]:
    """Median and 99th percentile under names of a side."""
    if not taken:
        return {}
    middle, last = np.percentile(taken, [50, 99])
    return {f"{name}_median_ms": round(float(middle), 3), f"{name}_p99_ms": round(float(last), 3)}


def run_case(case: str) -> dict[str, Any]:
    """One size with one filter."""
    size, kind = case.split("/")
    number, asked = SIZES[size]
    queries = queries_of(number, asked)
    home = os.environ.get("GALLERY_FOLDER")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(home or name) / f"gallery-{size}"
        begun = time.perf_counter()
        store = filled(folder, number)
        store.search(queries[:1], 1)
        opened = round(time.perf_counter() - begun, 1)
        which, mask = filter_of(kind, number)
        peer = None if kind == "approximate" else flat_index(number, mask)
        if kind == "approximate":
            facts = approximate(store, queries)
        else:
            facts = {"passing": int(number if mask is None else mask.sum()), **beside(store, which, queries, peer)}
        store.close()
    return {"crops": number, "queries": asked, "filled_and_opened_s": opened, **facts}


def beside(store: SqliteStore, which: CropFilter, queries: Rows, peer: Callable[[Rows], Any] | None) -> dict[str, Any]:
    """Ours and faiss in turns; `same` is the share of equal first tens."""
    taken, answers = in_turns(queries, lambda query: store.search(query, K, which, exact=True), peer)
    facts: dict[str, Any] = percentiles("ours", taken[0]) | percentiles("faiss", taken[1])
    if peer is not None:
        pairs = zip(answers[0], answers[1], strict=True)
        equal = [{int(hit.id) for hit in ours[0]} == set(theirs[1][0].tolist()) for ours, theirs in pairs]
        facts |= {"ratio": round(facts["ours_p99_ms"] / facts["faiss_p99_ms"], 3), "same": float(np.mean(equal))}
        facts["median_ratio"] = round(facts["ours_median_ms"] / facts["faiss_median_ms"], 3)
    counted, _ = in_turns(queries[:COUNTS], lambda _: store.count(which), lambda _: SqlStore.count(store, which))
    held, table = (float(np.median(taken)) for taken in counted)
    return facts | {"count_median_ms": round(held, 3), "count_by_table_median_ms": round(table, 3)}


def approximate(store: SqliteStore, queries: Rows) -> dict[str, Any]:
    """The approximate index beside our own exact search."""
    made = store.facts().index or store.build_index()
    assert made is not None
    taken, answers = in_turns(
        queries, lambda query: store.search(query, K, exact=True), lambda query: store.search(query, K)
    )
    shares = [
        len({hit.id for hit in exact[0]} & {hit.id for hit in fast[0]}) / K
        for exact, fast in zip(answers[0], answers[1], strict=True)
    ]
    facts: dict[str, Any] = percentiles("exact", taken[0]) | percentiles("approximate", taken[1])
    facts["share"] = round(facts["approximate_median_ms"] / facts["exact_median_ms"], 3)
    facts["share_p99"] = round(facts["approximate_p99_ms"] / facts["exact_p99_ms"], 3)
    return {**facts, "recall": round(float(np.mean(shares)), 4), "build_s": round(made.seconds, 1)}


if __name__ == "__main__":
    measure.main(__file__, CASES, run_case)
