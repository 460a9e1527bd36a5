from __future__ import annotations

from pathlib import Path

import pytest

from reidr.data.join import join_training
from reidr.data.types import Crop, ReIDDataset, count_crops
from reidr.errors import DataError

NOWHERE = Path("/nowhere")


def dataset(name: str, *crops: Crop) -> ReIDDataset:
    return ReIDDataset(name, None, train=crops)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"id": ""}, "non-empty id"),
        ({"id": "a", "person": ""}, "crop a: person must be a non-empty string or None"),
        ({"id": "a", "person": 7}, "crop a: person must be .* not 7"),
        ({"id": "a", "camera": 1}, "crop a: camera must be"),
        ({"id": "a", "outfit": ""}, "crop a: outfit must be"),
        ({"id": "a", "person": "1", "junk": True}, "crop a: junk crops carry no person, but this one says '1'"),
    ],
)
def test_crops_are_checked_when_made(facts: dict, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Crop(image=NOWHERE, **facts)


@pytest.mark.parametrize("split", ["train", "query", "gallery"])
def test_an_id_twice_in_a_split_is_named(split: str) -> None:
    twice = (Crop("a.jpg", NOWHERE), Crop("b.jpg", NOWHERE), Crop("b.jpg", NOWHERE))
    with pytest.raises(DataError, match=rf"shop: {split} lists 'b.jpg' twice"):
        ReIDDataset("shop", None, **{split: twice})
    # The same id in two splits is allowed: some protocols search a gallery for its own crops.
    ReIDDataset("shop", None, query=twice[:2], gallery=twice[:2])


def test_counts() -> None:
    crops = [
        Crop("a", NOWHERE, person="1", camera="x"),
        Crop("b", NOWHERE, person="1", camera="y"),
        Crop("c", NOWHERE, camera="y"),
        Crop("d", NOWHERE, junk=True),
    ]
    assert count_crops(iter(crops)) == {"images": 4, "persons": 1, "cameras": 2, "distractors": 1, "junk": 1}


def test_labels_of_two_data_sets_do_not_run_together() -> None:
    # The same id, person and camera in both, as bounding_box_train/0002_c1… is in Market-1501 and in CUHK03.
    crop = Crop("0002_c1.jpg", NOWHERE, person="0002", camera="1", outfit="2", time=4.0)
    first, second = join_training([dataset("market1501", crop), dataset("cuhk03", crop)])
    assert (first.id, first.person, first.camera) == ("market1501/0002_c1.jpg", "market1501:0002", "market1501:1")
    assert (second.id, second.person, second.camera) == ("cuhk03/0002_c1.jpg", "cuhk03:0002", "cuhk03:1")
    assert (first.outfit, first.time, first.image) == ("2", 4.0, NOWHERE)


def test_unlabelled_crops_are_not_trained_on_and_an_unknown_camera_stays_unknown() -> None:
    [only] = join_training([dataset("shop", Crop("a", NOWHERE), Crop("b", NOWHERE, person="7"))])
    assert (only.id, only.person, only.camera) == ("shop/b", "shop:7", None)


def test_equal_names_and_nothing_to_train_on_are_refused() -> None:
    crop = Crop("a", NOWHERE, person="1")
    with pytest.raises(DataError, match="two training data sets share the name 'shop'"):
        join_training([dataset("shop", crop), dataset("mall", crop), dataset("shop", crop)])
    with pytest.raises(DataError, match=r"mall: no labelled training crops \(bounding_box_train or split 'train'\)"):
        join_training([dataset("shop", crop), dataset("mall", Crop("x", NOWHERE))])
    assert join_training([]) == ()
