"""`reidr serve-model`: its arguments, its key, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asking import everything, head, words
from click.testing import CliRunner, Result

from reidr.cli.serve_model import command
from reidr.errors import ReIDError
from reidr.reasoning.backends.reference import Reasoner


@pytest.fixture
def checkpoint(tiny: Any, tmp_path: Path) -> Path:
    tiny.model.save_pretrained(tmp_path / "model")
    tiny.processor.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def ask(port: int, body: Any) -> socket.socket:
    raw = json.dumps(body).encode()
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(head(len(raw), "Connection: close") + raw)
    return connection


def served(*arguments: str, port: int, meanwhile: Callable[[], None]) -> Result:
    """The command in this thread, and beside it what happens once it serves."""

    def beside() -> None:
        deadline = time.monotonic() + 20
        while not healthy(port) and time.monotonic() < deadline:
            time.sleep(0.02)
        meanwhile()

    thread = threading.Thread(target=beside)
    thread.start()
    try:
        return CliRunner().invoke(command, [*arguments, "--port", str(port), "--device", "cpu"])
    finally:
        thread.join()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(checkpoint: Path, number: signal.Signals) -> None:
    port = free_port()
    answers: list[bytes] = []

    def meanwhile() -> None:
        with ask(port, words(max_tokens=200)) as connection:
            time.sleep(0.05)
            os.kill(os.getpid(), number)
            answers.append(everything(connection))

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    ran = served(str(checkpoint), port=port, meanwhile=meanwhile)
    assert ran.exit_code == 0, ran.output
    assert ran.output == f"serving model at http://127.0.0.1:{port}/v1; Ctrl-C ends it\nended\n"
    assert answers[0].startswith(b"HTTP/1.1 200 ")
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_signal_while_it_loads_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
        raise AssertionError("went on")

    monkeypatch.setattr(Reasoner, "load", load)
    ran = CliRunner().invoke(command, ["nano", "--port", "0"])
    assert (ran.exit_code, ran.output) == (0, "")


def test_limits_and_key_reach_the_server(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("REIDR_SERVE_KEY", "sesame")
    answers: list[bytes] = []

    def meanwhile() -> None:
        for more in ((), ("Authorization: Bearer sesame",)):
            raw = json.dumps(words("x" * 50)).encode()
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                connection.sendall(head(len(raw), "Connection: close", *more) + raw)
                answers.append(everything(connection))
        os.kill(os.getpid(), signal.SIGTERM)

    ran = served(str(checkpoint), "--max-text", "40", port=port, meanwhile=meanwhile)
    assert ran.exit_code == 0, ran.output
    assert answers[0].startswith(b"HTTP/1.1 401 ")
    assert b"50 characters, more than 40" in answers[1]


def test_beyond_this_machine_it_wants_a_key_or_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: Any, **__: Any) -> None:
        raise ReIDError("loads")

    monkeypatch.setattr(Reasoner, "load", load)

    def told(*arguments: str) -> str:
        return str(CliRunner().invoke(command, list(arguments)).exception)

    monkeypatch.delenv("REIDR_SERVE_KEY", raising=False)
    assert "set a key in REIDR_SERVE_KEY, or say --allow-open" in told("--host", "0.0.0.0")
    assert told("--host", "0.0.0.0", "--allow-open") == "loads"
    assert told("--host", "127.0.0.1") == "loads"
    monkeypatch.setenv("REIDR_SERVE_KEY", "sesame")
    assert told("--host", "0.0.0.0") == "loads"
    for wrong in ("", "two words", "line\nbreak", "schlüssel"):
        monkeypatch.setenv("REIDR_SERVE_KEY", wrong)
        assert "printable ASCII" in told("--host", "127.0.0.1")


def test_wrong_arguments_are_told_before_anything_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reasoner, "load", lambda *_, **__: pytest.fail("loaded"))
    for option in ("--max-waiting", "--max-prompt-tokens", "--max-text", "--max-request", "--max-memory", "--grace"):
        assert CliRunner().invoke(command, [option, "0"]).exit_code == 2
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = CliRunner().invoke(command, ["--port", str(taken.getsockname()[1])])
    assert "cannot listen on" in str(ran.exception)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("reidr.service.model_server.", "fastapi", "uvicorn"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    told = str(CliRunner().invoke(command, []).exception)
    assert re.fullmatch(r"the model server needs (fastapi|uvicorn); install with: pip install 'reidr\[service\]'", told)


@pytest.mark.slow
def test_a_process_of_its_own_ends_with_0(checkpoint: Path) -> None:
    port = free_port()
    code = "import sys; from reidr.cli.main import main; sys.argv[0] = 'reidr'; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "serve-model", str(checkpoint), "--port", str(port), "--device", "cpu"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().startswith("serving model at ")
        with ask(port, words(max_tokens=800)) as connection:
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            assert everything(connection).startswith(b"HTTP/1.1 200 ")
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "ended\n")
    assert "Traceback" not in err
    assert "127.0.0.1" not in err


@pytest.mark.slow
@pytest.mark.parametrize("wait_for_start", [True, False], ids=["serving", "loading"])
def test_signals_that_keep_coming_change_no_exit_code(checkpoint: Path, wait_for_start: bool) -> None:
    code = "import sys; from reidr.cli.main import main; sys.argv[0] = 'reidr'; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "serve-model", str(checkpoint), "--port", "0", "--device", "cpu"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        if wait_for_start:
            assert process.stdout.readline().startswith("serving model at ")
        else:
            time.sleep(3.0)  # past Python's own start, within the import of torch
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        assert (process.wait(timeout=5), "Traceback" in process.stderr.read()) == (0, False)  # type: ignore[union-attr]
