"""What only the store in PostgreSQL has, on a real server."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from store_operations import plain
from store_servers import running_postgres
from stored import files_with, quick_folder, some_crops, unit

from reidr.errors import DataError
from reidr.service.store.migration import keep_model, migrate
from reidr.service.store.opening import open_store
from reidr.service.store.records import CropFilter, StoredCrop

pytestmark = pytest.mark.whole
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_postgres() as address:
        yield address


def test_galleries_of_one_database_are_apart(server: str) -> None:
    first, second = open_store(f"{server}&gallery=first"), open_store(f"{server}&gallery=second")
    first.set_model("abc", "tiny", 32)
    second.set_model("def", "other", 16)
    first.add(some_crops(20))
    second.add(some_crops(10, dimensions=16))
    assert (first.count(), second.count()) == (20, 10)
    assert first.facts().address.endswith("?gallery=first")
    with pytest.raises(DataError, match="holds vectors of tiny"):
        first.set_model("def", "other", 16)
    first.close()
    second.close()


def test_erased_rows_leave_the_tables_files(server: str) -> None:
    """The write-ahead log is the server's own, and not looked at (docs/galleries.md)."""
    store = open_store(f"{server}&gallery=erased")
    store.set_model("abc", "tiny", 32)
    crops = some_crops(200)
    store.add(crops)
    gone = crops[20:35]
    store.delete(CropFilter(tracks=frozenset(crop.track for crop in gone)))
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    tables = Path(server.rpartition("host=")[2]) / "base"
    assert files_with(tables, crops[0].picture)
    for crop in gone:
        assert files_with(tables, crop.picture) == files_with(tables, crop.vector.tobytes()) == []
    assert store.count() == 185
    store.close()


def test_an_erasure_that_was_cut_short_is_finished_by_whoever_opens_it(server: str) -> None:
    address = f"{server}&gallery=short"
    store = open_store(address)
    store.set_model("abc", "tiny", 32)
    crops = some_crops(50)
    store.add(crops)
    store._after_removal = lambda: None  # type: ignore[attr-defined]
    store.delete(CropFilter(ids=frozenset([crops[3].id])))
    store.close()
    open_store(address).close()
    tables = Path(server.rpartition("host=")[2]) / "base"
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    assert files_with(tables, crops[3].picture) == []


def test_the_index_finds_nearly_all_with_filters_too(server: str) -> None:
    random = np.random.default_rng(0)
    store = open_store(f"{server}&gallery=index")
    store.set_model("abc", "tiny", 32)
    people = unit(random.normal(size=(100, 32)))
    vectors = unit(people[np.arange(3000) % 100] + 0.1 * random.normal(size=(3000, 32)))
    store.add(
        [
            StoredCrop(f"{n:05}", f"camera {n % 7}", f"t{n % 7}-{n}", b"x", vector, time=float(n))
            for n, vector in enumerate(vectors)
        ]
    )
    made = store.build_index()
    assert made is not None
    assert made.recall >= 0.95
    assert store.facts().index == made
    for which in (CropFilter(), CropFilter(cameras=frozenset(["camera 3"])), CropFilter(since=10.0, until=400.0)):
        exact = store.search(vectors[:50], 10, which, exact=True)
        fast = store.search(vectors[:50], 10, which)
        assert all(len(hits) == 10 for hits in fast)
        shares = [len({h.id for h in a} & {h.id for h in b}) / 10 for a, b in zip(exact, fast, strict=True)]
        assert np.mean(shares) >= 0.95
    store.close()


def test_a_gallery_goes_round_all_databases_and_comes_back(server: str) -> None:
    pytest.importorskip("qdrant_client")
    with quick_folder() as folder:
        first = open_store(folder / "first")
        first.set_model("abc", "tiny", 32, "words")
        first.add(some_crops(300))
        first.merge(["track 00000", "track 00004"], "track 00000")
        first.assign(CropFilter(tracks=frozenset(["track 00000", "track 00007"])), "anna")
        places = [f"{server}&gallery=round", f"qdrant:{folder / 'second'}", str(folder / "third")]
        before = first
        for place in places:
            store = open_store(place)
            keep_model(before, store)
            done = migrate(before, store)
            assert (done.copied, done.there, done.others) == (300, 0, 0)
            before.close()
            before = store
        first = open_store(folder / "first")
        assert [plain(crop) for crop in before.crops()] == [plain(crop) for crop in first.crops()]
        assert before.tracks() == first.tracks()
        one, other = before.facts(), first.facts()
        assert replace(one, address="", version=0) == replace(other, address="", version=0)
        before.close()


def add_part(address: str, part: int) -> None:
    store = open_store(address)
    store.set_model("abc", "tiny", 32)
    for step in range(5):
        store.add(some_crops(10, first=1000 * part + 10 * step), operation=f"part {part} step {step}")
        store.add(some_crops(10, first=1000 * part + 10 * step), operation=f"part {part} step {step}")
        store.add(some_crops(5), operation="the same of all")
    store.close()


def test_processes_change_one_gallery_at_once(server: str) -> None:
    address = f"{server}&gallery=together"
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=add_part, args=(address, part)) for part in (1, 2, 3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    store = open_store(address)
    history = store.history()
    assert [operation.number for operation in history] == list(range(1, 17))
    assert sum(operation.changed for operation in history) == store.count() == 155
    store.close()


def test_nothing_is_lost_when_clients_are_killed(server: str) -> None:
    result = subprocess.run(
        [sys.executable, str(BENCHMARKS / "gallery_kills.py"), "8", server],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_server_that_is_not_there_is_told_in_one_sentence() -> None:
    with pytest.raises(DataError, match="cannot be used"):
        open_store("postgresql://nobody:secret@127.0.0.1:1/none")
    try:
        open_store("postgresql://nobody:secret@127.0.0.1:1/none")
    except DataError as error:
        assert "secret" not in str(error)  # noqa: PT017
