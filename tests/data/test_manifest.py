from __future__ import annotations

import json
from pathlib import Path

import pytest

from reidr.data.manifest import load_manifest
from reidr.errors import DataError

HEADER = "image,person,camera,split,outfit,sequence,time,role,attribute:upper_color"


def csv_manifest(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "manifest.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


def jsonl_manifest(folder: Path, *rows: object) -> Path:
    path = folder / "shop.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_csv_with_every_column(tmp_path: Path) -> None:
    path = csv_manifest(
        tmp_path,
        "b.jpg,anna,door,gallery,2,s1,12.5,,red",
        '"a, b/c.jpg",anna,yard,query,1,,,person,',
        "x.jpg,,yard,gallery,,,,,",
        "y.jpg,somebody,yard,gallery,,,,distractor,",
        "z.jpg,,yard,gallery,,,,junk,",
        "t.jpg,0002,,train,,,,,",
    )
    dataset = load_manifest(path)
    assert dataset.name == tmp_path.name
    [query] = dataset.query
    assert (query.id, query.person, query.camera, query.outfit) == ("a, b/c.jpg", "anna", "yard", "1")
    assert query.image == tmp_path / "a, b" / "c.jpg"
    b, x, y, z = dataset.gallery
    assert (b.sequence, b.time, dict(b.attributes)) == ("s1", 12.5, {"upper_color": "red"})
    assert (x.person, x.junk) == (None, False)
    assert (y.person, y.junk) == (None, False)
    assert (z.person, z.junk) == (None, True)
    assert dataset.train[0].person == "0002"
    assert dataset.train[0].camera is None


def test_jsonl_says_the_same(tmp_path: Path) -> None:
    path = jsonl_manifest(
        tmp_path,
        {
            "image": "b.jpg",
            "person": 12,
            "camera": 3,
            "split": "gallery",
            "attributes": {"hat": True, "bag": None, "n": 2},
        },
        "",
        {"image": "a.jpg", "person": "12", "split": "query", "time": 3},
    )
    dataset = load_manifest(path)
    assert dataset.name == "shop"
    assert (dataset.gallery[0].person, dataset.gallery[0].camera) == ("12", "3")
    assert dict(dataset.gallery[0].attributes) == {"hat": "yes", "n": "2"}
    assert dataset.query[0].time == 3.0


def test_a_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes("\ufeffimage,person,split\r\na.jpg,1,query\r\n".encode())
    assert load_manifest(path).query[0].id == "a.jpg"


def test_line_separators_inside_values_are_no_new_rows(tmp_path: Path) -> None:
    row = {"image": "a.jpg", "person": "x\u2028y", "split": "query"}
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    assert load_manifest(path).query[0].person == "x\u2028y"


@pytest.mark.parametrize(
    "image",
    ["../a.jpg", "/etc/passwd", "a/../../b.jpg", "C:\\photos\\a.jpg", "\\\\server\\a.jpg", "..\\a.jpg", "C:a.jpg"],
)
def test_paths_outside_the_folder_are_refused(tmp_path: Path, image: str) -> None:
    path = csv_manifest(tmp_path, "ok.jpg,1,1,query", f"{image},1,1,gallery", header="image,person,camera,split")
    with pytest.raises(DataError, match=r"manifest.csv: line 3: image .* lies outside the manifest's folder"):
        load_manifest(path)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (",1,1,query,,,,,", "image is empty"),
        ("a.jpg,1,1,test,,,,,", "split is test; it must be train, query or gallery"),
        ("a.jpg,1,1,,,,,,", "split is empty"),
        ("a.jpg,,1,query,,,,,", "a query crop needs a person"),
        ("a.jpg,1,1,train,,,,junk,", "a train crop needs a person"),
        ("a.jpg,,1,gallery,,,,person,", "role is person, but person is empty"),
        ("a.jpg,1,1,gallery,,,,extra,", "role is 'extra'"),
        ("a.jpg,1,1,gallery,,,noon,,", "time is 'noon'; it must be a number"),
        ("a.jpg,1,1,gallery,,,nan,,", "time is 'nan'; it must be a number"),
        ("a\\b.jpg,1,1,gallery,,,,,", "write plain text with / between folders"),
        ("a.jpg,1,1,gallery,,,,,,more", "more values than columns"),
    ],
)
def test_bad_csv_rows_name_the_line(tmp_path: Path, row: str, said: str) -> None:
    path = csv_manifest(tmp_path, "ok.jpg,1,1,query,,,,,", row)
    with pytest.raises(DataError) as caught:
        load_manifest(path)
    assert "manifest.csv: line 3: " in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{not json", "not JSON"),
        ("[1, 2]", "a row is an object"),
        ("[" * 100_000, "not JSON"),
        ({"image": "a.jpg", "person": "1", "split": "query", "pid": 3}, "unknown key 'pid'"),
        ({"image": "a.jpg", "person": ["1"], "split": "query"}, "person is ['1']; it must be text or a number"),
        ({"image": "a.jpg", "person": True, "split": "query"}, "person is True"),
        ({"image": "a.jpg", "person": "1", "split": "query", "attributes": ["red"]}, "attributes must be an object"),
        ({"image": "a.jpg", "person": "1", "split": "query", "attributes": {"hat": ["x"]}}, "hat is ['x']"),
        ('{"image": "a.jpg", "person": "1", "split": "gallery", "time": NaN}', "it must be a number"),
    ],
)
def test_bad_jsonl_rows_name_the_line(tmp_path: Path, row: object, said: str) -> None:
    path = jsonl_manifest(tmp_path, {"image": "ok.jpg", "person": "1", "split": "query"}, row)
    with pytest.raises(DataError) as caught:
        load_manifest(path)
    assert "shop.jsonl: line 2: " in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("image;person;split", "not separated by commas"),
        ("image,person", "no column 'split'"),
        ("image,person,split,pid", "unknown column 'pid'"),
        ("image,person,split,attribute:", "unknown column 'attribute:'"),
        ("image,person,split,person", "column 'person' is there twice"),
    ],
)
def test_bad_headers(tmp_path: Path, header: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        load_manifest(csv_manifest(tmp_path, "a,b,c,d", header=header))


def test_the_same_picture_twice_in_a_split_names_both_lines(tmp_path: Path) -> None:
    rows = ("a.jpg,1,1,query", "b.jpg,1,1,query", "./a.jpg,1,2,query")
    path = csv_manifest(tmp_path, *rows, header="image,person,camera,split")
    with pytest.raises(DataError, match=r"line 4: a.jpg is already in query, on line 2"):
        load_manifest(path)


def test_empty_missing_and_non_text_manifests(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rows"):
        load_manifest(csv_manifest(tmp_path))
    with pytest.raises(DataError, match="no such manifest"):
        load_manifest(tmp_path / "other.csv")
    (tmp_path / "latin.csv").write_bytes("image,person,split\nä.jpg,1,query\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin.csv: not UTF-8 text \(byte 19\)"):
        load_manifest(tmp_path / "latin.csv")


def test_jsonl_lines_may_end_in_any_way(tmp_path: Path) -> None:
    rows = [{"image": f"{name}.jpg", "person": 1, "split": "gallery"} for name in "ab"]
    for ends in ("\n", "\r\n", "\r"):
        (tmp_path / "m.jsonl").write_bytes(ends.join(json.dumps(row) for row in rows).encode())
        assert [crop.id for crop in load_manifest(tmp_path / "m.jsonl").gallery] == ["a.jpg", "b.jpg"]


def test_gaps_that_are_nan_are_gaps(tmp_path: Path) -> None:
    row = {"image": "a.jpg", "person": float("nan"), "split": "gallery", "role": float("nan")}
    (tmp_path / "m.jsonl").write_text(json.dumps(row))
    (crop,) = load_manifest(tmp_path / "m.jsonl").gallery
    assert (crop.person, crop.junk) == (None, False)
    (tmp_path / "m.jsonl").write_text(json.dumps({**row, "image": float("nan")}))
    with pytest.raises(DataError, match="image is empty"):
        load_manifest(tmp_path / "m.jsonl")
