"""Sentences about training persons: typed, joined to crops, and a line that cannot be used is named."""

import json
from pathlib import Path

import pytest

from reidr.data.captions import crops_of_captions, load_captions
from reidr.data.load import load_dataset
from reidr.data.types import Caption
from reidr.errors import DataError

CROPS = (
    "bounding_box_train/0002_c1s1_000451_03.jpg",
    "bounding_box_train/0002_c2s1_000301_01.jpg",
    "bounding_box_train/0007_c3s3_077419_03.jpg",
)
ENTRIES = (
    {"person": "0002", "images": [CROPS[1]], "captions": ["Grey coat, brown boots.", "A grey coat."]},
    {"person": "0007", "captions": ["Green shorts and a blue backpack."]},
)


def write(folder, entries=ENTRIES):
    (folder / "captions.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return folder


def test_a_data_set_has_the_captions_that_lie_beside_it(tmp_path, empty_tree):
    dataset = load_dataset(write(empty_tree(tmp_path, CROPS)))
    assert dataset.captions == (
        Caption("0002", ("Grey coat, brown boots.", "A grey coat."), (CROPS[1],)),
        Caption("0007", ("Green shorts and a blue backpack.",)),
    )
    [note] = [note for note in dataset.notes if note.kind == "captions"]
    assert note == "captions.jsonl: 3 sentences about 2 training persons"


def test_without_a_file_there_are_no_captions(tmp_path, empty_tree):
    assert load_dataset(empty_tree(tmp_path, CROPS)).captions == ()


def test_captions_are_joined_to_the_crops_they_name_else_to_all_of_their_person(tmp_path, empty_tree):
    dataset = load_dataset(write(empty_tree(tmp_path, CROPS)))
    joined = [[crop.id for crop in crops] for _, crops in crops_of_captions(dataset.captions, dataset.train)]
    assert joined == [[CROPS[1]], [CROPS[2]]]
    unknown = [Caption("0002", ("Grey coat.",))]
    [(_, both)] = crops_of_captions(unknown, dataset.train)
    assert [crop.id for crop in both] == list(CROPS[:2])


def test_captions_of_crops_that_are_held_out_are_left_out(tmp_path, empty_tree):
    dataset = load_dataset(write(empty_tree(tmp_path, CROPS)))
    kept = [crop for crop in dataset.train if crop.id != CROPS[1]]
    assert [caption.person for caption, _ in crops_of_captions(dataset.captions, kept)] == ["0007"]


def test_captions_about_nobody_in_training_are_left_out_and_noted(tmp_path, empty_tree):
    stranger = {"person": "0009", "captions": ["A red cap."]}
    dataset = load_dataset(write(empty_tree(tmp_path, CROPS), (*ENTRIES, stranger)))
    assert [caption.person for caption in dataset.captions] == ["0002", "0007"]
    [note] = [note for note in dataset.notes if note.kind == "captions of strangers"]
    assert (note.level, note.names) == ("warning", ("0009",))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 3: not JSON"),
        ("[]", "line 3: not an object with person and captions"),
        ('{"captions": ["A red cap."]}', "line 3: person must be the label of a training person, as text"),
        ('{"person": 7, "captions": ["A red cap."]}', "line 3: person must be the label"),
        ('{"person": "nan", "captions": ["A red cap."]}', "line 3: person "),
        ('{"person": "7"}', "line 3: captions is missing or empty"),
        ('{"person": "7", "captions": []}', "line 3: captions is missing or empty"),
        ('{"person": "7", "captions": "A red cap."}', "line 3: captions must be a list of texts"),
        ('{"person": "7", "captions": [" "]}', "line 3: captions must be a list of texts"),
        ('{"person": "7", "captions": ["A cap."], "images": [1]}', "line 3: images must be a list of texts"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, line, message):
    write(tmp_path)
    with (tmp_path / "captions.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=message) as error:
        load_captions(tmp_path / "captions.jsonl")
    assert str(error.value).startswith(f"{tmp_path / 'captions.jsonl'}: line 3")


def test_a_file_that_is_no_utf8_is_refused(tmp_path):
    (tmp_path / "captions.jsonl").write_bytes(b"\xff\xfe{")
    with pytest.raises(DataError, match="not UTF-8 text"):
        load_captions(tmp_path / "captions.jsonl")


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "entries", "sentences"), [("market1501", 1229, 2469), ("cuhk03-np-train", 1067, 2147)]
)
def test_the_research_captions_load(real_data: Path, name: str, entries: int, sentences: int):
    dataset = load_dataset(real_data / name)
    assert len(dataset.captions) == entries
    assert sum(len(caption.sentences) for caption in dataset.captions) == sentences
    assert not [note for note in dataset.notes if note.kind == "captions of strangers"]
    assert len(crops_of_captions(dataset.captions, dataset.train)) == entries
