"""The record stores: the answers of a naive one, nothing lost by a kill, no bytes of what was removed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from naive_records import NaiveRecords
from record_congruence import compare

from reidr.errors import ConflictError, DataError, ReIDError
from reidr.service.records.opening import open_records
from reidr.service.records.postgres import without_password
from reidr.service.records.sqlite import SqliteRecords


def without_waiting(folder: Path) -> SqliteRecords:
    """A store that does not wait for the disk, for tests that write much and pull no plug."""
    store = SqliteRecords(folder / "records.sqlite")
    store._connection.execute("PRAGMA synchronous=OFF")
    return store


def test_sqlite_answers_as_the_naive_store_does(tmp_path: Path) -> None:
    compare(without_waiting(tmp_path / "gallery"), NaiveRecords(), seed=1, steps=1000)


def test_what_was_written_is_there_for_the_next_process_and_private(tmp_path: Path) -> None:
    store = open_records(tmp_path)
    store.put("case", "one", {"a": 1})
    store.append("audit", lambda _: {"n": 1})
    store.close()
    again = open_records(tmp_path)
    assert again.get("case", "one").value == {"a": 1}  # type: ignore[union-attr]
    assert [row.value for row in again.rows("audit")] == [{"n": 1}]
    assert (tmp_path / "records.sqlite").stat().st_mode & 0o077 == 0


def add_rows(folder: Path, number: int) -> None:
    store = open_records(folder)
    for _ in range(number):
        store.append("audit", lambda last: {"before": last.number if last else 0})
        while True:
            found = store.get("count", "one")
            try:
                store.put(
                    "count", "one", {"n": found.value["n"] + 1 if found else 1}, version=found.version if found else 0
                )
                break
            except ConflictError:
                continue


def test_several_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    children = [multiprocessing.get_context("fork").Process(target=add_rows, args=(tmp_path, 8)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    store = open_records(tmp_path)
    assert [row.value["before"] for row in store.rows("audit")] == list(range(24))
    assert store.get("count", "one").value == {"n": 24}  # type: ignore[union-attr]


def test_several_threads_share_one_store(tmp_path: Path) -> None:
    store = open_records(tmp_path)
    threads = [
        threading.Thread(target=lambda: [store.append("audit", lambda last: {}) for _ in range(5)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row.number for row in store.rows("audit")] == list(range(1, 21))


def acknowledge(folder: Path, pipe: int) -> None:
    """Append for ever; say each number when it has returned."""
    store = open_records(folder)
    while True:
        row = store.append("audit", lambda last: {"n": last.number + 1 if last else 1})
        os.write(pipe, f"{row.number}\n".encode())


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    for attempt in range(4):
        reading, writing = os.pipe()
        child = multiprocessing.get_context("fork").Process(target=acknowledge, args=(tmp_path, writing))
        child.start()
        os.close(writing)
        time.sleep(0.05 + 0.02 * attempt)
        os.kill(child.pid, signal.SIGKILL)  # type: ignore[arg-type]
        child.join()
        told = [int(line) for line in os.fdopen(reading).read().split()]
        store = open_records(tmp_path)
        numbers = [row.number for row in store.rows("audit", limit=10**6)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert not told or told[-1] <= len(numbers) <= told[-1] + 1
        store.close()


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_no_bytes_of_what_was_removed_or_replaced_stay(tmp_path: Path) -> None:
    store = without_waiting(tmp_path)
    for number in range(300):  # enough for pages to be split and moved
        store.put("case", f"{number * 7919 % 300:03}", {"text": f"secret-{number}-" + "x" * (number % 90)})
    for number in range(0, 300, 2):
        store.put("case", f"{number:03}", {"text": "harmless"})
    for number in range(1, 300, 2):
        assert store.remove("case", f"{number:03}")
    assert b"secret-" in bytes_of(tmp_path)
    store.purge()
    assert b"secret-" not in bytes_of(tmp_path)
    assert len(store.of_kind("case")) == 150


def test_a_log_only_grows(tmp_path: Path) -> None:
    store = open_records(tmp_path)
    store.append("audit", lambda _: {"n": 1})
    other = sqlite3.connect(tmp_path / "records.sqlite")
    for statement in ("DELETE FROM logs", "UPDATE logs SET value = '{}'"):
        with pytest.raises(sqlite3.DatabaseError, match="only grows"):
            other.execute(statement)


def test_a_row_whose_maker_fails_is_not_added(tmp_path: Path) -> None:
    store = open_records(tmp_path)

    def refuse(_: object) -> dict[str, object]:
        raise DataError("no")

    with pytest.raises(DataError):
        store.append("audit", refuse)
    assert store.rows("audit") == []
    assert store.append("audit", lambda last: {"last": last}).number == 1


@pytest.mark.parametrize("name", ["", "x" * 501, "a\0b", "\ud800"])
def test_names_that_cannot_be_kept_are_refused(tmp_path: Path, name: str) -> None:
    store = open_records(tmp_path)
    with pytest.raises(DataError, match="name"):
        store.put("case", name, {})
    with pytest.raises(DataError, match="JSON"):
        store.put("case", "a", {"n": float("nan")})


def test_what_is_no_record_store_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "records.sqlite").write_bytes(b"no database at all, whatever it says" * 30)
    with pytest.raises(ReIDError, match=r"records\.sqlite: .*(damaged|cannot be used)"):
        open_records(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    sqlite3.connect(other / "records.sqlite").execute("CREATE TABLE mine (a)").connection.commit()
    with pytest.raises(ReIDError, match="not a record store of this version"):
        open_records(other)
    with pytest.raises(DataError, match="--records"):
        open_records("http://localhost:6333")
    with pytest.raises(DataError, match="is a file"):
        open_records(other / "records.sqlite")


def test_no_password_is_shown() -> None:
    assert without_password("postgresql://me:secret@host:5432/db?x=1") == "postgresql://me@host:5432/db"
    assert "secret" not in without_password("postgresql://host/db?password=secret")
