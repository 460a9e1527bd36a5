"""Data sets by name: `NAME=PATH` gives the name by which models say whom they know."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from reidr.cli.main import reidr
from reidr.data.load import load_dataset
from reidr.errors import DataError
from reidr.training.recipes.data_sets import (
    check_data,
    data_name,
    data_path,
    load_named,
    recorded_name,
    training_images,
    without_validation_list,
)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for person in (1, 2):
        for camera in (1, 2):
            path = tmp_path / "Market-v15" / "bounding_box_train" / f"{person:04d}_c{camera}s1_000001_00.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 8)).save(path)
    return tmp_path / "Market-v15"


def test_a_name_and_a_path(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = f"market1501={photos}"
    assert (data_name(entry), data_path(entry), recorded_name(entry)) == ("market1501", photos, "market1501")
    assert load_named(entry).name == "market1501"
    assert load_named(str(photos)).name == load_dataset(photos).name == "Market-v15"
    assert recorded_name(str(photos)) == str(photos)
    # A name alone is a folder of $REIDR_DATA, and a path that is there comes first, whatever letters it has.
    monkeypatch.setenv("REIDR_DATA", str(photos.parent))
    monkeypatch.chdir("/")
    assert (data_path("Market-v15"), data_name("Market-v15")) == (photos, "Market-v15")
    monkeypatch.chdir(photos.parent)
    Path("odd=name").mkdir()
    assert (data_path("odd=name"), data_name("odd=name")) == (Path("odd=name"), "odd=name")


def test_a_missing_one_says_where_to_ask(photos: Path) -> None:
    with pytest.raises(DataError, match=r"^/nowhere: no such folder or manifest; here names it .*PRCC \(Yang et al"):
        check_data(["prcc=/nowhere"], "here")


def test_msmt17_without_its_validation_list(tmp_path: Path) -> None:
    """Its train list has 30,248 images and its val list 2,373 others of the same people."""
    root = tmp_path / "MSMT17"
    lists: dict[str, list[str]] = {"train": [], "val": [], "query": [], "gallery": []}
    for part, folder, persons, number in (("train", "train", 3, 4), ("val", "train", 3, 2), ("query", "test", 2, 1),
                                          ("gallery", "test", 2, 2)):  # fmt: skip
        for person in range(persons):
            for place in range(number):
                name = f"{person:04d}/{person:04d}_{place:03d}_{place + 1:02d}_0303morning_{len(part):04d}_0.jpg"
                path = root / folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (4, 8)).save(path)
                lists[part].append(f"{name} {person}")
    for part, lines in lists.items():
        (root / f"list_{part}.txt").write_text("\n".join(lines) + "\n")
    whole = load_named(f"msmt17={root}")
    assert training_images([whole]) == {"msmt17": 18}
    less = without_validation_list(whole)
    assert training_images([less]) == {"msmt17": 12}
    assert {crop.person for crop in less.train} == {crop.person for crop in whole.train}
    assert (less.query, less.gallery) == (whole.query, whole.gallery)
    assert without_validation_list(less) == less


def test_the_command_line_takes_several_after_one_option(photos: Path) -> None:
    def refused(*words: str) -> str:
        result = CliRunner().invoke(reidr, ["train", *words])
        assert result.exit_code != 0
        return result.output + str(result.exception)

    assert "data sets are named after --data" in refused("qwen2.5-vl-7b", f"market1501={photos}")
    assert "two data sets are called a" in refused("qwen2.5-vl-7b", "--data", "a=x", "a=y")
    assert "nowhere: no such folder" in refused("qwen2.5-vl-7b", "--data", f"market1501={photos}", "prcc=/nowhere")
    assert "cannot be left out of the data sets market1501" in refused(
        "qwen2.5-vl-7b", "--data", f"market1501={photos}", "--leave-out", "prcc"
    )
