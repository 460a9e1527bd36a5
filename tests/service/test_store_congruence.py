"""The same random operations give the same answers in every store as in plain lists."""

from __future__ import annotations

from pathlib import Path

import pytest
from naive_store import NaiveStore
from store_operations import compare

from reidr.service.store.opening import open_store


@pytest.mark.parametrize("seed", range(2))
def test_sqlite_answers_as_plain_lists_do(tmp_path: Path, seed: int) -> None:
    store = open_store(tmp_path / "gallery")
    counts = compare(store, NaiveStore(), seed, 60, every=3)
    store.close()
    assert counts["refused"] > 2
    assert counts["changed"] > 30


@pytest.mark.whole
def test_sqlite_answers_as_plain_lists_do_a_thousand_times(tmp_path: Path) -> None:
    store = open_store(tmp_path / "gallery")
    compare(store, NaiveStore(), 100, 1000, every=5)
    store.close()
