from __future__ import annotations

from pathlib import Path

import pytest

from reidr.data.attributes import load_market_attributes
from reidr.data.layouts.market1501 import load_market1501, market1501_from_names, parse_names
from reidr.errors import DataError

HEADER = (
    "split,pid,age,backpack,bag,handbag,downblack,downblue,downbrown,downgray,downgreen,downpink,downpurple,downwhite,"
    "downyellow,upblack,upblue,upgreen,upgray,uppurple,upred,upwhite,upyellow,clothes,down,up,hair,hat,gender"
)


@pytest.mark.parametrize(
    ("name", "person", "camera", "sequence", "time"),
    [
        ("0012_c5s1_000651_02.jpg", "0012", "5", "c5s1", 651.0),
        ("0012_c12s3_000651_02.jpg", "0012", "12", "c12s3", 651.0),  # Market-style MSMT17: two digits
        ("0012_c12_000651.png", "0012", "12", None, 651.0),
        ("0012_c01_000651.png", "0012", "1", None, 651.0),  # the camera of 0012_c1_…
        ("0012_c10_000651.png", "0012", "10", None, 651.0),
        ("0001_c2_f0046182.jpg", "0001", "2", None, 46182.0),  # Duke's frame numbers
        ("1_c1.webp", "1", "1", None, None),
        ("0001_c1_3.png", "0001", "1", None, 3.0),
    ],
)
def test_names_give_person_camera_sequence_and_time(
    name: str, person: str, camera: str, sequence: str | None, time: float | None
) -> None:
    [crop], unparsed = parse_names(Path("/data"), "query", [name])
    assert unparsed == []
    assert (crop.person, crop.camera, crop.sequence, crop.time) == (person, camera, sequence, time)
    assert crop.id == f"query/{name}"
    assert crop.image == Path("/data/query") / name
    assert not crop.junk


@pytest.mark.parametrize(
    "name",
    ["person.jpg", "0012.jpg", "c5s1_0012.jpg", "0012_5s1_000651.jpg", "-2_c1s1_1_1.jpg", "0012_cs1.jpg", "٣_c1.jpg"],
)
def test_other_names_do_not_parse(name: str) -> None:
    assert parse_names(Path("/data"), "query", [name]) == ([], [name])


def test_junk_and_distractors_of_the_gallery() -> None:
    names = {
        "query": ["0002_c1s1_000001_00.jpg"],
        "gallery": ["-1_c2s1_000001_00.jpg", "0000_c2s1_000002_00.jpg", "0002_c2s1_000003_00.jpg"],
    }
    dataset = market1501_from_names(Path("/data/set"), names)
    junk, distractor, person = dataset.gallery
    assert junk.junk
    assert junk.person is None
    assert not distractor.junk
    assert distractor.person is None
    assert person.person == "0002"
    assert dataset.summary()["gallery"] == {"images": 3, "persons": 1, "cameras": 1, "distractors": 1, "junk": 1}


def test_person_zero_is_a_person_where_a_query_carries_it() -> None:
    names = {"query": ["0000_c1_0001.jpg"], "gallery": ["0000_c2_0002.jpg"]}
    dataset = market1501_from_names(Path("/data/set"), names)
    assert dataset.gallery[0].person == "0000"


def test_junk_queries_are_left_out_with_a_note() -> None:
    names = {"query": ["-1_c1s1_000001_00.jpg", "0002_c1s1_000001_00.jpg"], "gallery": ["0002_c2s1_000001_00.jpg"]}
    dataset = market1501_from_names(Path("/data/set"), names)
    assert [crop.person for crop in dataset.query] == ["0002"]
    assert any("1 junk boxes" in note and "-1_c1s1_000001_00.jpg" in note for note in dataset.notes)


@pytest.mark.parametrize("folders", [("query", "bounding_box_test"), ("bounding_box_train",)])
def test_any_folder_may_be_absent(tmp_path: Path, empty_tree, folders: tuple[str, ...]) -> None:
    empty_tree(tmp_path, [f"{folder}/0002_c{i}s1_000001_00.jpg" for folder in folders for i in (1, 2)])
    dataset = load_market1501(tmp_path)
    filled = {s for s, counts in dataset.summary().items() if counts["images"]}
    assert filled == ({"train"} if len(folders) == 1 else {"query", "gallery"})


