"""A verdict cache that cannot be used is warned of once and ends nothing."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

import pytest

from reidr.core import notices
from reidr.reasoning.backends.verdict_cache import ForgivingCache, VerdictCache
from reidr.reasoning.types import Verdict


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_said", set())


def verdict(key: str) -> Verdict:
    return Verdict("same", 0.75, "Shoes: alike.", (), 7, 0.25, "m", "p", key)


def use(cache: ForgivingCache) -> None:
    """Every call that a back end makes."""
    for _ in range(2):
        cache.keep_scores({"a": (1.0, 2.0, 3.0)})
        cache.keep_verdicts([verdict("a")])
        cache.scores(["a"])
        cache.verdicts(["a"])
    cache.close()


def test_where_it_works_it_is_the_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "new" / "kept.sqlite"
    use(ForgivingCache(path))
    with VerdictCache(path) as cache:
        assert cache.scores(["a"]) == {"a": (1.0, 2.0, 3.0)}
        assert cache.verdicts(["a"]) == {"a": verdict("a")}
    assert not caplog.records
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("trouble", ["no folder", "no database", "damaged later", "another's", "a folder"])
def test_every_trouble_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture, trouble: str) -> None:
    path = tmp_path / "kept.sqlite"
    if trouble == "no folder":
        (tmp_path / "file").touch()
        path = tmp_path / "file" / "kept.sqlite"
    elif trouble == "no database":
        path.write_bytes(b"this is no database at all, but long enough to be taken for one" * 50)
    elif trouble == "damaged later":
        with VerdictCache(path) as cache:
            cache.keep_scores({f"{i}": (0.0, 0.0, 0.0) for i in range(2000)})
            cache.keep_verdicts([verdict("a")])
        whole = path.read_bytes()
        path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    elif trouble == "another's":
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE diary (day TEXT)")
        connection.close()
    else:
        path.mkdir()
    with caplog.at_level(logging.WARNING, "reidr"):
        use(ForgivingCache(path))
        use(ForgivingCache(path))
    assert len(caplog.records) == 1
    assert "kept.sqlite" in caplog.text
    assert "going on without" in caplog.text


def test_what_is_no_number_was_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "kept.sqlite"
    with VerdictCache(path) as cache:
        cache.keep_scores({"good": (1.0, 2.0, 3.0), "bad": (float("nan"), 2.0, 3.0)})
    assert ForgivingCache(path).scores(["good", "bad"]) == {"good": (1.0, 2.0, 3.0)}
