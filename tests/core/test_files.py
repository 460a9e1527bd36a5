"""The atomic writer: whole or not at all, private, said in words, and nothing of the dead stays behind."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from reidr.core.storage import files
from reidr.core.storage.files import (
    filling,
    make_folder,
    new_folder,
    replacing,
    save_safetensors,
    sweep,
    torch_save,
    write_bytes,
    write_json,
    write_text,
    writing,
)
from reidr.errors import ReIDError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_what_is_written_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    folder = tmp_path / "a" / "b"
    make_folder(folder)
    write_json(folder / "x.json", {"person": "é\udcff"})
    write_text(folder / "x.txt", "é")
    torch_save({"a": torch.ones(2)}, folder / "x.pt")
    save_safetensors({"a": torch.ones(2)}, folder / "x.safetensors")
    with writing(folder / "x.npz") as file:
        np.savez(file, a=np.ones(2))
    with filling(folder / "model", last="config.json") as partial:
        (partial / "config.json").write_bytes(b"{}")
        (partial / "config.json").chmod(0o644)
    assert {mode(path) for path in (folder, folder.parent, folder / "model")} == {0o700}
    assert {mode(path) for path in folder.rglob("*") if path.is_file()} == {0o600}
    assert json.loads((folder / "x.json").read_text()) == {"person": "é\udcff"}
    assert torch.equal(torch.load(folder / "x.pt", weights_only=True)["a"], torch.ones(2))
    assert torch.equal(load_file(folder / "x.safetensors")["a"], torch.ones(2))


def test_what_is_to_be_shared_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_bytes(tmp_path / "x", b"1", private=False)
        assert mode(tmp_path / "x") == 0o644
    finally:
        os.umask(before)


def fail_in(block: AbstractContextManager[Any], error: BaseException) -> None:
    """Write half of something, and raise."""
    with block as place:
        if isinstance(place, Path):
            (place / "a").write_bytes(b"half")
        else:
            place.write(b"half")
        raise error


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_block_that_raises_changes_nothing(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"before")
    for block in (
        writing(path),
        filling(tmp_path / "new", last="config.json"),
        new_folder(tmp_path / "street"),
    ):
        with pytest.raises(type(error)):
            fail_in(block, error)
    assert path.read_bytes() == b"before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "make room on that disk"),
        (errno.EDQUOT, "make room: the quota"),
        (errno.EROFS, "nothing can be written there"),
        (errno.EACCES, "you may not write there"),
        (errno.EIO, "the disk reports an error"),
        (errno.ESTALE, "choose another place"),
    ],
)
def test_only_a_full_disk_is_told_to_make_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    def fail(path: Path) -> None:
        raise OSError(number, os.strerror(number))

    write_json(tmp_path / "x.json", {"old": 1})
    monkeypatch.setattr(files, "to_disk", fail)
    for write in (lambda: write_json(tmp_path / "x.json", {}), lambda: torch_save({}, tmp_path / "x.json")):
        with pytest.raises(ReIDError) as raised:
            write()
        assert str(raised.value).startswith(
            f"{tmp_path / 'x.json'}: cannot be written ({os.strerror(number)}); {advice}"
        )
        assert ("make room" in str(raised.value)) == (number in (errno.ENOSPC, errno.EDQUOT))
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]
    assert json.loads((tmp_path / "x.json").read_text()) == {"old": 1}


LIMITED = """
import resource, signal, sys
from pathlib import Path
import numpy as np, torch
from reidr.errors import ReIDError
from reidr.core.storage.files import save_safetensors, torch_save, write_bytes
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for write in (lambda p: torch_save({"a": torch.ones(100_000)}, p), lambda p: write_bytes(p, bytes(200_000)),
              lambda p: save_safetensors({"a": torch.ones(100_000)}, p)):
    try:
        write(Path(sys.argv[1]))
    except ReIDError as error:
        print(error)
