"""What only the store in SQLite has: its block, its approximate index, its erasures, its many readers."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from stored import files_with, quick_folder, some_crops, unit

from reidr.errors import DataError
from reidr.service.store.opening import open_store
from reidr.service.store.records import CropFilter, StoredCrop
from reidr.service.store.sql_store import SqlStore
from reidr.service.store.sqlite import block, codes, erasing
from reidr.service.store.sqlite.nearest import PIECE, among, nearest
from reidr.service.store.sqlite.store import SqliteStore


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as made:
        yield made / "gallery"


def filled(folder: Path, number: int = 200, seed: int = 0) -> tuple[SqliteStore, list[StoredCrop]]:
    store = SqliteStore(folder)
    crops = some_crops(number, seed)
    store.set_model("abc", "tiny", 32)
    assert store.add(crops) == number
    return store, crops


def found(store: SqliteStore, crops: list[StoredCrop], k: int = 1, **options: bool) -> list[str]:
    return [hits[0].id for hits in store.search(np.stack([crop.vector for crop in crops]), k, **options)]


def only_with(machine_code: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let searches use machine code, or NumPy alone."""
    if machine_code and codes.compiled() is None:
        pytest.skip("numba is not installed")
    if not machine_code:
        for module in ("codes", "nearest"):
            monkeypatch.setattr(f"reidr.service.store.sqlite.{module}.compiled", lambda: None)


@pytest.mark.parametrize("machine_code", [True, False])
def test_nearest_rows_are_those_of_a_full_sort(machine_code: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    only_with(machine_code, monkeypatch)
    random = np.random.default_rng(0)
    vectors = unit(random.normal(size=(PIECE + 700, 16)))
    vectors[PIECE + 5] = vectors[3]  # copies tie exactly, wherever they lie
    vectors[70:90] = 0  # rows that are no more
    queries = np.concatenate([vectors[3:4], unit(random.normal(size=(4, 16)))])
    for share in (1.0, 0.5, 0.05, 0.0):
        wanted = random.random(len(vectors)) < share
        if share:
            wanted[[3, PIECE + 5]] = True
        exact = 1 - queries.astype(float) @ vectors.T.astype(float)
        exact[:, ~wanted] = np.inf
        exact[:, 70:90] = np.inf
        order = np.argsort(exact, axis=1, kind="stable")[:, :20]
        for answer in (
            nearest(vectors, queries, 20, wanted),
            among(vectors, queries, 20, np.flatnonzero(wanted)),
            [among(vectors, query[None], 20, np.flatnonzero(wanted))[0] for query in queries],
        ):
            for (rows, distances), best, query in zip(answer, order, range(5), strict=True):
                if not share:
                    assert len(rows) == 0
                    continue
                sorted_rows = rows[np.lexsort((rows, distances))][:20]
                assert sorted_rows.tolist() == best.tolist()
                np.testing.assert_allclose(np.sort(distances)[:20], exact[query, best], atol=1e-6)
        if share:
            rows, distances = nearest(vectors, queries[:1], 2, wanted)[0]
            assert rows[:2].tolist() == [3, PIECE + 5]
            assert distances[0] == distances[1]


def test_files_are_private(folder: Path) -> None:
    store, crops = filled(folder, 20)
    found(store, crops)
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_erased_bytes_are_in_no_file(folder: Path) -> None:
    store, crops = filled(folder, 300)
    found(store, crops)
    store.build_index()
    store.add(some_crops(100, first=300))
    gone = [crop for crop in crops if crop.track in ("track 00003", "track 00017", "track 00059")]
    texts = (
        [crop.picture for crop in gone]
        + [crop.vector.tobytes() for crop in gone]
        + [crop.attributes.tobytes() for crop in gone]
    )
    assert all(files_with(folder, text) for text in texts)
    assert store.delete(CropFilter(tracks=frozenset(crop.track for crop in gone))) == 15
    for text in [*texts, *(crop.id.encode() for crop in gone), b"track 00017"]:
        assert files_with(folder, text) == []
    kept = [crop for crop in crops if crop not in gone]
    assert found(store, kept) == [crop.id for crop in kept]
    assert found(store, kept, exact=True) == [crop.id for crop in kept]
    assert not {hit.id for hits in store.search(np.stack([crop.vector for crop in gone]), 5) for hit in hits} & {
        crop.id for crop in gone
    }
    store.close()


def test_nothing_of_a_removed_crop_is_in_the_index() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(300, 70)))
    made = codes.build(vectors, np.ones(300, dtype=bool))
    after = codes.without(made, np.array([3, 250, 900]))
    assert not after.words[:, [3, 250]].any()
    kept = np.setdiff1d(np.arange(300), [3, 250])
    np.testing.assert_array_equal(after.words[:, kept], made.words[:, kept])
    assert not made.mean.any()  # of fewer than a thousand crops a mean might say something of one of them


