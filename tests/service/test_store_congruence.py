"""The same random operations give the same answers in every store as in plain lists."""

from __future__ import annotations

import pytest
from naive_store import NaiveStore
from store_operations import compare
from store_servers import running_postgres
from stored import quick_folder

from reidr.service.store.opening import open_store
from reidr.service.store.store import GalleryStore


@pytest.mark.parametrize("seed", range(2))
def test_sqlite_answers_as_plain_lists_do(seed: int) -> None:
    with quick_folder() as folder:
        store = open_store(folder / "gallery")
        counts = compare(store, NaiveStore(), seed, 60, every=3)
        store.close()
    assert counts["refused"] > 2
    assert counts["changed"] > 30


@pytest.mark.whole
def test_sqlite_answers_as_plain_lists_do_a_thousand_times() -> None:
    with quick_folder() as folder:
        store = open_store(folder / "gallery")
        compare(store, NaiveStore(), 100, 1000, every=10)
        store.close()


@pytest.mark.whole
def test_postgresql_answers_as_plain_lists_do_a_thousand_times() -> None:
    with running_postgres() as address:
        store = open_store(f"{address}&gallery=random")
        compare(store, NaiveStore(), 100, 1000, every=10)
        store.close()


def test_qdrant_answers_as_plain_lists_do() -> None:
    store = in_memory()
    compare(store, NaiveStore(), 0, 40, every=5)


@pytest.mark.whole
def test_qdrant_answers_as_plain_lists_do_a_thousand_times() -> None:
    compare(in_memory(), NaiveStore(), 100, 1000, every=10)


def in_memory() -> GalleryStore:
    """Qdrant's client in its local mode: the same answers as a server's, in this process."""
    client = pytest.importorskip("qdrant_client").QdrantClient(":memory:")
    from reidr.service.store.qdrant.store import QdrantStore

    return QdrantStore(client, "qdrant:memory", local=True)
