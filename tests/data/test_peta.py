"""PETA's layout: words become facts, persons belong to their subset, and what cannot be used is named by its line."""

import json

import pytest
from PIL import Image

from reidr.data.attribute_sources import facts_of
from reidr.data.load import load_dataset
from reidr.data.vocabulary import values_true
from reidr.errors import DataError

ROWS = [
    {"image": "MIT/a.jpg", "subset": "MIT", "person": "1", "cam": None, "labels": ["upperBodyRed", "hairShort"]},
    {"image": "MIT/b.jpg", "subset": "MIT", "person": "2", "cam": 1, "labels": ["lowerBodyJeans", "personalMale"]},
    {"image": "CUHK/a.jpg", "subset": "CUHK", "person": "1", "cam": None, "labels": ["carryingBackpack"]},
]


def write(folder, rows=ROWS, pictures=True):
    for row in rows if pictures else ():
        (folder / row["image"]).parent.mkdir(exist_ok=True)
        Image.new("RGB", (16, 32), "red").save(folder / row["image"])
    (folder / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_pictures_persons_and_words(tmp_path):
    dataset = load_dataset(write(tmp_path))
    assert [crop.person for crop in dataset.train] == ["MIT/1", "MIT/2", "CUHK/1"]
    assert [crop.camera for crop in dataset.train] == [None, "1", None]
    assert values_true(facts_of(dataset.train[0].attributes), "upper colors") == ("red",)
    assert "Male" not in dataset.train[1].attributes["peta"]
    assert dataset.kind == "PETA"
    assert not dataset.query
    assert not dataset.gallery


def test_missing_pictures_are_counted_and_half_of_them_is_an_error(tmp_path):
    write(tmp_path)
    (tmp_path / "MIT/b.jpg").unlink()
    dataset = load_dataset(tmp_path)
    assert [(note.level, note.count) for note in dataset.notes if note.kind == "missing file"] == [("warning", 1)]
    (tmp_path / "MIT/a.jpg").unlink()
    with pytest.raises(DataError, match="2 of 3 listed files are not in"):
        load_dataset(tmp_path)
    assert len(load_dataset(tmp_path, allow_missing=True).train) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 4: not JSON"),
        ('{"image": "MIT/a.jpg"}', "line 4: needs image, subset, person, labels"),
        (json.dumps(ROWS[0] | {"labels": ["upperBodyTartan"]}), "line 4: 'upperBodyTartan' is no label of PETA"),
        (json.dumps(ROWS[0] | {"image": "../x.jpg"}), "line 4: ../x.jpg leads out of the folder"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, line, message):
    write(tmp_path)
    with (tmp_path / "labels.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path)
