"""Signals: the exit code names them, one line says what is kept, and none is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reidr.core.process import signals

BUSY = """
import sys, time
sys.argv[0] = "/usr/bin/reidr"
import reidr.cli.main as main
from reidr.core.progress import progress
from reidr.core.process.signals import note_kept
def work(**_):
    print("ready", flush=True)
    {work}
main.reidr = work
main.main()
"""
WORKS = {
    "sleeps": ("time.sleep(30)", "; nothing was kept; run the same command again to begin anew"),
    "keeps": (
        'note_kept("a", "3 new embeddings in a"); note_kept("a", "5 new embeddings in a"); time.sleep(30)',
        "kept: 5 new embeddings in a; run the same command again to go on from there",
    ),
    # Python drops what is raised in the callback of a weak reference, as the import system has them.
    "in a callback": (
        """
    import weakref
    class Thing: pass
    thing = Thing()
    reference = weakref.ref(thing, lambda _: time.sleep(1))
    del thing
    time.sleep(30)
    """,
        "nothing was kept",
    ),
    # The exception may come where somebody swallows it, or where somebody makes another one of it.
    "swallows": (
        """
    try: time.sleep(30)
    except BaseException: pass
    with progress("going on", 1000) as advance:
        for _ in range(1000): time.sleep(0.03); advance(1)
    """,
        "nothing was kept",
    ),
    "turns": (
        """
    try: time.sleep(30)
    except BaseException as error: raise ImportError("cannot import name") from error
    """,
        "nothing was kept",
    ),
}


@pytest.mark.parametrize("name", list(WORKS))
@pytest.mark.parametrize(
    ("number", "called", "code"), [(signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143)]
)
def test_one_line_and_the_exit_code(name: str, number: int, called: str, code: int) -> None:
    work, words = WORKS[name]
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY.format(work=work)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("going on")]
    assert len(lines) == 1, said
    assert lines[0].startswith(f"reidr: stopped by {called}; ")
    assert words in lines[0]
    assert process.returncode == code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.15, 0.4])
def test_right_after_the_start(tmp_path: Path, number: int, after: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "reidr.cli.main", "find", "q.jpg", "--in", "absent", "--reasoner", "none"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(after)
    if process.poll() is None:
        process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    if process.returncode != 1:  # else it had already found that there is no q.jpg
        assert process.returncode in (128 + number, -number)  # killed before Python had begun


def test_a_second_one_ends_at_once(tmp_path: Path) -> None:
    work = "\n    try: time.sleep(30)\n    finally: print('cleaning', flush=True); time.sleep(30)"
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY.format(work=work)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "cleaning\n"
    process.send_signal(signal.SIGINT)  # some launchers send it twice
    time.sleep(1.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "stopped at once by a second Ctrl-C" in said


def test_what_was_inherited_as_ignored_stays_ignored() -> None:
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + BUSY.format(work="time.sleep(1)")
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.fixture
def restored() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_importing_the_package_changes_no_handler(restored: None) -> None:
    before = signal.getsignal(signal.SIGINT)
    assert not signals.is_command([sys.argv[0]])
    signals.end_at_once_when_told()
    assert signal.getsignal(signal.SIGINT) is before
    for program in ("/a/bin/reidr", "C:/x/reidr.exe", "/a/src/reidr/cli/main.py"):
        assert signals.is_command([program])
    for program in ("", "/a/train.py", "/a/main.py"):
        assert not signals.is_command([program])


@pytest.mark.skipif(os.geteuid() != 0, reason="a PID namespace of one's own needs root")
def test_as_process_one_of_a_container(tmp_path: Path) -> None:
    """The kernel drops signals for process 1 that it has no handler for."""
    code = BUSY.format(work="time.sleep(30)")
    process = subprocess.Popen(
        ["unshare", "--pid", "--fork", sys.executable, "-c", "import os; assert os.getpid() == 1\n" + code],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        pytest.skip("no PID namespace here")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert "stopped by SIGTERM" in said
    assert process.returncode == 143


STUCK = """
import ctypes
from pathlib import Path
from reidr.core.process.signals import end_although_stuck, interrupt_when_told, note_step

interrupt_when_told()
end_although_stuck(after=0.2)
note_step(Path("run"), "step", 7)
lock, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
lock.pthread_mutex_lock(mutex)
print("stuck", flush=True)
lock.pthread_mutex_lock(mutex)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the mutex of glibc")
def test_a_process_that_is_stuck_in_a_library_ends_with_its_sentence() -> None:
    stuck = subprocess.Popen(
        [sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert stuck.stdout is not None
    assert stuck.stdout.readline() == "stuck\n"
    time.sleep(0.5)  # it is printed just before
    stuck.terminate()
    _, said = stuck.communicate(timeout=30)
    assert stuck.returncode == 128 + signal.SIGTERM
    assert said == "reidr: stopped by SIGTERM; kept: run up to step 7; run the same command again to go on from there\n"
