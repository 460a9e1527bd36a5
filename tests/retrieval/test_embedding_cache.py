"""The cache of embeddings: shared by processes, private, and whatever happens to its files a search goes on."""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reidr.core import notices
from reidr.data.reading.folder import crops_in_folder
from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.reasoning.backends.verdict_cache import ForgivingCache
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.retrieval.embedding_cache import (
    SMALL_FILES,
    EmbeddingCache,
    cache_folder,
    forget_embeddings,
    packed,
    unpacked,
)
from reidr.retrieval.gallery import Gallery, content_key


class Counting(HistogramEmbedder):
    """Counts the pictures it is asked to embed."""

    def __init__(self, fingerprint: str = "counting") -> None:
        self.fingerprint = fingerprint
        self.seen = 0

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        self.seen += len(pictures)
        return super().embed_pictures(pictures)


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_said", set())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "crops"
    path.mkdir()
    random = np.random.default_rng(0)
    for name in "abcd":
        Image.fromarray(random.integers(0, 255, (40, 20, 3), dtype=np.uint8)).save(path / f"{name}.png")
    return path


def rows_of(number: int, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    found = random.normal(size=(number, 6)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return {f"{seed}-{place}": row for place, row in enumerate(found)}


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


def test_what_was_added_comes_back_to_the_bit(tmp_path: Path) -> None:
    first, second = rows_of(3, 1), rows_of(2, 2)
    cache = EmbeddingCache(tmp_path / "c", "f" * 64)
    cache.add(first)
    cache.add(second)
    cache.add({**first, "": np.ones(6, np.float32), "nan": np.full(6, np.nan, np.float32)})
    assert same(EmbeddingCache(tmp_path / "c", "f" * 64).rows, {**first, **second})
    assert same(cache.rows, {**first, **second})


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_it_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        (tmp_path / "old").mkdir(mode=0o755)
        for name in ("new/embeddings", "old"):
            EmbeddingCache(tmp_path / name, "f").add(rows_of(1))
    finally:
        os.umask(before)
    for path in [*(tmp_path / "new").rglob("*"), *(tmp_path / "old").rglob("*"), tmp_path / "new", tmp_path / "old"]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def add_some(folder: Path, number: int, barrier: object) -> None:
    cache = EmbeddingCache(folder, "f")
    barrier.wait()  # type: ignore[attr-defined]
    for part in range(40):
        cache.add(rows_of(1, 1000 * number + part))


def test_four_processes_keep_all(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    workers = [context.Process(target=add_some, args=(tmp_path, number, barrier)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    wanted = {key for number in range(4) for part in range(40) for key in rows_of(1, 1000 * number + part)}
    for _ in range(2):  # the first of these puts the 160 files together
        assert EmbeddingCache(tmp_path, "f").rows.keys() == wanted
    assert len(list(tmp_path.iterdir())) <= 2


def test_two_that_put_together_at_once_lose_nothing(tmp_path: Path) -> None:
    for seed in range(SMALL_FILES + 4):
        EmbeddingCache(tmp_path, "f").add(rows_of(2, seed))
    before = set(tmp_path.iterdir())
    assert len(before) <= SMALL_FILES + 1
    wanted = {key for seed in range(SMALL_FILES + 4) for key in rows_of(2, seed)}

    def work() -> None:
        assert EmbeddingCache(tmp_path, "f").rows.keys() <= wanted

    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert EmbeddingCache(tmp_path, "f").rows.keys() == wanted


def test_two_embedders_never_mix(folder: Path, tmp_path: Path) -> None:
    """Also where their fingerprints begin alike, and where somebody gave one's file the other's name."""
    cache = tmp_path / "c"
    one, other = "a" * 24 + "1", "a" * 24 + "2"
    EmbeddingCache(cache, one).add(rows_of(2, 1))
    EmbeddingCache(cache, other).add(rows_of(2, 2))
    EmbeddingCache(cache, "b" * 30).add(rows_of(2, 3))
    (path,) = cache.glob("b*.npz")
    path.rename(cache / ("a" * 24 + ".foreign.npz"))
    assert EmbeddingCache(cache, one).rows.keys() == rows_of(2, 1).keys()
    assert EmbeddingCache(cache, other).rows.keys() == rows_of(2, 2).keys()
    assert len(list(cache.iterdir())) == 3


def test_an_embedder_that_came_to_give_other_lengths(folder: Path, tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "c", "counting")
    crops = crops_in_folder(folder)
    cache.add({content_key(crops[0]): np.ones(3, np.float32)})
    assert Gallery.build(crops, Counting(), cache=tmp_path / "c").features.shape == (4, 384)


def build(folder: Path, cache: Path) -> tuple[NDArray[np.float32], int]:
    embedder = Counting()
    return Gallery.build(crops_in_folder(folder), embedder, cache=cache).features, embedder.seen


def damaged(content: bytes, how: str) -> bytes:
    rows, fingerprint = unpacked(content)
    if how == "NaN":
        return packed({key: np.full_like(row, np.nan) for key, row in rows.items()}, fingerprint)
    if how == "another kind":
        return packed({key: row.astype(np.float64) for key, row in rows.items()}, fingerprint)
    if how == "one value changed":
        place = content.index(next(iter(rows.values())).tobytes())
        return content[:place] + b"\x01" + content[place + 1 :]
    return {"empty": b"", "cut off": content[:-30], "other": b"GIF89a", "first edition": first_edition(rows)}[how]


def first_edition(rows: dict[str, NDArray[np.float32]]) -> bytes:
    file = io.BytesIO()
    np.savez(file, keys=np.array(list(rows)), features=np.stack(list(rows.values())))
    return file.getvalue()


@pytest.mark.parametrize(
    "how", ["NaN", "another kind", "one value changed", "empty", "cut off", "other", "first edition"]
)
def test_damage_is_warned_of_and_made_anew(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    cache = tmp_path / "c"
    whole, _ = build(folder, cache)
    (path,) = cache.iterdir()
    path.write_bytes(damaged(path.read_bytes(), how))
    with caplog.at_level(logging.WARNING, "reidr"):
        again, seen = build(folder, cache)
    assert seen == 4
    assert np.array_equal(whole, again)
    assert len(caplog.records) == 1
    assert path.name in caplog.text
    caplog.clear()
    _, seen = build(folder, cache)
    assert seen == 0
    assert not caplog.records


@pytest.mark.parametrize("trouble", ["a file above", "no place", "a full disk", "not readable"])
def test_a_cache_that_cannot_be_used_is_one_warning(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    cache = {"no place": Path("/proc/nope/cache"), "a file above": tmp_path / "file" / "cache"}.get(
        trouble, tmp_path / "c"
    )
    (tmp_path / "file").write_text("x")
    if trouble == "a full disk":
        monkeypatch.setattr("reidr.retrieval.embedding_cache.write_bytes", full)
    if trouble == "not readable":
        cache.mkdir()
        monkeypatch.setattr(os, "scandir", refusing(cache, os.scandir))
    with caplog.at_level(logging.WARNING, "reidr"):
        for _ in range(2):
            assert build(folder, cache)[1] == 4
    assert len(caplog.records) == 1
    assert "nothing can be cached" in caplog.text
    assert "REIDR_CACHE" in caplog.text


def full(path: Path, content: bytes) -> None:
    raise ReIDError(f"{path}: cannot be written (No space left on device); make room on that disk")


def refusing(folder: Path, scandir: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """`os.scandir` of somebody who may not read `folder`; as root, permissions would not stop the test."""

    def scan(path: Path) -> Any:
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    return scan


def test_a_pipe_among_its_files_is_not_waited_for(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "c"
    cache.mkdir()
    os.mkfifo(cache / "counting.0.npz")
    assert build(folder, cache)[1] == 4


def test_temporaries_of_the_first_edition_go_when_they_are_old(tmp_path: Path) -> None:
    old, fresh = tmp_path / "f.123.partial.npz", tmp_path / "f.124.partial.npz"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    EmbeddingCache(tmp_path, "f").add(rows_of(1))
    assert not old.exists()
    assert fresh.exists()


def test_one_warning_for_all_caches_of_a_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING, "reidr"):
        ForgivingCache(tmp_path / "file" / "verdicts.sqlite").keep_scores({"a": (0.0, 1.0, 2.0)})
        EmbeddingCache(tmp_path / "file" / "embeddings", "f").add(rows_of(1))
    assert len(caplog.records) == 1


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("REIDR_CACHE")
    monkeypatch.setattr(Path, "home", nowhere)
    EmbeddingCache(cache_folder(), "f").add(rows_of(1))


def test_people_are_forgotten_in_every_embedders_files(tmp_path: Path) -> None:
    for fingerprint in ("one", "two"):
        for seed in (1, 2):
            EmbeddingCache(tmp_path, fingerprint).add(rows_of(3, seed))
    gone = frozenset(["1-0", "2-0", "2-1", "2-2", "unknown"])
    assert forget_embeddings(tmp_path, gone) == 8
    for fingerprint in ("one", "two"):
        assert set(EmbeddingCache(tmp_path, fingerprint).rows) == {"1-1", "1-2"}
    assert forget_embeddings(tmp_path, gone) == 0
    assert forget_embeddings(tmp_path / "absent", gone) == 0
    assert not [path for path in tmp_path.iterdir() if b"1-0" in path.read_bytes()]


class Interrupting(Counting):
    """Is interrupted at its third batch."""

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        if self.seen >= 256:
            raise KeyboardInterrupt
        return super().embed_pictures(pictures)


def test_what_was_embedded_before_an_interrupt_is_kept(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    crops = [Crop(f"{i}", Image.fromarray(random.integers(0, 255, (8, 4, 3), dtype=np.uint8))) for i in range(400)]
    with pytest.raises(KeyboardInterrupt):
        Gallery.build(crops, Interrupting(), cache=tmp_path)
    embedder = Counting()
    again = Gallery.build(crops, embedder, cache=tmp_path)
    assert embedder.seen == 400 - 256
    assert np.array_equal(again.features, Gallery.build(crops, Counting()).features)


KILLED = """
import sys, time
from pathlib import Path
import numpy as np
from reidr.retrieval.embedding_cache import EmbeddingCache
cache = EmbeddingCache(Path(sys.argv[1]), "f")
print("begun", flush=True)
for number in range(10_000):
    cache.add({f"{sys.argv[2]}-{number}": np.full(256, number, np.float32)})
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", [0.06, 0.21])
def test_a_killed_process_loses_nothing_that_it_had_added(tmp_path: Path, after: float) -> None:
    said = []
    for name in ("x", "y"):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path / "c"), name], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        process.wait()
        said += [f"{name}-{number}" for number in process.stdout.read().split()]
    rows = EmbeddingCache(tmp_path / "c", "f").rows
    assert set(said) <= set(rows)
    assert all((row == float(key.split("-")[1])).all() for key, row in rows.items())
    EmbeddingCache(tmp_path / "c", "f").add(rows_of(1))
    assert not list((tmp_path / "c").glob(".*"))


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """One of the things that happen to files: bits turned, bytes cut out, put in, doubled, zeroed, the end lost."""
    data = bytearray(content)
    for _ in range(int(random.integers(1, 4))):
        start = int(random.integers(0, max(1, len(data))))
        stop = start + int(random.integers(1, 200))
        kind = int(random.integers(0, 6))
        if kind == 0 and data:
            data[start] ^= 1 << int(random.integers(0, 8))
        elif kind == 1:
            del data[start:stop]
        elif kind == 2:
            data[start:start] = random.bytes(stop - start)
        elif kind == 3:
            data[start:stop] = bytes(len(data[start:stop]))
        elif kind == 4:
            data[start:start] = data[start:stop]
        else:
            del data[start:]
    return bytes(data)


@pytest.mark.parametrize("number", [50, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_mutated_caches_never_lie_and_never_end_a_search(folder: Path, tmp_path: Path, number: int) -> None:
    cache = tmp_path / "c"
    whole, _ = build(folder, cache)
    (path,) = cache.iterdir()
    content, random = path.read_bytes(), np.random.default_rng(number)
    for _ in range(number):
        for old in cache.iterdir():
            old.unlink()
        changed = mutated(content, random)
        path.write_bytes(changed)
        features, seen = build(folder, cache)
        assert np.array_equal(features, whole)
        assert seen in (0, 4)
