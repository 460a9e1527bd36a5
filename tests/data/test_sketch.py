"""A model knows its training data again, whatever their folder is called today."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from reidr.data.load import load_dataset
from reidr.data.protocols.dataset_overlap import check_unseen, same_family
from reidr.data.protocols.trial import find_protocol
from reidr.data.sketch import SIZE, TrainingData, hashes_of, resembles, sketch_of
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError


def files(folder: Path, number: int, first: int = 0) -> ReIDDataset:
    """Crops of files that differ in name and size."""
    folder.mkdir(parents=True, exist_ok=True)
    crops = []
    for place in range(first, first + number):
        path = folder / f"{place:05d}.jpg"
        path.write_bytes(bytes(1 + place % 7))
        crops.append(Crop(path.name, path, f"{place // 4}"))
    return ReIDDataset(folder.name, folder, train=tuple(crops))


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> ReIDDataset:
    return files(tmp_path_factory.mktemp("data") / "shop", 3000)


def test_a_sketch_is_the_smallest_hashes(shop: ReIDDataset) -> None:
    sketch = sketch_of(shop)
    assert list(sketch) == sorted(hashes_of(shop.train))[:SIZE]
    assert sketch_of(replace(shop, train=shop.train[:900], query=shop.train[900:])) == sketch


@pytest.mark.parametrize("number", [3000, 1500, 300, 150])
def test_a_renamed_copy_and_a_subset_are_known_again(shop: ReIDDataset, tmp_path: Path, number: int) -> None:
    copy = files(tmp_path / "store", number)
    trained = TrainingData("shop", sketch_of(shop))
    assert same_family(copy, "shop") == "other"  # by its name alone
    assert same_family(copy, trained) == same_family(trained, copy) == "same"


def test_a_larger_edition_is_known_again(shop: ReIDDataset, tmp_path: Path) -> None:
    small = TrainingData("small", sketch_of(files(tmp_path / "small", 40)))
    assert same_family(shop, small) == "same"


@pytest.mark.parametrize("number", [20, 3000])
def test_other_pictures_are_other_data(shop: ReIDDataset, tmp_path: Path, number: int) -> None:
    other = files(tmp_path / "store", number, first=50_000)
    assert same_family(other, TrainingData("shop", sketch_of(shop))) == "other"
    # A few names and sizes in common are chance.
    few = replace(other, train=(*other.train, *shop.train[:2]))
    assert not resembles(sketch_of(shop), few)


def test_pictures_in_memory_and_lost_files_have_no_hash(tmp_path: Path) -> None:
    assert sketch_of(ReIDDataset("x", None, train=(Crop("a", tmp_path / "gone.jpg", "1"),))) == ()
    assert not resembles((), files(tmp_path / "x", 5))
    assert TrainingData("shop") == "shop"


def test_cross_domain_refuses_a_renamed_training_set(tmp_path: Path, picture_tree) -> None:
    names = [f"{p:04d}_c{c}s1_0.jpg" for p in (1, 2, 3) for c in (1, 2)]
    folders = ("bounding_box_train", "query", "bounding_box_test")
    picture_tree(tmp_path / "shop", [f"{folder}/{name}" for folder in folders for name in names])
    shutil.copytree(tmp_path / "shop", tmp_path / "store")
    shop, store = load_dataset(tmp_path / "shop"), load_dataset(tmp_path / "store")
    check_unseen(find_protocol("cross-domain"), store, {"retriever mine": ["shop"]})
    with pytest.raises(DataError, match="but retriever mine was trained on shop"):
        check_unseen(find_protocol("cross-domain"), store, {"retriever mine": [TrainingData("shop", sketch_of(shop))]})
