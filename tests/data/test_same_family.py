"""Data sets are told by what they are: name, folder, layout, counts, file names, people."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from reidr.data.join import join_training
from reidr.data.load import load_dataset
from reidr.data.protocols.dataset_overlap import (
    check_unseen,
    families_of_dataset,
    families_of_names,
    overlapping_people,
    person_number,
    same_family,
    seen_notes,
)
from reidr.data.protocols.trial import find_protocol
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

MARKET = [f"{p:04d}_c{c}s1_{100 * p + c:06d}_00.jpg" for p in (2, 7, 10, 11) for c in (1, 3, 5)]


def market(root: Path, picture_tree, names: list[str] = MARKET) -> ReIDDataset:
    picture_tree(root, [f"bounding_box_train/{name}" for name in names])
    return load_dataset(root)


def manifest(root: Path, names: list[str], label=lambda name: name[:4], split: str = "train") -> ReIDDataset:
    rows = [f"bounding_box_train/{name},{label(name)},{name[6]},{split}" for name in names]
    path = root / "mine.csv"
    path.write_text("\n".join(["image,person,camera,split", *rows]))
    return load_dataset(path)


@pytest.mark.parametrize(
    ("first", "second", "relation"),
    [
        ("Market-1501", "market1501-dev", "same"),
        ("Market1501", "market1501-dev", "same"),
        ("market_1501_subset", "../data/Market-1501-v15.09.15", "same"),
        ("market", "Market-1501", "same"),
        ("mars", "market1501", "same"),
        ("market-subset", "market1501", "perhaps"),
        ("supermarket", "market1501", "other"),
        ("cuhk03-np-detected", "/data/cuhk03-np-train", "same"),
        ("cuhk03-np-train", "market1501-dev", "other"),
        ("my-shop", "My_Shop", "same"),
        ("my-shop", "your-shop", "other"),
        ("VeRi", "veri-776", "same"),
        ("LTCC_ReID", "ltcc", "same"),
    ],
)
def test_names(first: str, second: str, relation: str) -> None:
    assert same_family(first, second) == relation == same_family(second, first)


def test_a_renamed_folder_is_known_by_its_files(tmp_path: Path, picture_tree) -> None:
    photos = market(tmp_path / "photos", picture_tree)
    assert families_of_dataset(photos) == {"photos"}
    assert families_of_names(photos) == {"Market-1501"}
    assert same_family(photos, "market1501-dev") == "perhaps"
    assert same_family(photos, "ltcc") == "other"
    # A manifest in a folder that says what it is.
    market(tmp_path / "Market-1501", picture_tree)
    assert same_family(manifest(tmp_path / "Market-1501", MARKET), "market1501-dev") == "same"


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("0002_c1s1_000451_03.jpg", {"Market-1501", "CUHK03"}),
        ("0002_c5s1_000451_03.jpg", {"Market-1501"}),
        ("0002C1T0001F001.jpg", {"Market-1501"}),
        ("2002_c5s1_000451_03.jpg", set()),  # Market-1501 has 1,501 people
        ("0002_c8s1_000451_03.jpg", set()),  # and six cameras
        ("0001_c2_f0046182.jpg", {"DukeMTMC"}),
        ("0000_000_01_0303morning_0008_0.jpg", {"MSMT17"}),
        ("A_cropped_rgb001.jpg", {"PRCC"}),
        ("001_1_c5_015874.png", {"LTCC"}),
        ("0001-01-01-00.jpg", {"VC-Clothes"}),
        ("0002_c002_00030600_0.jpg", {"VeRi"}),
        ("1_001_1_01.png", {"CUHK03"}),
        ("IMG_0001.jpg", set()),
    ],
)
def test_file_names(name: str, family: set[str]) -> None:
    assert families_of_names(ReIDDataset("x", None, train=(Crop(f"a/{name}", Path("x.jpg"), "1"),))) == family


def test_counts_tell_a_data_set_under_any_name() -> None:
    picture = Image.new("RGB", (4, 8))
    train = tuple(Crop(f"{i}.png", picture, f"{i % 767}", "1") for i in range(7365))
    assert same_family(ReIDDataset("mine", None, train=train), "cuhk03-np-train") == "same"


def test_rendered_streets_are_told_by_their_settings(tmp_path: Path) -> None:
    few = {"train_people": 2, "test_people": 0, "distractors": 0, "junk": 0}
    one, two = (render_street(tmp_path / f"s{seed}", StreetSettings(seed=seed, **few)) for seed in (1, 2))
    again = load_dataset(shutil.copytree(tmp_path / "s1", tmp_path / "renamed"))
    assert same_family(one, two) == "other"
    assert same_family(one, again) == "same"
    # Drawn people are named in Market-1501's way; they are nobody of it.
    assert same_family(one, "market1501-dev") == "other"
    assert len(join_training([one, two])) == len(one.train) + len(two.train)
    with pytest.raises(DataError, match="s1 and renamed show 2 of the same training people"):
        join_training([one, again])


def test_people_are_told_by_number_whatever_their_spelling(tmp_path: Path, picture_tree) -> None:
    whole = market(tmp_path / "Market-1501", picture_tree)
    for label in (lambda name: name[:4], lambda name: str(int(name[:4])), lambda name: f"p{name[:4]}"):
        part = manifest(tmp_path / "Market-1501", MARKET[:6], label)
        assert overlapping_people(whole, part) == {"0002", "0007"}
        assert len(overlapping_people(part, whole)) == 2
    crop = Crop("x/0002_c1s1_000451_03.jpg", Path("x.jpg"), "0002")
    assert [person_number(crop, label) for label in ("0002", "2", "train:0002", "anna")] == ["2", "2", "train:2", "2"]


def test_other_people_of_a_family_do_not_overlap(tmp_path: Path, picture_tree) -> None:
    first = market(tmp_path / "market1501-a", picture_tree, MARKET[:6])
    second = market(tmp_path / "market1501-b", picture_tree, MARKET[6:])
    assert overlapping_people(first, second) == frozenset()
    assert len(join_training([first, second])) == len(MARKET)


@pytest.mark.parametrize("name", ["market1501-dev", "shop"])
def test_a_copy_under_another_name_is_not_joined(tmp_path: Path, picture_tree, name: str) -> None:
    first = market(tmp_path / "Market-1501", picture_tree)
    second = market(tmp_path / name, picture_tree, MARKET[:6])
    with pytest.raises(DataError, match=rf"Market-1501 and {name} show 2 of the same training people \(person 0002"):
        join_training([first, second])


def test_people_who_are_numbered_alike_in_unknown_data_sets_are_different(tmp_path: Path, picture_tree) -> None:
    first = market(tmp_path / "shop", picture_tree)
    second = market(tmp_path / "mall", picture_tree, MARKET[::-1])  # the same names, other pictures
    assert same_family(first, second) == "perhaps"
    assert overlapping_people(first, second) == frozenset()


def test_a_manifest_over_another_data_set_s_very_files_is_told(tmp_path: Path, picture_tree) -> None:
    picture_tree(tmp_path, ["a.jpg", "b.jpg", "c.jpg"])
    one = ReIDDataset("one", None, train=tuple(Crop(n, tmp_path / f"{n}.jpg", n) for n in "ab"))
    two = ReIDDataset("two", None, train=tuple(Crop(n, tmp_path / f"{n}.jpg", f"x{n}") for n in "bc"))
    assert overlapping_people(one, two) == {"b"}
    assert overlapping_people(two, one) == {"xb"}


def test_cross_domain_refuses_what_is_sure_and_warns_of_what_may_be(tmp_path: Path, picture_tree) -> None:
    protocol, models = find_protocol("cross-domain"), {"retriever nano": ("market1501-dev", "cuhk03-np-train")}
    market(tmp_path / "Market-1501", picture_tree)
    sure = manifest(tmp_path / "Market-1501", MARKET, split="query")
    with pytest.raises(DataError, match="but retriever nano was trained on market1501-dev"):
        check_unseen(protocol, sure, models)
    market(tmp_path / "photos", picture_tree)
    maybe = manifest(tmp_path / "photos", MARKET, split="query")
    check_unseen(protocol, maybe, models)
    [note] = seen_notes(maybe, models)
    assert (note.level, note.count) == ("warning", 4)
    assert note.startswith("4 query persons may be people whom retriever nano was trained on: mine has files named")
    assert seen_notes(maybe, {"retriever mine": ("elsewhere",)}) == ()
    assert seen_notes(maybe, {"retriever hub": ()}) == ()
