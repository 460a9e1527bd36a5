"""The label of a person in joined data sets: written by `join_training`, read in one place."""

from __future__ import annotations

from pathlib import Path

from reidr.data.join import join_training
from reidr.data.person_key import PersonKey, dataset_of, in_dataset
from reidr.data.types import Crop, ReIDDataset


def test_a_joined_label_is_read_as_it_was_written() -> None:
    crop = Crop(id="a.jpg", image=Path("a.jpg"), person="train:0002", camera="1")
    joined = join_training([ReIDDataset("market1501", None, (crop,), (), ())])
    label = joined[0].person
    assert label == "market1501:train:0002"
    assert PersonKey.parse(label) == PersonKey("market1501", "train:0002")
    assert dataset_of(label) == "market1501"
    assert in_dataset(label, "market1501") == "train:0002"


def test_a_label_of_another_data_set_is_none_of_this() -> None:
    assert in_dataset("market1501:0002", "market") is None
    assert in_dataset("0002", "market1501") is None
    assert dataset_of(None) == "None"