def test_listing_is_sorted_and_unknown_files_are_noted(tmp_path: Path, empty_tree) -> None:
    names = [
        "0003_c1s1_000001_00.jpg",
        "0002_c1s1_000001_00.JPG",
        "0001_c1s1_000001_00.jpeg",
        "0004_c1s1_000001_00.png",
    ]
    empty_tree(tmp_path, [f"query/{n}" for n in (*names, "Thumbs.db", ".hidden.jpg", "notes.txt", "holiday.jpg")])
    dataset = load_market1501(tmp_path, "mine")
    assert [crop.person for crop in dataset.query] == ["0001", "0002", "0003", "0004"]
    assert dataset.name == "mine"
    notes = " | ".join(dataset.notes)
    assert "1 of 5 names do not follow PERSON_cCAMERA" in notes
    assert "holiday.jpg" in notes
    assert "1 files are no pictures by their ending: notes.txt" in notes
    assert "Thumbs" not in notes
    assert "hidden" not in notes


def test_a_folder_per_person_is_read_too(tmp_path: Path, empty_tree) -> None:
    names = ["query/0002/0002_c1s1_000451_03.jpg", "query/0003/0003_c2s1_000451_03.jpg", "query/0003/.x.jpg"]
    dataset = load_market1501(empty_tree(tmp_path, names))
    assert [(crop.id, crop.person) for crop in dataset.query] == [(names[0], "0002"), (names[1], "0003")]
    assert dataset.query[1].image == tmp_path / names[1]


def test_names_that_are_no_text_are_left_out(tmp_path: Path, empty_tree) -> None:
    empty_tree(tmp_path, ["query/0002_c1s1_000001_00.jpg"])
    try:
        (tmp_path / "query" / "0003_c1s1_\udcff.jpg").touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    dataset = load_market1501(tmp_path)
    assert len(dataset.query) == 1
    "\n".join(dataset.notes).encode("utf-8")  # would raise for a lone surrogate


def test_nothing_that_parses_is_an_error_that_shows_three_names(tmp_path: Path, empty_tree) -> None:
    empty_tree(tmp_path, [f"query/photo{i}.jpg" for i in range(5)])
    with pytest.raises(DataError, match=r"photo0.jpg, photo1.jpg, photo2.jpg and 2 more do not follow PERSON_cCAMERA"):
        load_market1501(tmp_path)


def test_attributes_become_words_without_gender_and_age(tmp_path: Path, empty_tree) -> None:
    empty_tree(
        tmp_path, ["query/0007_c1s1_000001_00.jpg", "query/0010_c1s1_000001_00.jpg", "query/0011_c1s1_000001_00.jpg"]
    )
    # 0007: age 2, backpack yes, bag no, handbag yes, lower black (column downblack = 2), upper red,
    #       clothes 1 dress, down 2 short, up 1 long sleeve, hair 2 long, hat 1 no.
    first = "train,0007,2,2,1,2, 2,1,1,1,1,1,1,1,1, 1,1,1,1,1,2,1,1, 1,2,1, 2,1,2".replace(" ", "")
    # 0010: two upper colours marked: none of them can be named.
    second = "train,0010,2,1,1,1, 1,1,1,1,1,1,1,1,1, 2,2,1,1,1,1,1,1, 2,1,2, 1,2,1".replace(" ", "")
    (tmp_path / "attributes.csv").write_text(f"{HEADER}\n{first}\n{second}\n")
    seven, ten, eleven = load_market1501(tmp_path).query
    assert dict(seven.attributes) == {
        "upper_color": "red",
        "lower_color": "black",
        "sleeve": "long",
        "lower_length": "short",
        "lower_kind": "dress",
        "hair_length": "long",
        "hat": "no",
        "backpack": "yes",
        "shoulder_bag": "no",
        "handbag": "yes",
    }
    assert ten.attributes["upper_color"] == "other"
    assert ten.attributes["lower_kind"] == "trousers"
    assert ten.attributes["hat"] == "yes"
    assert not eleven.attributes


@pytest.mark.parametrize("bad", ["0", "3", "yes", ""])
def test_attribute_rows_of_other_values_name_the_line(tmp_path: Path, bad: str) -> None:
    row = f"train,0007,2,{bad},1,2,2,1,1,1,1,1,1,1,1,1,1,1,1,1,2,1,1,1,2,1,2,1,2"
    path = tmp_path / "attributes.csv"
    path.write_text(f"{HEADER}\n{row}\n")
    with pytest.raises(DataError, match=r"attributes.csv: line 2 is not a row of 1s and 2s"):
        load_market_attributes(path)
