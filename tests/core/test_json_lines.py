"""JSON lines: a killed writer costs the line it was writing, and no other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reidr.core.storage.json_lines import append_json_lines, keep_json_lines, read_json_lines
from reidr.errors import DataError, ReIDError


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert read_json_lines(path) == []
    append_json_lines(path, [{"step": 1, "text": "a\nb"}, {"step": 2, "text": "é"}])
    append_json_lines(path, [])
    append_json_lines(path, [{"step": 3}])
    assert [record["step"] for record in read_json_lines(path)] == [1, 2, 3]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_last_line_that_was_cut_off_is_left_out_and_taken_away(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "log.jsonl"
    append_json_lines(path, [{"step": 1}, {"step": 2, "words": "much"}])
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    known = read_json_lines(path)
    assert known == [{"step": 1}, {"step": 2, "words": "much"}][: len(known)]
    append_json_lines(path, [{"step": 9}])
    assert read_json_lines(path) == [*known, {"step": 9}]


def test_a_long_line_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 1}\n' + b'{"words": "' + b"x" * 300_000)
    append_json_lines(path, [{"step": 2}])
    assert read_json_lines(path) == [{"step": 1}, {"step": 2}]


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for line in (b"{", b"\xff\xfe", b"3", b""):
        path.write_bytes(b'{"step": 1}\n' + line + b'\n{"step": 3}\n')
        with pytest.raises(DataError, match=r"log\.jsonl: line 2 is no JSON object"):
            read_json_lines(path)


def test_keeping_some(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert keep_json_lines(path, lambda record: True) == []
    append_json_lines(path, [{"step": 1}, {"step": 2}])
    before = path.stat().st_mtime_ns
    assert len(keep_json_lines(path, lambda record: True)) == 2
    assert path.stat().st_mtime_ns == before
    assert keep_json_lines(path, lambda record: record["step"] < 2) == [{"step": 1}]
    assert read_json_lines(path) == [{"step": 1}]


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ReIDError, match="its folder is not there"):
        append_json_lines(tmp_path / "absent" / "log.jsonl", [{}])
    if Path("/dev/full").exists():
        with pytest.raises(ReIDError, match="make room"):
            append_json_lines(Path("/dev/full"), [{}])
    assert os.listdir(tmp_path) == []  # noqa: PTH208
