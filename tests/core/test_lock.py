"""One process at a time in a run folder; the second is told who has it."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reidr.core import notices
from reidr.core.run import Run
from reidr.core.storage import lock
from reidr.core.storage.lock import FolderLock
from reidr.errors import InUseError, RecipeError, ReIDError

HOLDER = """
import sys, time
from pathlib import Path
from reidr.core.run import Run
run = Run(Path(sys.argv[1]), "train", {"seed": 1})
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "run")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_process_is_told_who_has_it(tmp_path: Path, holder: subprocess.Popen) -> None:
    begun = time.monotonic()
    with pytest.raises(InUseError) as raised:
        Run(tmp_path / "run", "train", {"seed": 1})
    assert time.monotonic() - begun < 5
    assert f"in use by process {holder.pid} on host" in str(raised.value)
    assert "since 20" in str(raised.value)
    # Under another path it is the same folder.
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with pytest.raises(InUseError):
        Run(tmp_path / "link", "train", {"seed": 1})


def test_the_kernel_lets_go_when_the_owner_is_killed(tmp_path: Path, holder: subprocess.Popen) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    Run(tmp_path / "run", "train", {"seed": 1}).close()
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"manifest.json"}


def held_by_child(folder: Path) -> bool:
    """Whether a forked child may lock `folder`."""

    def work(found: multiprocessing.Queue) -> None:
        try:
            FolderLock.take(folder, patience=0.0).release()
        except InUseError as error:
            found.put(str(error))
        else:
            found.put("")

    context = multiprocessing.get_context("fork")
    found = context.Queue()
    child = context.Process(target=work, args=(found,))
    child.start()
    said = found.get(timeout=20)
    child.join()
    return bool(said)


def test_one_process_may_open_a_run_twice_and_lets_go_with_the_last(tmp_path: Path) -> None:
    first = Run(tmp_path, "train", {"seed": 1})
    second = Run(tmp_path, "train", {"seed": 1})
    assert held_by_child(tmp_path)
    first.close()
    first.close()
    assert held_by_child(tmp_path)
    del second
    assert not held_by_child(tmp_path)
    assert not (tmp_path / ".lock").exists()


def test_a_refused_run_holds_nothing(tmp_path: Path) -> None:
    Run(tmp_path, "train", {"seed": 1}).close()
    with pytest.raises(RecipeError):
        Run(tmp_path, "train", {"seed": 2})
    assert not held_by_child(tmp_path)


def count_up(folder: Path, barrier: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    for _ in range(25):
        taken = FolderLock.take(folder, patience=60.0)
        path = folder / "number"
        number = int(path.read_text()) if path.exists() else 0
        time.sleep(0.001)
        path.write_text(str(number + 1))
        taken.release()


def test_never_two_at_a_time_though_the_file_comes_and_goes(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    workers = [context.Process(target=count_up, args=(tmp_path, barrier)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert (tmp_path / "number").read_text() == "100"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_locks_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, "no locks")

    monkeypatch.setattr(notices, "_said", set())
    monkeypatch.setattr(lock.fcntl, "flock", flock)
    with caplog.at_level(logging.WARNING, "reidr"):
        for _ in range(2):
            Run(tmp_path, "train", {}).close()
    assert len(caplog.records) == 1
    assert "its file system knows no locks" in caplog.text


def test_an_unsigned_lock_is_another_process(tmp_path: Path) -> None:
    for content in (b"", b"{", b"[]", b'{"pid": 1}'):
        (tmp_path / "x").write_bytes(content)
        with (tmp_path / "x").open("rb") as file:
            assert lock.owner_in_words(file.fileno()) == "another process"


def test_a_finished_run_that_cannot_be_written_to_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Run(tmp_path, "train", {}).finish("stage", time.perf_counter(), model="model")
    monkeypatch.setattr("reidr.core.run.os.access", lambda *_: False)
    monkeypatch.setattr("reidr.core.run.prepare_folder", lambda *_: pytest.fail("tried to write"))
    assert Run(tmp_path, "train", {}).finished("stage") is not None


@pytest.mark.parametrize("name", ["report.json", "report.html", "reasons.html"])
def test_results_of_an_unknown_run_are_not_written_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(RecipeError, match=f"holds results .{name}. of a run that it does not describe"):
        Run(tmp_path, "find", {})
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"stages": 3}', "\x00\x01", '"x"'])
def test_a_manifest_that_is_none_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ReIDError, match=r"manifest\.json: not a run's manifest"):
        Run(tmp_path, "find", {})
