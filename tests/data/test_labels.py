"""One reading of labels, whatever column, format or type they come in."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidr.data.checks.validate import validate
from reidr.data.manifest import load_manifest
from reidr.data.protocols.trial import find_protocol, trials
from reidr.data.reading.labels import check_exponents, read_label, spelled_twice
from reidr.data.types import Crop
from reidr.errors import DataError

COLUMNS = ("person", "camera", "outfit", "sequence", "track")
# (value, what it is read as): numbers and texts in every spelling.
READ: list[tuple[Any, str | None]] = [
    (1, "1"),
    (1.0, "1"),
    ("1", "1"),
    ("1.0", "1"),
    ("1.", "1"),
    ("1.000", "1"),
    (" 1 ", "1"),
    ("\ufeff1", "1"),
    (-1, "-1"),
    (-1.0, "-1"),
    ("-1.0", "-1"),
    (0, "0"),
    (-0.0, "0"),
    ("-0", "0"),
    (1e3, "1000"),
    (2**53, "9007199254740992"),
    (12345678901234567890, "12345678901234567890"),
    ("12345678901234567890.0", "12345678901234567890"),
    (1.5, "1.5"),
    ("1.5", "1.5"),
    ("1.50", "1.5"),
    ("0001", "0001"),
    ("0001.0", "0001"),
    ("c1", "c1"),
    ("1e3", "1e3"),
    ("10.0.0.1", "10.0.0.1"),
    ("e\u0301", "é"),
    (None, None),
    (float("nan"), None),
    ("", None),
    ("  ", None),
    ("nan", None),
    ("NaN", None),
    ("None", None),
    ("null", None),
    ("NULL", None),
    ("<NA>", None),
    (np.int64(7), "7"),
    (np.uint8(7), "7"),
    (np.float32(7.0), "7"),
    (np.float64("nan"), None),
    (np.str_("7.0"), "7"),
    (np.array(7), "7"),
    (Decimal("7.0"), "7"),
]
REFUSED: list[Any] = [True, False, np.True_, [1], {"a": 1}, b"1", float("inf"), -float("inf"), 1e20, (1,), 1j]
REFUSED += [np.arange(2), "a\ud800"]


@pytest.mark.parametrize(("value", "label"), READ, ids=[repr(value) for value, _ in READ])
def test_a_value_is_read_by_the_one_rule(value: Any, label: str | None) -> None:
    # `Decimal` is no `numbers.Real`; it is refused rather than guessed.
    if isinstance(value, Decimal):
        with pytest.raises(DataError, match="must be text or a number"):
            read_label(value)
        return
    assert read_label(value) == label


@pytest.mark.parametrize("value", REFUSED, ids=repr)
def test_what_is_no_label_is_refused(value: Any) -> None:
    with pytest.raises(DataError, match=r"must be text or a (finite )?number|write it as (text|UTF-8)"):
        read_label(value)


def plain_json(value: Any) -> bool:
    return value is None or type(value) in (int, float, str)


def rows(column: str, value: Any) -> list[dict[str, Any]]:
    """The value on a gallery crop, where any label may be unknown, and its plain reading on another."""
    first = {"image": "a.jpg", "person": "p", "split": "gallery", column: value}
    return [first, {"image": "q.jpg", "person": "p", "camera": "c", "split": "query"}]


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_of_jsonl_and_csv_reads_alike(tmp_path: Path, column: str) -> None:
    for number, (value, label) in enumerate(READ):
        if not plain_json(value):
            continue
        path = tmp_path / f"{number}.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows(column, value)))
        assert getattr(load_manifest(path).gallery[0], column) == label, value
        if isinstance(value, str):
            path = tmp_path / f"{number}.csv"
            others = [name for name in ("image", "person", "split") if name != column]
            fixed = {"image": "a.jpg", "person": "p", "split": "gallery"}
            lines = [",".join([*others, column]), ",".join([*(fixed[name] for name in others), value])]
            path.write_text("\n".join(lines))
            assert getattr(load_manifest(path).gallery[0], column) == label, value


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("value", [True, [1], {"a": 1}, 1e20])
def test_every_column_refuses_what_is_no_label_with_its_line(tmp_path: Path, column: str, value: Any) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in reversed(rows(column, value))))
    with pytest.raises(DataError, match=rf"m\.jsonl: line 2: {column} is "):
        load_manifest(path)


@pytest.mark.parametrize("value", ["", "nan", None, float("nan")])
def test_a_query_without_a_person_is_refused_with_its_line(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps({"image": "a.jpg", "person": value, "split": "query"}))
    with pytest.raises(DataError, match="line 1: a query crop needs a person"):
        load_manifest(path)


@given(st.lists(st.sampled_from([1, 1.0, "1", "1.0", " 1", "1.00", np.int32(1)]), min_size=2))
def test_one_camera_never_becomes_two(values: list[Any]) -> None:
    assert {read_label(value) for value in values} == {"1"}


@given(st.integers(-(2**53), 2**53))
def test_a_whole_number_is_its_digits_as_integer_as_float_and_as_text(number: int) -> None:
    readings = {read_label(each) for each in (number, float(number), str(number), f"{number}.0")}
    assert readings == {str(number)}


def test_pandas_floats_and_integers_of_one_column_are_one_camera(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("image,person,camera,split\nq.png,3.0,1.0,query\nsame.png,3,1,gallery\nother.png,3,2.0,gallery\n")
    [trial] = trials(load_manifest(path), find_protocol("standard"))
    assert trial.excluded().tolist() == [[False, True]]  # other.png, same.png
    assert trial.matches().tolist() == [[True, False]]


def test_an_exponent_beside_its_number_is_refused(tmp_path: Path) -> None:
    check_exponents("camera", ["1e3", "1001", None])
    with pytest.raises(DataError, match=r"camera is '1e3' in one row and '1000' in another"):
        check_exponents("camera", ["1000", "1e3"])
    path = tmp_path / "m.jsonl"
    both = [{"image": "a.jpg", "person": "p", "camera": 1e3, "split": "gallery"},
            {"image": "b.jpg", "person": "p", "camera": "1e3", "split": "gallery"}]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, both)))
    with pytest.raises(DataError, match="may or may not be the same"):
        load_manifest(path)


def test_leading_zeros_are_kept_and_said(tmp_path: Path) -> None:
    assert spelled_twice(["0002", "2", "A", "a", "3", None]) == ["0002 and 2", "A and a"]
    path = tmp_path / "m.jsonl"
    both = [{"image": "q.jpg", "person": "0002", "camera": 1, "split": "query"},
            {"image": "g.jpg", "person": 2, "camera": 2, "split": "gallery"}]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, both)))
    dataset = load_manifest(path)
    [note] = [note for note in dataset.notes if note.kind == "label spelling"]
    assert (note.level, note.count, note.names) == ("error", 1, ("0002 and 2",))
    assert [f.kind for f in validate(dataset, pixels=False) if "0002 and 2" in f.problem] == ["person spelling"]


@pytest.mark.parametrize("value", ["", " ", "nan", "None", 7, 1.0, True, float("nan"), np.int64(3), b"1"])
@pytest.mark.parametrize("column", COLUMNS)
def test_crops_made_in_code_take_text_that_names_something(column: str, value: Any) -> None:
    with pytest.raises(DataError, match=f"crop a: {column} must be a non-empty string or None"):
        Crop("a", Path("a.jpg"), **{column: value})


@pytest.mark.parametrize("column", COLUMNS)
def test_crops_made_in_code_spell_numbers_in_one_way(column: str) -> None:
    assert {getattr(Crop("a", Path("a.jpg"), **{column: value}), column) for value in ("1", "1.0", " 1 ")} == {"1"}
    assert getattr(Crop("a", Path("a.jpg"), **{column: "0002"}), column) == "0002"
    assert hash(Crop("a", Path("a.jpg"), camera="1.0")) == hash(Crop("a", Path("a.jpg"), camera="1"))


def test_the_mark_of_junk_as_a_person_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("image,person,camera,split\nq.png,1,1,query\ng.png,1,2,gallery\nj.png,-1.0,2,gallery\n")
    [finding] = [f for f in validate(load_manifest(path), pixels=False) if f.kind == "junk as a person"]
    assert (finding.severity, finding.files) == ("warning", ("j.png",))


@pytest.mark.parametrize("text", ["NA", "na", "N/A", "#N/A", "-NaN", "+nan", "1.#QNAN", "NULL", "<NA>", " nan\u200b"])
def test_what_programs_write_for_a_gap_is_unknown(text: str) -> None:
    assert read_label(text) is None


@pytest.mark.parametrize("text", ["inf", "-inf", "Infinity", "+INF"])
def test_text_that_looks_like_an_infinite_number_is_text(text: str) -> None:
    assert read_label(text) == text
    assert read_label(np.str_(text)) == text
    with pytest.raises(DataError, match="finite number"):
        read_label(float(text))


def test_a_float_of_32_bits_reads_as_its_text() -> None:
    assert read_label(np.float32(0.1)) == read_label("0.1") == "0.1"
    assert read_label(np.float16(2.0)) == "2"


def test_digits_of_another_width_and_a_plus_are_said_to_be_written_twice() -> None:
    assert spelled_twice(["1", "\uff11", "+1", "2"]) == ["+1 and 1 and \uff11"]