"""


def test_a_write_that_the_kernel_cuts_off_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"before")
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done
    assert all(line.startswith(f"{path}: cannot be written (") for line in lines)
    assert path.read_bytes() == b"before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_links_are_followed_and_devices_written_to(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x").write_bytes(b"before")
    (tmp_path / "link").symlink_to(tmp_path / "there" / "x")
    write_bytes(tmp_path / "link", b"after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "x").read_bytes() == b"after"
    write_bytes(Path(os.devnull), b"nothing")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)  # noqa: PTH116
    done = subprocess.run(
        [sys.executable, "-c", "from pathlib import Path; from reidr.core.storage.files import *\n"
         "print('first', flush=True); write_json(Path('/dev/stdout'), {})"],
        stdout=(tmp_path / "out").open("w"), check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert "{}" in (tmp_path / "out").read_text()


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, os.fsdecode(b"\xff" * 200)])
def test_long_and_odd_names(tmp_path: Path, name: str) -> None:
    write_bytes(tmp_path / name, b"1")
    write_bytes(tmp_path / name, b"2")
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def write_often(path: Path, name: str) -> None:
    for number in range(60):
        write_json(path, {"who": name, "rows": [name] * (1 + 997 * number % 3000)})
        found = json.loads(path.read_text())
        assert set(found["rows"]) == {found["who"]}


def test_four_writers_of_one_file(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=write_often, args=(tmp_path / "rows.json", name)) for name in "abcd"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows.json"]


WRITER = """
import sys
from pathlib import Path
from reidr.core.storage.files import writing
print("begun", flush=True)
number = 0
while True:
    number += 1
    with writing(Path(sys.argv[1])) as file:
        for _ in range(50):
            file.write(str(number % 10).encode() * 20_000)
"""


@pytest.mark.parametrize("after", [0.05, 0.13])
def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path, after: float) -> None:
    path = tmp_path / "x"
    for _ in range(2):
        worker = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert worker.stdout is not None
        worker.stdout.readline()
        time.sleep(after)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        if path.exists():
            content = path.read_bytes()
            assert len(content) == 1_000_000
            assert len(set(content)) == 1
    write_bytes(path, b"anew")
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_only_what_nobody_writes_any_more_is_swept(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    here = files.this_host()
    mine = tmp_path / f".x.{here}-{os.getpid()}-0123456789ab.partial"
    left = tmp_path / f".x.{here}-{dead.pid}-0123456789ab.partial"
    folder = tmp_path / f".street.{here}-{dead.pid}-0123456789ab.partial"
    elsewhere = tmp_path / f".x.00000000-{dead.pid}-0123456789ab.partial"
    forgotten = tmp_path / f".x.00000000-{dead.pid}-0123456789ac.partial"
    theirs = tmp_path / "x.partial"
    for path in (mine, left, elsewhere, forgotten, theirs):
        path.write_bytes(b"")
    folder.mkdir()
    (folder / "a").write_bytes(b"")
    os.utime(forgotten, (0, 0))
    assert set(sweep(tmp_path, "y")) == set()
    assert set(sweep(tmp_path)) == {left.name, folder.name, forgotten.name}
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, elsewhere.name, theirs.name}
    assert sweep(tmp_path / "absent") == []


def test_a_folder_is_known_by_its_last_file_only_when_it_is_whole(tmp_path: Path) -> None:
    model = tmp_path / "run" / "model"
    for number in (1, 2):
        with filling(model, last="config.json") as folder:
            (folder / "a.bin").write_text(str(number))
            (folder / "config.json").write_text(str(number))
            (folder / "sub").mkdir()
            (folder / "sub" / "z.bin").write_text(str(number))
    (model / "other.json").write_text("kept")
    assert {str(path.relative_to(model)): path.read_text() for path in model.rglob("*") if path.is_file()} == {
        "a.bin": "2", "config.json": "2", "sub/z.bin": "2", "other.json": "kept",
    }  # fmt: skip
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_the_quicker_of_two_makers_of_a_folder_wins(tmp_path: Path) -> None:
    with new_folder(tmp_path / "street") as ours:
        (ours / "a").write_text("ours")
        with new_folder(tmp_path / "street") as theirs:
            (theirs / "a").write_text("theirs")
    assert (tmp_path / "street" / "a").read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["street"]


def test_a_path_for_libraries(tmp_path: Path) -> None:
    with replacing(tmp_path / "x") as path:
        assert path.is_file()
        path.write_text("whole")
        assert not (tmp_path / "x").exists()
    assert (tmp_path / "x").read_text() == "whole"
    (tmp_path / "folder").mkdir()
    with pytest.raises(ReIDError, match="a folder of that name"):
        write_bytes(tmp_path / "folder", b"")
    assert {path.name for path in tmp_path.iterdir()} == {"x", "folder"}
