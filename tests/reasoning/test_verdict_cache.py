from __future__ import annotations

import multiprocessing
import os
import sqlite3
from pathlib import Path

import pytest

from reidr.errors import ReIDError
from reidr.reasoning.backends.verdict_cache import VerdictCache, default_path, pair_key, question_key
from reidr.reasoning.types import Cue, Verdict


def verdict(key: str, text: str = "Shoes: «weiß», 白: same.") -> Verdict:
    return Verdict("same", 0.1 + 0.2, text, (Cue("shoes", "agree"), Cue("bag", "unseen")), 7, 0.25, "m", "p", key)


def test_what_was_kept_comes_back_exactly(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "kept.sqlite"
    made = verdict("a")
    with VerdictCache(path) as cache:
        cache.keep_scores({"a": (1 / 3, -1e-9, 1e300), "b": (0.0, 1.0, 2.0)})
        cache.keep_scores({"b": (5.0, 6.0, 7.0)})
        cache.keep_verdicts([made])
    with VerdictCache(path) as cache:
        assert cache.scores(["a", "x", "b", "a"]) == {"a": (1 / 3, -1e-9, 1e300), "b": (5.0, 6.0, 7.0)}
        assert cache.verdicts(["a", "b"]) == {"a": made}
        assert cache.scores([]) == {}
    assert path.stat().st_mode & 0o077 == 0


def test_many_keys_at_once(tmp_path: Path) -> None:
    with VerdictCache(tmp_path / "kept.sqlite") as cache:
        rows = {f"{i}": (float(i), 0.0, 1.0) for i in range(1203)}
        cache.keep_scores(rows)
        assert cache.scores(rows) == rows


def test_keys_differ_in_every_part() -> None:
    question = question_key(("weights", "prompt", (1, 2), None))
    others = [
        question_key(parts)
        for parts in (("Weights", "prompt", (1, 2), None), ("weights", "prompt", (1, 3), None),
                      ("weights", "prompt2", (1, 2), None), ("weightsprompt", "", (1, 2), None))
    ]  # fmt: skip
    assert len({question, *others}) == 5
    assert len({pair_key(question, "a", "b"), pair_key(question, "b", "a"), pair_key(others[0], "a", "b")}) == 3
    assert pair_key(question, "a", "b") == pair_key(question_key(("weights", "prompt", (1, 2), None)), "a", "b")


def write_many(path: Path, name: str, barrier: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    with VerdictCache(path) as cache:
        for i in range(60):
            cache.keep_scores({f"{name}{i}": (float(i), 1.0, 2.0), "both": (1.0, 2.0, 3.0)})
            cache.keep_verdicts([verdict(f"{name}{i}")])
            assert f"{name}{i}" in cache.verdicts([f"{name}{i}"])


def test_two_processes_write_at_a_time(tmp_path: Path) -> None:
    """Both also make the file: they are let go at the same moment, before it is there."""
    path = tmp_path / "kept.sqlite"
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    workers = [context.Process(target=write_many, args=(path, name, barrier)) for name in ("x", "y")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    with VerdictCache(path) as cache:
        keys = [f"{name}{i}" for name in ("x", "y") for i in range(60)]
        assert set(cache.scores([*keys, "both"])) == {*keys, "both"}
        assert set(cache.verdicts(keys)) == set(keys)


def test_a_write_that_fails_leaves_nothing_half_done(tmp_path: Path) -> None:
    with VerdictCache(tmp_path / "kept.sqlite") as cache:
        with pytest.raises(ReIDError, match="damaged"):
            cache.keep_scores({"good": (1.0, 2.0, 3.0), "bad": ("x", 2.0, 3.0)})  # type: ignore[dict-item]
        assert cache.scores(["good"]) == {}
        cache.keep_scores({"good": (1.0, 2.0, 3.0)})
        assert "good" in cache.scores(["good"])


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "kept.sqlite"
    path.write_bytes(b"this is no database at all, but long enough to be taken for one" * 50)
    with pytest.raises(ReIDError, match=r"kept\.sqlite: the verdict cache is damaged .*delete the file"):
        VerdictCache(path)
    path.unlink()
    with VerdictCache(path) as cache:
        cache.keep_scores({f"{i}": (0.0, 0.0, 0.0) for i in range(2000)})
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    with pytest.raises(ReIDError, match="damaged"), VerdictCache(path) as cache:
        cache.scores([f"{i}" for i in range(2000)])


def test_a_verdict_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "kept.sqlite"
    with VerdictCache(path) as cache:
        cache.keep_verdicts([verdict("a")])
    with sqlite3.connect(path) as connection:
        connection.execute("""UPDATE verdicts SET verdict = '{"answer": "same"}'""")
    connection.close()
    with pytest.raises(ReIDError, match=r"kept\.sqlite: the verdict cache is damaged"), VerdictCache(path) as cache:
        cache.verdicts(["a"])


def test_other_databases_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE diary (day TEXT)")
    connection.close()
    with pytest.raises(ReIDError, match="not a verdict cache of this version"):
        VerdictCache(path)
    with sqlite3.connect(path) as connection:
        assert [name for (name,) in connection.execute("SELECT name FROM sqlite_master")] == ["diary"]
    connection.close()


def test_a_file_of_the_first_version_is_brought_up_and_keeps_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "kept.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE scores (key TEXT PRIMARY KEY, yes REAL, no REAL, insufficient REAL) WITHOUT ROWID"
        )
        connection.execute("CREATE TABLE verdicts (key TEXT PRIMARY KEY, verdict TEXT NOT NULL) WITHOUT ROWID")
        connection.execute("INSERT INTO scores VALUES ('a', 1.0, 2.0, 3.0)")
        # As the first version wrote it: an unreadable answer had a probability of 0.5.
        old = (
            '{"answer": "insufficient", "probability": 0.5, "reasoning": "hm", "cues": [], "tokens": 1, "seconds": 0.1,'
            ' "model": "m", "prompt": "p", "key": "a", "parsable": false}'
        )
        connection.execute("INSERT INTO verdicts VALUES ('a', ?)", (old,))
        connection.execute("PRAGMA user_version=1")
    connection.close()
    for _ in range(2):
        with VerdictCache(path) as cache:
            assert (cache.scores(["a"]), cache.kinds(["a"])) == ({"a": (1.0, 2.0, 3.0)}, {"a": "read"})
            assert cache.verdicts(["a"])["a"].probability is None
            cache.keep_scores({"b": (1.0, 2.0, 3.0)}, kind="sampled")
            assert cache.kinds(["a", "b", "c"]) == {"a": "read", "b": "sampled"}


def test_where_it_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReIDError, match="cannot be made there"):
        VerdictCache(tmp_path / "file" / "kept.sqlite")


def test_it_lies_in_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REIDR_CACHE", str(tmp_path))
    assert default_path() == tmp_path / "verdicts.sqlite"
