"""Retention: what ended before its camera's limit goes, nothing else, and it is written down."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_of_tests import build, case_record, crop_of, traces_on_disk

from reidr.errors import DataError
from reidr.service.security.retention import DAY, OTHERS, apply_retention, rules, set_retention


def test_each_camera_has_its_days_and_the_end_of_a_track_counts(tmp_path: Path) -> None:
    store, records, crops = build(tmp_path)  # tracks of a minute each, north and south in turn, from 0 s on
    set_retention(records, "north", 10, "Ines")
    set_retention(records, OTHERS, 20, "Ines")
    now = 10 * DAY + 150.5  # north: what ended before 150.5 s (t000, t002); south: nothing
    applied = apply_retention(store, records, "retention", now=now)
    assert [receipt.counts["crops"] for receipt in applied.receipts] == [6]
    assert {crop.track for crop in crops} - {crop.track for crop in store.crops()} == {"t000", "t002"}
    assert traces_on_disk(tmp_path, crops[0]) == []
    assert applied.receipts[0].why == "kept for 10 days, as Ines has set for camera north"
    assert apply_retention(store, records, "retention", now=now).receipts == ()
    gone = apply_retention(store, records, "retention", now=now + 10 * DAY)
    assert sum(receipt.counts["crops"] for receipt in gone.receipts) == 3 + 3 * 4  # t001, and all others of north
    assert {track.id for track in store.tracks()} == {"t003", "t005", "t007", "t009", "t011"}


def test_a_camera_without_a_rule_keeps_all_and_crops_without_a_time_are_counted(tmp_path: Path) -> None:
    store, records, _ = build(tmp_path, 6)
    store.add([crop_of(50, id="x", track="x", camera="south", start=None, end=None)])
    assert apply_retention(store, records, "r", now=1e12).receipts == ()
    set_retention(records, "south", 1, "Ines")
    applied = apply_retention(store, records, "r", now=1e12)
    assert applied.timeless == {"south": 1}
    assert [crop.id for crop in store.crops()] == ["c000", "c001", "c002", "x"]


def test_a_case_outlives_the_footage(tmp_path: Path) -> None:
    store, records, _ = build(tmp_path, 12)
    case_record(records, "about", tracks=["t003"], same=["t000"], found=["t000"])
    set_retention(records, OTHERS, 1, "Ines")
    apply_retention(store, records, "r", now=1e12)
    assert store.count() == 0
    assert records.get("case", "about") is not None


def test_rules_are_changed_by_name_and_written_down(tmp_path: Path) -> None:
    _, records, _ = build(tmp_path, 3)
    set_retention(records, "north", 3, "Ines")
    set_retention(records, "north", 4, "Otto")
    assert [(rule.camera, rule.days, rule.set_by) for rule in rules(records)] == [("north", 4, "Otto")]
    set_retention(records, "north", None, "Otto")
    assert rules(records) == []
    asked = [(row.value["who"], row.value["asked"]["days"]) for row in records.rows("audit")]
    assert asked == [("Ines", 3), ("Otto", 4), ("Otto", None)]
    for days in (0, -1, float("nan"), float("inf")):
        with pytest.raises(DataError, match="number above 0"):
            set_retention(records, "north", days, "Ines")