@pytest.mark.parametrize("machine_code", [True, False])
@pytest.mark.parametrize("dimensions", [3, 64, 70])
def test_bits_are_compared_as_one_by_one(dimensions: int, machine_code: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    only_with(machine_code, monkeypatch)
    random = np.random.default_rng(dimensions)
    vectors, mean = random.normal(size=(200, dimensions)).astype(np.float32), np.float32(0.3)
    made = codes.Codes(
        np.full(dimensions, mean, np.float32), codes.bits(vectors, mean), 10, codes.IndexFacts("codes", 200, 1.0, 0.0)
    )
    naive = ((vectors > mean) != (vectors[7] > mean)).sum(axis=1)
    np.testing.assert_array_equal(made.differing(vectors[7]), naive)
    wanted = random.random(200) < 0.4
    rows = made.rows(vectors[7], 5, wanted)
    limit = np.sort(naive[wanted])[4]
    assert rows.tolist() == np.flatnonzero(wanted & (naive <= limit)).tolist()
    assert made.rows(vectors[7], 199, wanted).tolist() == np.flatnonzero(wanted).tolist()
    assert made.rows(vectors[7], 5, None).tolist() == np.flatnonzero(naive <= np.sort(naive)[4]).tolist()


def test_an_index_fits_fewer_and_more_rows_than_it_was_made_of() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(300, 16)))
    alive = np.ones(300, dtype=bool)
    made = codes.build(vectors[:200], alive[:200])
    for number in (150, 200, 300):
        fitted = made.fitted(vectors[:number], alive[:number])
        fitted.candidates = number
        for (rows, _), query in zip(fitted.nearest(vectors[:number], vectors[:9], 3, None), vectors, strict=False):
            assert rows[np.argmax(vectors[rows] @ query)] == np.argmax(vectors[:number] @ query)
        assert fitted.rows(vectors[0], number, None).tolist() == list(range(number))


@pytest.mark.parametrize("number", [1, 2, 6])
def test_the_smallest_galleries_have_an_index_too(folder: Path, number: int) -> None:
    store, crops = filled(folder, number)
    facts = store.build_index()
    assert facts is not None
    assert facts.recall == 1
    assert found(store, crops) == [crop.id for crop in crops]


