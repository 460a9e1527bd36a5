"""Erasure: no byte of a picture or vector stays in any file of the site, others' stay whole, and a receipt says so."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from site_of_tests import build, case_record, crop_of, export_of, fill_caches, picture_of, traces_on_disk

from reidr.errors import DataError, ReIDError
from reidr.service.records.opening import open_records
from reidr.service.security.audit import Entry, write
from reidr.service.security.erasure import erasing
from reidr.service.security.erasure.erasing import erase, finish_erasures
from reidr.service.security.erasure.receipts import Erasure, Receipt, filter_as_json, filter_of_json, receipts
from reidr.service.security.pseudonyms import Pseudonyms
from reidr.service.security.verification import verify
from reidr.service.store.opening import open_store
from reidr.service.store.records import EVERYTHING, CropFilter

ONE_TRACK = CropFilter(tracks=frozenset({"t002"}))


def of_track(*names: str) -> CropFilter:
    return CropFilter(tracks=frozenset(names))


def test_no_byte_of_what_is_erased_stays_in_any_file_of_the_site(tmp_path: Path) -> None:
    store, records, crops = build(tmp_path)
    fill_caches(crops)
    export_of(records, tmp_path / "exports" / "one.html", crops[6:8])
    export_of(records, tmp_path / "exports" / "other.html", crops[20:21])
    erased, kept = crops[6:9], [*crops[:6], *crops[9:]]
    for crop in erased:
        assert len(traces_on_disk(tmp_path, crop)) >= 4  # gallery, block, caches, export: the search finds them
    receipt = erase(store, records, Erasure(ONE_TRACK, "Ines", "Art. 17", verified_by="Otto"))
    for crop in erased:
        assert traces_on_disk(tmp_path, crop) == []
    for crop in kept:
        assert len(traces_on_disk(tmp_path, crop)) >= 3
    assert receipt.counts["crops"] == 3
    assert receipt.counts["tracks"] == 1
    assert receipt.counts["embeddings"] == 6  # by file and by pixels
    assert receipt.counts["scores"] == 3 * 35 * 2 - 3 * 2
    assert receipt.counts["exports"] == 1
    assert receipt.files == [str(tmp_path / "exports" / "one.html")]
    assert (tmp_path / "exports" / "other.html").is_file()
    found = [hit.id for hit in store.search(crops[7].vector[None], 100)[0]]
    assert sorted(found) == [crop.id for crop in kept]


@pytest.mark.parametrize(
    ("which", "gone"),
    [
        (CropFilter(ids=frozenset({"c004"})), {4}),
        (CropFilter(persons=frozenset({"Anna"})), {30, 31, 32}),
        (CropFilter(cameras=frozenset({"south"})), {*range(3, 6), *range(9, 12), *range(15, 18), *range(21, 24),
                                                    *range(27, 30), *range(33, 36)}),
        (CropFilter(since=60.0, until=120.0), set(range(3, 9))),
    ],
)  # fmt: skip
def test_everything_by_which_one_may_erase(tmp_path: Path, which: CropFilter, gone: set[int]) -> None:
    store, records, crops = build(tmp_path)
    store.assign(of_track("t010"), "Anna")
    receipt = erase(store, records, Erasure(which, "Ines"))
    assert receipt.counts["crops"] == len(gone)
    assert [crop.id for crop in store.crops()] == [crop.id for place, crop in enumerate(crops) if place not in gone]
    assert all(traces_on_disk(tmp_path, crops[place]) == [] for place in gone)


def test_the_receipt_names_nobody_and_its_hash_stands_in_the_audit_log(tmp_path: Path) -> None:
    store, records, _ = build(tmp_path)
    write(records, Entry("Ines", "search", answered={"tracks": ["t002", "t003"]}))
    receipt = erase(store, records, Erasure(ONE_TRACK, "Ines", "asked for it", verified_by="Otto"))
    assert "t002" not in receipt.model_dump_json()
    assert receipt.digest() == receipt.hash
    assert receipt.model_copy(update={"counts": {}}).digest() != receipt.hash
    rows = records.rows("audit")
    assert [row.value["action"] for row in rows] == ["search", "erase"]
    assert rows[1].value["answered"]["hash"] == receipt.hash
    assert (rows[1].value["verified_by"], rows[1].value["why"]) == ("Otto", "asked for it")
    assert rows[0].value["answered"]["tracks"] == [Pseudonyms(records).of(name) for name in ("t002", "t003")]
    assert verify(records).broken is None
    assert receipts(records) == [receipt]
    assert Receipt.model_validate_json(receipt.model_dump_json()) == receipt
    records.close()
    assert b"t002" not in b"".join(path.read_bytes() for path in (tmp_path / "gallery").glob("records*"))


def test_a_case_about_the_person_goes_whole_and_another_loses_what_it_says_of_them(tmp_path: Path) -> None:
    store, records, crops = build(tmp_path)
    case_record(records, "about", tracks=["t009"], same=["t002"], found=["t002", "t004"])
    case_record(records, "queried", tracks=["t002"], same=[], found=["t005"])
    case_record(records, "other", tracks=["t001"], same=["t004"], found=["t002", "t004"])
    case_record(records, "untouched", tracks=["t001"], same=["t004"], found=["t004"])
    records.put("search", "token", {"case": "about"})
    records.put("request", "key", {"answer": {}})
    export_of(records, tmp_path / "case.html", crops[12:13], case="about")
    before = records.get("case", "untouched")
    receipt = erase(store, records, Erasure(ONE_TRACK, "Ines"))
    assert [record.key for record in records.of_kind("case")] == ["other", "untouched"]
    assert [record.key for record in records.of_kind("case-pictures")] == ["other", "untouched"]
    assert records.get("case", "untouched") == before
    other = records.get("case", "other")
    assert other is not None
    assert (other.value["answer"], other.value["reasons"], other.value["request"]["words"]) == (None, [], "red coat")
    decisions = {record.key: record.value for record in records.of_kind("decision")}
    assert sorted(decisions) == ["other/000001", "other/000002", "untouched/000001"]
    changed = decisions["other/000001"]
    assert (changed["decided"], changed["by"], changed["score"], changed["crops"], changed["why"]) == (
        "different", "Ines", 0.5, [], ""
    )  # fmt: skip
    assert changed["track"].startswith("~")
    assert decisions["other/000002"]["crops"] == ["c012", "c013", "c014"]
    assert records.of_kind("search") == records.of_kind("request") == []
    assert not (tmp_path / "case.html").exists()
    assert {"cases": 2, "cases changed": 1, "decisions changed": 1}.items() <= receipt.counts.items()


def test_a_case_whose_query_is_the_erased_picture_goes(tmp_path: Path) -> None:
    store, records, _ = build(tmp_path)
    store.add([crop_of(36, picture=picture_of(999))])
    case_record(records, "a", tracks=[], same=[], found=["t005"])
    erase(store, records, Erasure(CropFilter(ids=frozenset({"c036"})), "Ines"))
    assert records.of_kind("case") == records.of_kind("case-pictures") == records.of_kind("decision") == []


def test_footage_that_grew_too_old_leaves_cases_standing(tmp_path: Path) -> None:
    store, records, _ = build(tmp_path)
    case_record(records, "about", tracks=["t009"], same=["t002"], found=["t002", "t004"])
    erase(store, records, Erasure(ONE_TRACK, "Ines", about_person=False))
    case = records.get("case", "about")
    assert case is not None
    assert case.value["request"]["confirmed"] == []
    assert records.get("decision", "about/000001").value["decided"] == "same"  # type: ignore[union-attr]
    assert "t002" not in json.dumps([record.value for kind in ("case", "decision") for record in records.of_kind(kind)])


def test_a_track_that_keeps_crops_stays_in_cases(tmp_path: Path) -> None:
    store, records, _ = build(tmp_path)
    case_record(records, "other", tracks=["t001"], same=["t004"], found=["t002"])
    erase(store, records, Erasure(CropFilter(ids=frozenset({"c008"})), "Ines"))
    assert records.get("decision", "other/000001").value["track"] == "t002"  # type: ignore[union-attr]
    # and its last crops take the name along, whatever went before
    erase(store, records, Erasure(CropFilter(ids=frozenset({"c006", "c007"})), "Ines"))
    assert records.get("decision", "other/000001").value["track"].startswith("~")  # type: ignore[union-attr]


def test_large_erasures_go_in_batches_and_count_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "AT_ONCE", 4)
    store, records, _ = build(tmp_path)
    case_record(records, "other", tracks=["t001"], same=["t001"], found=["t002"])
    receipt = erase(store, records, Erasure(CropFilter(since=120.0, until=299.0), "Ines"))
    assert receipt.counts["crops"] == 9
    assert receipt.counts["tracks"] == 3
    assert records.get("decision", "other/000001").value["track"].startswith("~")  # type: ignore[union-attr]


@pytest.mark.whole
@pytest.mark.parametrize("place", range(14))
def test_an_erasure_that_was_killed_anywhere_is_finished_by_the_next_call(tmp_path: Path, place: int) -> None:
    """The child dies at its n-th change of the records or the store; each of them is one step."""
    build(tmp_path)
    _, records, crops = build(tmp_path)
    fill_caches(crops)
    export_of(records, tmp_path / "one.html", crops[6:7])
    records.close()
    child = os.fork()
    if child == 0:
        store, own = open_store(tmp_path / "gallery"), open_records(tmp_path / "gallery")
        steps = iter(range(1000))

        def dying(call: object) -> object:
            def wrapped(*args: object, **options: object) -> object:
                if next(steps) == place:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*args, **options)  # type: ignore[operator]

            return wrapped

        for owner, names in ((own, ("put", "remove", "append", "purge")), (store, ("delete",))):
            for name in names:
                setattr(owner, name, dying(getattr(owner, name)))
        erase(store, own, Erasure(ONE_TRACK, "Ines"))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    store, records = open_store(tmp_path / "gallery"), open_records(tmp_path / "gallery")
    finished = finish_erasures(store, records)
    begun = bool(receipts(records))
    if os.WIFSIGNALED(status) and place > 0:
        assert begun
    if begun:
        (receipt,) = receipts(records)
        assert receipt.counts["crops"] == 3
        assert [row.value["answered"]["hash"] for row in records.rows("audit")] == [receipt.hash]
        assert all(traces_on_disk(tmp_path, crop) == [] for crop in crops[6:9])
        assert records.of_kind("erasure") == []
        assert finished in ([], [receipt])
    assert finish_erasures(store, records) == []


def test_what_cannot_be_removed_is_said_and_done_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reidr.service.security.erasure import kept_records

    store, records, crops = build(tmp_path)
    export_of(records, tmp_path / "one.html", crops[6:7])

    def refuse(path: Path) -> None:
        raise ReIDError(f"{path}: cannot be removed")

    with monkeypatch.context() as patch:
        patch.setattr(kept_records, "remove", refuse)
        with pytest.raises(ReIDError, match="cannot be removed"):
            erase(store, records, Erasure(ONE_TRACK, "Ines"))
    assert store.count(ONE_TRACK) == 3
    assert len(finish_erasures(store, records)) == 1
    assert store.count(ONE_TRACK) == 0


def test_an_erasure_that_others_are_at_work_on_is_left_to_them(tmp_path: Path) -> None:
    store, records, _ = build(tmp_path, 12)
    pending = erasing.Pending("one", Erasure(ONE_TRACK, "Ines"), 0.0).as_json()
    for change in ({"process": os.getppid()}, {"host": "elsewhere"}):
        records.put("erasure", "one", {**pending, **change})
        assert finish_erasures(store, records) == []
    for change in (
        {"process": 2**22 + 1},
        {"host": "elsewhere", "touched": 1.0},
    ):  # it ended; nobody touched it for long
        records.put("erasure", "one", {**pending, **change})
        assert len(finish_erasures(store, records)) == 1
    assert store.count(ONE_TRACK) == 0


def test_nothing_named_is_no_erasure_and_nothing_found_is_one(tmp_path: Path) -> None:
    store, records, _ = build(tmp_path)
    with pytest.raises(DataError, match="name what"):
        erase(store, records, Erasure(EVERYTHING, "Ines"))
    assert erase(store, records, Erasure(of_track("nobody"), "Ines")).counts["crops"] == 0


def test_filters_travel_through_json() -> None:
    for which in (EVERYTHING, ONE_TRACK, CropFilter(cameras=frozenset({"a", "b"}), since=1.5, until=2.0)):
        assert filter_of_json(json.loads(json.dumps(filter_as_json(which)))) == which
