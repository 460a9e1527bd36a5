from __future__ import annotations

from pathlib import Path

import pytest

from reidr.data.load import load_dataset
from reidr.errors import DataError


def test_nothing_fits_shows_what_is_there_and_the_expected_trees(tmp_path: Path, empty_tree) -> None:
    empty_tree(tmp_path, ["holiday/a.jpg", "b.jpg"])
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    text = str(caught.value)
    assert "it holds b.jpg, holiday" in text
    for word in (
        "bounding_box_train/0002_c1s1_000451_03.jpg",
        "list_train.txt",
        "rgb/test",
        "LTCC",
        "manifest.csv",
        "detected",
    ):
        assert word in text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "no such folder"),
        ("a.zip", "not a data set; give a folder"),
        ("x" * 5000, r"cannot be read \(File name too long\)"),
    ],
)
def test_paths_that_are_no_data_set(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "a.zip").touch()
    with pytest.raises(DataError, match=said):
        load_dataset(tmp_path / name)


def test_one_folder_further_down_is_found_and_two_are_refused(tmp_path: Path, empty_tree) -> None:
    empty_tree(tmp_path, ["Market-1501-v15.09.15/query/0002_c1s1_000451_03.jpg", "scripts/run.py"])
    dataset = load_dataset(tmp_path)
    assert dataset.name == "Market-1501-v15.09.15"
    assert dataset.root == tmp_path / "Market-1501-v15.09.15"
    empty_tree(tmp_path, ["other/query/0002_c1s1_000451_03.jpg"])
    with pytest.raises(DataError, match=r"holds several data sets, name one: .*Market-1501-v15.09.15, .*other"):
        load_dataset(tmp_path)


def test_a_manifest_in_the_folder_goes_first(tmp_path: Path, empty_tree) -> None:
    empty_tree(tmp_path, ["query/0002_c1s1_000451_03.jpg"])
    (tmp_path / "manifest.csv").write_text("image,person,camera,split\nquery/0002_c1s1_000451_03.jpg,me,door,query\n")
    assert load_dataset(tmp_path).query[0].person == "me"
    assert load_dataset(str(tmp_path), name="mine").name == "mine"


def test_a_folder_query_alone_is_the_market_layout(tmp_path: Path, empty_tree) -> None:
    dataset = load_dataset(empty_tree(tmp_path / "supermarket", ["query/0002_c1s1_000451_03.jpg"]))
    assert dataset.protocol == "standard"
    assert dataset.notes == ("Market-1501 layout",)