@pytest.mark.parametrize("held", [0, 10**9])
def test_a_block_is_searched_alike_in_memory_and_mapped(
    folder: Path, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reidr.service.store.sqlite.snapshot.HELD", held)
    monkeypatch.setattr("reidr.service.store.sqlite.snapshot.available_memory", lambda: held)
    monkeypatch.setattr("reidr.service.store.sqlite.snapshot.LISTED", 1000 if held else 0)
    store, crops = filled(folder, 100)
    for first in range(100, 1500, 100):  # beyond the room that there was at first
        assert found(store, crops) == [crop.id for crop in crops]
        crops += some_crops(100, first=first)
        store.add(crops[-100:])
        store.delete(CropFilter(ids=frozenset([crops[0].id])))
        gone = crops.pop(0)
        assert found(store, [gone]) != [gone.id]
    snapshot = store._snapshot
    assert snapshot is not None
    assert (snapshot.buffer is None) == (held == 0)
    assert snapshot.crops is None  # more than are listed in memory


@pytest.mark.parametrize("step", ["block", "vacuum", "log"])
def test_an_erasure_that_was_cut_short_is_finished_by_whoever_opens_it(
    folder: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, crops = filled(folder, 100)
    found(store, crops)

    def fail(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        target = {"block": (block, "erase"), "vacuum": (erasing, "empty_log"), "log": (erasing, "empty_log")}[step]
        patched.setattr(*target, fail)
        with pytest.raises(KeyboardInterrupt):
            store.delete(CropFilter(ids=frozenset([crops[7].id])))
    again = open_store(folder)
    assert again.count() == 99
    assert files_with(folder, crops[7].picture) == files_with(folder, crops[7].vector.tobytes()) == []
    assert found(again, crops[:7]) == [crop.id for crop in crops[:7]]


def test_rows_are_numbered_anew_when_most_are_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "SOME", 50)
    store, crops = filled(folder, 200)
    reader = open_store(folder)
    assert found(reader, crops) == [crop.id for crop in crops]
    store.build_index()
    kept = crops[1::5]
    assert store.delete(CropFilter(ids=frozenset(crop.id for crop in crops if crop not in kept))) == 160
    (path,) = [*folder.glob(block.PATTERN)] or [None]
    assert path is None
    for each in (store, reader):
        assert found(each, kept) == [crop.id for crop in kept]
    (path,) = folder.glob(block.PATTERN)
    assert path.stat().st_size == 40 * 32 * 4
    assert store.add(some_crops(30, first=500)) == 30
    assert found(reader, some_crops(30, first=500)) == [crop.id for crop in some_crops(30, first=500)]
    assert [crop.picture for crop in store.get([crop.id for crop in kept])] == [crop.picture for crop in kept]
    for crop in crops[::5]:
        assert files_with(folder, crop.picture) == []


def test_a_database_put_back_from_a_copy_has_a_block_of_its_own(folder: Path) -> None:
    store, crops = filled(folder, 50)
    found(store, crops)
    store.close()
    before = (folder / "gallery.sqlite").read_bytes()
    store = SqliteStore(folder)
    store.delete(CropFilter(ids=frozenset(crop.id for crop in crops[:25])))
    store.add(some_crops(40, first=100))
    found(store, crops)
    store.close()
    (folder / "gallery.sqlite").write_bytes(before)
    store = SqliteStore(folder)
    assert found(store, crops) == [crop.id for crop in crops]


def test_a_block_that_is_gone_or_too_short_is_made_anew(folder: Path) -> None:
    store, crops = filled(folder, 50)
    found(store, crops)
    (path,) = folder.glob(block.PATTERN)
    path.write_bytes(path.read_bytes()[:1000])
    assert found(SqliteStore(folder), crops) == [crop.id for crop in crops]
    (path,) = folder.glob(block.PATTERN)
    path.unlink()
    assert found(SqliteStore(folder), crops) == [crop.id for crop in crops]


def test_the_approximate_index_finds_what_is_added_later(folder: Path) -> None:
    random = np.random.default_rng(1)
    store = SqliteStore(folder)
    store.set_model("abc", "tiny", 32)
    people = unit(random.normal(size=(60, 32)))
    crops = [
        StoredCrop(
            f"{n:04}",
            "a",
            f"t{n % 60}",
            b"x",
            unit(people[n % 60 : n % 60 + 1] + 0.05 * random.normal(size=(1, 32)))[0],
            time=float(n),
        )
        for n in range(900)
    ]
    store.add(crops[:600])
    with pytest.raises(DataError, match="no crops"):
        SqliteStore(folder.parent / "empty").build_index()
    facts = store.build_index()
    assert facts is not None
    assert facts.crops == 600
    assert facts.recall >= 0.98
    assert store.facts().index == facts
    store.add(crops[600:])
    queries = np.stack([crop.vector for crop in crops[::9]])
    exact, fast = store.search(queries, 10, exact=True), store.search(queries, 10)
    shares = [len({h.id for h in a} & {h.id for h in b}) / 10 for a, b in zip(exact, fast, strict=True)]
    assert np.mean(shares) >= 0.98
    for which in (CropFilter(since=300.0, until=310.0), CropFilter(tracks=frozenset(["t3"]))):
        assert store.search(queries, 5, which) == store.search(queries, 5, which, exact=True)


def test_threads_search_while_others_add_and_erase(folder: Path) -> None:
    store, crops = filled(folder, 100)
    problems: list[BaseException] = []
    stop = threading.Event()

    def search() -> None:
        try:
            while not stop.is_set():
                assert found(store, crops[:40]) == [crop.id for crop in crops[:40]]
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for part in range(6):
        store.add(some_crops(20, seed=1, first=1000 + 20 * part))
        store.delete(CropFilter(ids=frozenset([crops[50 + part].id])))
        store.merge([f"track {200 + 4 * part:05}"], f"merged {part}")
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert store.count() == 100 + 120 - 6


def test_what_is_held_for_searching_counts_as_the_database_does(folder: Path) -> None:
    """Before every search the service counts the crops it is among; a large gallery's table is not gone through."""
    store, crops = filled(folder)
    filters = (
        CropFilter(),
        CropFilter(cameras=frozenset([crops[0].camera, crops[1].camera])),
        CropFilter(cameras=frozenset(["nowhere"])),
        CropFilter(since=crops[30].start, until=crops[90].end),
        CropFilter(tracks=frozenset([crops[3].track])),
    )
    by_table = [SqlStore.count(store, which) for which in filters]
    assert [store.count(which) for which in filters] == by_table, "before anything was searched"
    found(store, crops[:1])
    assert [store.count(which) for which in filters] == by_table
    assert len(set(by_table)) == len(filters)
    store.delete(CropFilter(ids=frozenset(crop.id for crop in crops[:50])))
    by_table = [SqlStore.count(store, which) for which in filters]
    assert [store.count(which) for which in filters] == by_table, "after some were erased"


def test_an_operation_is_done_once(folder: Path) -> None:
    store, crops = filled(folder, 20)
    assert store.delete(CropFilter(ids=frozenset([crops[0].id])), operation="erase 1") == 1
    assert store.add([crops[0]]) == 1
    assert store.delete(CropFilter(ids=frozenset([crops[0].id])), operation="erase 1") == 1
    assert store.count() == 20
    with pytest.raises(DataError, match="used for another change"):
        store.assign(CropFilter(), "anna", operation="erase 1")


def test_models_never_mix(folder: Path) -> None:
    store, _ = filled(folder, 5)
    with pytest.raises(DataError, match="holds vectors of tiny"):
        store.set_model("def", "other", 32)
    with pytest.raises(DataError, match="32"):
        store.search(unit(np.ones((1, 16))), 1)
    with pytest.raises(DataError, match="length"):
        store.search(np.ones((1, 32), dtype=np.float32), 1)
    with pytest.raises(DataError, match="name the model first"):
        SqliteStore(folder.parent / "other").add(some_crops(1))


def test_what_cannot_be_kept_is_refused_by_name(folder: Path) -> None:
    from dataclasses import replace

    store, crops = filled(folder, 5)
    fresh = some_crops(1, first=50)[0]
    for change, sentence in (
        ({"id": ""}, "needs an id"),
        ({"id": "a\x00b"}, "no text"),
        ({"camera": None}, "its camera is None"),
        ({"picture": b""}, "its picture"),
        ({"vector": np.full(32, np.nan, dtype=np.float32)}, "NaN"),
        ({"vector": fresh.vector * 2}, "length 2"),
        ({"vector": fresh.vector[:16] / np.linalg.norm(fresh.vector[:16])}, "has 16 numbers"),
        ({"start": 5.0, "end": 4.0}, "ends before it starts"),
        ({"time": float("inf")}, "finite"),
        ({"quality": 1.5}, r"\[0, 1\]"),
        ({"box": (1.0, 2.0, 3.0)}, "left, top, right and bottom"),
        ({"track": crops[0].track, "camera": "camera 3"}, "belongs to one camera"),
        ({"id": crops[0].id}, "another content"),
    ):
        with pytest.raises(DataError, match=sentence):
            store.add([crops[1], replace(fresh, **change)])
    assert store.count() == 5


def test_a_folder_that_is_no_gallery_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="holds no gallery"):
        open_store(folder, new=False)
    folder.mkdir()
    (folder / "gallery.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(DataError, match="cannot be opened as a gallery"):
        open_store(folder)
    (folder / "gallery.sqlite").unlink()
    with sqlite3.connect(folder / "gallery.sqlite") as other:
        other.execute("CREATE TABLE something (x)")
    with pytest.raises(DataError, match="no gallery"):
        open_store(folder)
    with pytest.raises(DataError, match="no gallery can be at such an address"):
        open_store("mysql://host/database")
