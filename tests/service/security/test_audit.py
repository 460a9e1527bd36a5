"""The audit log: every change of a row is found, nothing in it shows or names a crop."""

from __future__ import annotations

import copy
import hashlib
import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest
from naive_records import NaiveRecords

from reidr.errors import DataError
from reidr.service.records.opening import open_records
from reidr.service.security.audit import Entry, write
from reidr.service.security.pseudonyms import NAMING, Pseudonyms
from reidr.service.security.verification import verify


def log_of(number: int, who: str = "Ines") -> NaiveRecords:
    records = NaiveRecords()
    for index in range(number):
        write(records, Entry(who, "search", "lost child", {"words": "red coat"}, {"found": index}, 7))
    return records


def test_a_row_says_all_that_was_given_and_its_hash_is_as_documented() -> None:
    records = NaiveRecords()
    entry = Entry("Ines", "decide", "why", {"case": "a"}, {"same": True}, 3, verified_by="Otto")
    row = write(records, entry).value
    assert [row[name] for name in ("number", "who", "action", "why", "gallery_version", "verified_by", "previous")] == [
        1, "Ines", "decide", "why", 3, "Otto", "0" * 64
    ]  # fmt: skip
    own = {name: part for name, part in row.items() if name != "hash"}
    text = "0" * 64 + json.dumps(own, sort_keys=True, separators=(",", ":"))
    assert row["hash"] == hashlib.sha256(text.encode()).hexdigest()


def test_an_untouched_log_verifies_and_so_does_a_head_kept_elsewhere() -> None:
    records = log_of(5)
    checked = verify(records)
    assert (checked.rows, checked.broken) == (5, None)
    write(records, Entry("a", "b"))
    assert verify(records, kept_head=checked.head).broken is None
    assert verify(NaiveRecords()).head == "0:" + "0" * 64
    assert verify(records, kept_head="0:" + "0" * 64).broken is None
    with pytest.raises(DataError, match="not the head"):
        verify(records, kept_head="5")


FIELDS = ("time", "who", "action", "why", "gallery_version", "asked", "answered", "verified_by", "previous", "hash",
          "number")  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_the_first_changed_row_is_named(name: str) -> None:
    untouched = log_of(6)
    for place in range(6):
        for value in (None, "", "x", 0, 99, {}, [], True):
            records = NaiveRecords()
            records.logs = copy.deepcopy(untouched.logs)
            row = records.logs["audit"][place]
            if row[name] != value or type(row[name]) is not type(value):
                row[name] = value
                assert verify(records).broken == place + 1, (place, value)


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (lambda rows: rows.pop(2), 3),
        (lambda rows: rows.insert(2, copy.deepcopy(rows[2])), 4),
        (lambda rows: rows.reverse(), 1),
        (lambda rows: rows[0].pop("who"), 1),
    ],
)
def test_rows_taken_out_put_in_or_moved_are_found(change: Callable[[list[object]], object], broken: int) -> None:
    records = log_of(5)
    change(records.logs["audit"])
    assert verify(records).broken == broken


def test_a_gap_in_the_numbers_is_found_in_the_database(tmp_path: Path) -> None:
    import sqlite3

    records = open_records(tmp_path)
    for _ in range(4):
        write(records, Entry("a", "search"))
    records.close()
    other = sqlite3.connect(tmp_path / "records.sqlite", isolation_level=None)
    other.execute("DROP TRIGGER logs_never_shrink")
    other.execute("DELETE FROM logs WHERE number = 2")
    other.close()
    checked = verify(open_records(tmp_path))
    assert checked.broken is not None
    assert (checked.rows, checked.why) == (1, "row 2 is missing; row 3 comes in its place")


def test_a_log_that_was_written_anew_or_cut_off_does_not_fit_a_head_kept_elsewhere() -> None:
    kept = verify(log_of(5)).head
    anew = log_of(6, "Otto")
    assert verify(anew).broken is None
    assert verify(anew, kept_head=kept).broken == 5
    records = log_of(5)
    kept = verify(records).head
    records.logs["audit"].pop()
    assert verify(records).broken is None
    assert verify(records, kept_head=kept).broken == 5


def write_many(folder: Path) -> None:
    records = open_records(folder)
    for _ in range(5):
        write(records, Entry("a", "search"))


def test_rows_of_several_processes_make_one_chain(tmp_path: Path) -> None:
    children = [multiprocessing.get_context("fork").Process(target=write_many, args=(tmp_path,)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    checked = verify(open_records(tmp_path))
    assert (checked.rows, checked.broken) == (15, None)


def test_ids_and_pictures_become_pseudonyms_that_are_the_same_every_time() -> None:
    records = NaiveRecords()
    asked = {"pictures": [b"\xff\xd8jpeg"], "words": "red coat", "tracks": ["cam1-7"], "content": b"raw"}
    answered = {"appearances": [{"best": "cam1-7-3", "camera": "cam1", "likelihood": 0.9}]}
    row = write(records, Entry("a", "search", asked=asked, answered=answered)).value
    text = json.dumps(row)
    assert "cam1-7" not in text
    assert "jpeg" not in text
    names = Pseudonyms(records)
    assert row["asked"]["tracks"] == [names.of("cam1-7")]
    assert row["asked"]["pictures"] == [names.of(b"\xff\xd8jpeg")]
    assert row["answered"]["appearances"][0] == {"best": names.of("cam1-7-3"), "camera": "cam1", "likelihood": 0.9}
    assert names.hide(row["asked"]) == row["asked"]
    assert Pseudonyms(NaiveRecords()).of("cam1-7") != names.of("cam1-7")  # of another gallery


@pytest.mark.parametrize("name", sorted(NAMING))
def test_no_text_below_a_naming_field_survives(name: str) -> None:
    for value in ("cam1-7", ["cam1-7"], [["cam1-7"]], ("cam1-7",), {"cam1-7"}):
        assert "cam1-7" not in json.dumps(Pseudonyms(NaiveRecords()).hide({"deep": [{name: value}]}))


def test_what_is_no_json_is_refused_and_leaves_no_row() -> None:
    records = NaiveRecords()
    with pytest.raises(DataError, match="JSON"):
        write(records, Entry("a", "search", asked={"n": float("nan")}))
    assert records.rows("audit") == []
