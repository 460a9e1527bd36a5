"""`reidr gallery`: what it says, and that a gallery arrives whole wherever it is moved."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from stored import quick_folder, some_crops

from reidr.cli.main import reidr
from reidr.errors import DataError
from reidr.service.store.migration import check_places, embedding_with, keep_model, migrate
from reidr.service.store.opening import open_store
from reidr.service.store.records import CropFilter, StoredCrop
from reidr.service.store.store import GalleryStore


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as made:
        yield made


def run(*arguments: object) -> Result:
    return CliRunner().invoke(reidr, ["gallery", *map(str, arguments)], catch_exceptions=False, standalone_mode=False)


def filled(address: Path | str, number: int) -> tuple[GalleryStore, list[StoredCrop]]:
    """A gallery with real pictures."""
    store = open_store(address)
    store.set_model("abc", "tiny", 32)
    random = np.random.default_rng(0)
    crops = []
    for crop in some_crops(number):
        picture = io.BytesIO()
        Image.fromarray(random.integers(0, 255, (32, 16, 3), dtype=np.uint8)).save(picture, "PNG")
        crops.append(replace(crop, picture=picture.getvalue()))
    store.add(crops)
    return store, crops


def told(store: GalleryStore) -> list[tuple[object, ...]]:
    return [
        (
            c.id,
            c.camera,
            c.track,
            c.picture,
            c.vector.tobytes(),
            c.recording,
            c.time,
            c.start,
            c.end,
            c.person,
            c.quality,
        )
        for c in store.crops(limit=10_000)
    ]


def test_info_tells_what_a_gallery_holds(folder: Path) -> None:
    store, _ = filled(folder / "a", 30)
    out = run("info", folder / "a", "--json", folder / "facts.json").output
    assert "30 in 6 tracks of 4 cameras" in out
    assert "tiny (abc), 32 numbers a vector" in out
    assert "search    exact" in out
    facts = json.loads((folder / "facts.json").read_text())["facts"]
    assert (facts["crops"], facts["start"], facts["end"], facts["index"]) == (30, 0.0, 29.0, None)
    assert "recall@10" in run("index", folder / "a").output
    made = store.facts().index
    assert made is not None
    assert made.recall >= 0.985
    assert f"recall@10 {made.recall:.3f}" in run("info", folder / "a").output
    with pytest.raises(DataError, match="holds no gallery"):
        run("info", folder / "nothing")
    assert not (folder / "nothing").exists()


def test_a_copy_is_the_same_and_follows_what_changes(folder: Path) -> None:
    store, crops = filled(folder / "a", 300)
    store.assign(CropFilter(tracks=frozenset(["track 00003"])), "anna")
    assert "300 crops copied, 0 were there already" in run("migrate", folder / "a", folder / "b").output
    copy = open_store(folder / "b")
    assert told(copy) == told(store)
    assert copy.facts().model == "abc"
    store.merge(["track 00000", "track 00004"], "track 00000")
    store.assign(CropFilter(tracks=frozenset(["track 00003"])), None)
    store.delete(CropFilter(ids=frozenset([crops[-1].id])))
    out = run("migrate", folder / "a", folder / "b").output
    assert "15 crops copied, 284 were there already" in out
    assert "1 crop in" in out
    assert told(copy)[:-1] == told(store)
    with pytest.raises(DataError, match="named twice"):
        run("migrate", folder / "a", folder / "a")
    with pytest.raises(DataError, match="nothing to copy"):
        check_places(open_store(folder / "c"), copy)


def test_a_copy_that_is_cut_short_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reidr.service.store.migration.PAGE", 20)
    store, _ = filled(folder / "a", 100)
    copy = open_store(folder / "b")
    keep_model(store, copy)

    def stop(number: float) -> None:
        if copy.count() >= 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(store, copy, advance=stop)
    done = migrate(store, copy)
    assert (done.copied, done.there, done.others) == (40, 60, 0)
    assert told(copy) == told(store)


def test_what_is_kept_beside_a_gallery_goes_with_it(folder: Path) -> None:
    from reidr.service.records.opening import open_records

    filled(folder / "a", 5)
    assert "nothing is kept beside it" in run("migrate", folder / "a", folder / "without").output
    assert not (folder / "a" / "records.sqlite").exists()
    old = open_records(folder / "a")
    for number in range(3):
        old.put("case", f"case {number}", {"number": number})
        old.append("audit", lambda last: {"after": None if last is None else last.number})
    assert "records" not in run("migrate", folder / "a", folder / "b", "--crops-only").output
    assert "3 records and 3 rows" in run("migrate", folder / "a", folder / "b").output
    old.put("case", "case 1", {"number": 10})
    old.append("audit", lambda last: {"more": True})
    assert "1 record and 1 row" in run("migrate", folder / "a", folder / "b").output
    new = open_records(folder / "b")
    assert [(r.key, r.value) for r in new.of_kind("case")] == [(r.key, r.value) for r in old.of_kind("case")]
    assert new.rows("audit") == old.rows("audit")
    new.append("audit", lambda last: {"other": True})
    with pytest.raises(DataError, match="belongs to another site"):
        run("migrate", folder / "a", folder / "b")


def test_another_model_embeds_the_stored_pictures(folder: Path) -> None:
    store, crops = filled(folder / "a", 40)
    store.add([replace(some_crops(1, first=900)[0], picture=b"no picture")])
    target = open_store(folder / "b")
    embed = embedding_with("histogram", target)
    done = migrate(store, target, embed=embed)
    assert (done.copied, done.there, len(done.left_out)) == (40, 0, 1)
    assert "crop 000900" in done.left_out[0]
    facts = target.facts()
    assert facts.model_name != "tiny"
    assert facts.crops == 40
    from reidr.retrieval.embedders.registry import load_embedder

    pictures = [Image.open(io.BytesIO(crop.picture)).convert("RGB") for crop in crops]
    wanted = load_embedder("histogram").embed_pictures(pictures)
    np.testing.assert_allclose(np.stack([crop.vector for crop in target.crops()]), wanted, atol=1e-6)
    again = migrate(store, target, embed=embed)
    assert (again.copied, again.there) == (0, 40)
    with pytest.raises(DataError, match="holds vectors of"):
        keep_model(store, target)


@pytest.mark.whole
def test_a_killed_migration_goes_on_and_doubles_nothing(folder: Path) -> None:
    store, crops = filled(folder / "a", 3000)
    command = [sys.executable, "-m", "reidr.cli.main", "gallery", "migrate", str(folder / "a"), str(folder / "b")]
    command += ["--model", "histogram"]
    kills = 0
    while kills < 2:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = open_store(folder / "b").count()
        deadline = time.monotonic() + 60
        while child.poll() is None and open_store(folder / "b").count() <= before and time.monotonic() < deadline:
            time.sleep(0.02)
        if child.poll() is not None:
            break
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        kills += 1
    assert kills >= 1
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    target = open_store(folder / "b")
    assert [crop.id for crop in target.crops(limit=5000)] == [crop.id for crop in crops]
    assert sum(operation.changed for operation in target.history()) == 3000
    assert store.facts().crops == 3000


@pytest.mark.whole
def test_adding_and_erasing_survives_kills() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "gallery_kills.py"
    with quick_folder() as folder:
        result = subprocess.run(
            [sys.executable, str(script), "10"],
            env={**os.environ, "GALLERY_FOLDER": str(folder)},
            capture_output=True,
            text=True,
        )
    assert result.returncode == 0, result.stdout + result.stderr
