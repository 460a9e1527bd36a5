"""kill -9 at random moments of adding, assigning, merging and erasing: is anything lost, doubled, or left behind?

    python benchmarks/gallery_kills.py                        50 kills of a gallery in SQLite
    python benchmarks/gallery_kills.py 200 postgresql://...   200 kills of the clients of a gallery in PostgreSQL

A child process changes the gallery, one operation after the other, and writes down each one that has returned. It is
killed at a random moment, while another process searches; the next child repeats the operation that was under way, with
the same key, and goes on. In the end every operation that had returned must be in the history once, the gallery must
hold what it holds when the same operations are done undisturbed, and (SQLite) no file may have the bytes of an erased
picture or vector. One JSON line.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from reidr.service.store.opening import open_store
from reidr.service.store.records import CropFilter, StoredCrop
from reidr.service.store.store import GalleryStore

DIMENSIONS, CROPS = 512, 5
FEW = 5  # operations that a child does at most before it is killed


def crops_of(step: int) -> list[StoredCrop]:
    """The track that step number `step` adds."""
    random = np.random.default_rng(step)
    rows = random.normal(size=(CROPS, DIMENSIONS))
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return [
        StoredCrop(f"{step:05}-{place}", "gate", f"track {step:05}", random.bytes(4000), vector, time=float(step))
        for place, vector in enumerate(vectors)
    ]


def work(step: int, store: GalleryStore) -> int:
    """Operation number `step`, with its key. Of eight five add a track; the others change or erase what was added."""
    key, kind = f"step {step}", step % 8
    if kind == 5:
        return store.assign(CropFilter(tracks=frozenset([f"track {step - 3:05}"])), f"person {step}", operation=key)
    if kind == 6:
        return store.merge([f"track {step - 2:05}", f"track {step - 3:05}"], f"track {step - 3:05}", operation=key)
    if kind == 7:
        return store.delete(CropFilter(tracks=frozenset([f"track {step - 6:05}"])), operation=key)
    if step % 3 == 0:
        store.search(crops_of(step)[0].vector[None], 3)
    return store.add(crops_of(step), operation=key)


def go_on(address: str, done: Path) -> None:
    """Operations without end, behind the last that has returned."""
    store = open_store(address)
    store.set_model("none", "none", DIMENSIONS)
    step = len(acknowledged(done))
    while True:
        changed = work(step, store)
        with done.open("a") as file:
            file.write(json.dumps({"step": step, "changed": changed}) + "\n")
        step += 1


def look_on(address: str) -> None:
    """Search without end, as another process; ends with an error where a search fails or finds what is not there."""
    store = open_store(address)
    store.set_model("none", "none", DIMENSIONS)
    query = crops_of(0)[0].vector[None]
    while True:
        hits = store.search(query, 5)[0]
        assert [hit.distance for hit in hits] == sorted(hit.distance for hit in hits)
        store.count()
        time.sleep(0.01)


def warm_up(folder: Path, address: str) -> float:
    """Import here what the children would spend their short lives on; returns seconds an operation."""
    with_all = open_store(folder)
    with_all.set_model("none", "none", DIMENSIONS)
    for step in range(8):
        work(step, with_all)
    begun = time.monotonic()
    for step in range(8, 16):
        work(step, with_all)
    pace = (time.monotonic() - begun) / 8
    with_all.close()
    open_store(address).close()
    return pace


def lines_of(done: Path) -> int:
    """How many operations have returned so far."""
    return done.read_bytes().count(b"\n") if done.exists() else 0


def acknowledged(done: Path) -> list[dict[str, Any]]:
    """The operations that have returned; a killed child may have left half a line."""
    if not done.exists():
        return []
    whole = done.read_text().rpartition("\n")[0]
    done.write_text(whole + "\n" if whole else "")
    return [json.loads(line) for line in whole.splitlines()]


def contents(store: GalleryStore) -> Iterator[tuple[Any, ...]]:
    """All that a gallery holds."""
    after = None
    while page := store.crops(after=after, limit=200):
        for crop in page:
            yield crop.id, crop.track, crop.person, crop.start, crop.end, crop.picture, crop.vector.tobytes()
        after = page[-1].id


def history(store: GalleryStore) -> list[tuple[str | None, int]]:
    """Key and count of every operation."""
    found: list[tuple[str | None, int]] = []
    while page := store.history(after=len(found)):
        found += [(operation.key, operation.changed) for operation in page]
    return found


def measure(kills: int, address: str, folder: Path) -> dict[str, Any]:
    """Kill `kills` children; returns what was lost, doubled and left behind."""
    random = np.random.default_rng(0)
    pace = warm_up(folder / "warm", address)
    done, begun = folder / "done.jsonl", time.monotonic()
    reader = multiprocessing.get_context("fork").Process(target=look_on, args=(address,))
    reader.start()
    for _ in range(kills):
        child = multiprocessing.get_context("fork").Process(target=go_on, args=(address, done))
        child.start()
        wanted = lines_of(done) + int(random.integers(FEW))
        while lines_of(done) < wanted and child.exitcode is None:
            time.sleep(0.002)
        child.join(float(random.uniform(0.0, 2.0 * pace)))  # a random moment of the operation that is under way
        assert child.exitcode is None, "the child ended by itself"
        child.kill()
        child.join()
    steps = acknowledged(done)
    failed = reader.exitcode is not None
    reader.kill()
    reader.join()
    store, twin = open_store(address), open_store(folder / "undisturbed")
    twin.set_model("none", "none", DIMENSIONS)
    said = history(store)
    # What was under way at the last kill may be there or not; then the twin does it too.
    expected = [(f"step {step}", work(step, twin)) for step in range(len(said))]
    erased = [crop for step in range(7, len(said), 8) for crop in crops_of(step - 6)]
    left = files_with(Path(address), erased) if Path(address).is_dir() else []
    return {
        "kills": kills,
        "operations": len(steps),
        "lost": len({row["step"] for row in steps} - set(range(len(said)))),
        "doubled": len(said) - len({key for key, _ in said}),
        "other_history": sum(one != other for one, other in zip(said, expected, strict=True)),
        "other_contents": int(list(contents(store)) != list(contents(twin))),
        "erased_crops": len(erased),
        "files_with_erased_bytes": len(left),
        "reader_failed": int(failed),
        "seconds": round(time.monotonic() - begun, 1),
    }


def files_with(folder: Path, crops: list[StoredCrop]) -> set[str]:
    """Files of a gallery with the picture or the vector of one of the crops."""
    found = set()
    for path in folder.iterdir():
        content = path.read_bytes()
        if any(crop.picture in content or crop.vector.tobytes() in content for crop in crops):
            found.add(path.name)
    return found


def main() -> None:
    """Kills and address from the command line."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    home = os.environ.get("GALLERY_FOLDER")
    with tempfile.TemporaryDirectory(dir=home) as name:
        folder = Path(name)
        address = str(folder / "gallery")
        if len(sys.argv) > 2:
            address = f"{sys.argv[2]}{'&' if '?' in sys.argv[2] else '?'}gallery=kills-{secrets.token_hex(4)}"
        result = measure(kills, address, folder)
    print(json.dumps({"case": "kills/postgresql" if len(sys.argv) > 2 else "kills/sqlite", **result}))
    wrong = ("lost", "doubled", "other_history", "other_contents", "files_with_erased_bytes", "reader_failed")
    sys.exit(any(result[name] for name in wrong))


if __name__ == "__main__":
    main()
