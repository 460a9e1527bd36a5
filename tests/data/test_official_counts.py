"""Trees and listings of the official sizes, with empty files or none at all: loading opens no picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from reidr.data.checks.official_counts import OFFICIAL, TITLES, compare, identify
from reidr.data.layouts import ltcc, vc_clothes
from reidr.data.layouts.market1501 import garbage_collection_paused, market1501_from_names
from reidr.data.layouts.msmt17 import parse_list
from reidr.data.layouts.prcc import prcc_from_paths
from reidr.data.load import load_dataset
from reidr.data.protocols.trial import PROTOCOLS
from reidr.data.reading.named_folders import named_folders_from_names
from reidr.data.types import count_crops

DOCS = Path(__file__).parents[2] / "docs" / "datasets.md"


def market_names(images: int, persons: int, first: int, cameras: int = 6) -> list[str]:
    """`images` names of `persons` people."""
    return [f"{first + i % persons:04d}_c{i % cameras + 1}s1_{i:06d}_00.jpg" for i in range(images)]


@pytest.fixture(scope="module")
def market1501(tmp_path_factory: pytest.TempPathFactory, empty_tree) -> Path:
    root = tmp_path_factory.mktemp("counts") / "Market-1501-v15.09.15"
    # 13,115 true + 2,798 distractors + 3,819 junk = 19,732 gallery files.
    gallery = market_names(13_115, 750, 1_001)
    gallery += [f"0000_c1s1_{i:06d}_00.jpg" for i in range(2_798)] + [f"-1_c1s1_{i:06d}_00.jpg" for i in range(3_819)]
    splits = {"bounding_box_train": market_names(12_936, 751, 1), "query": market_names(3_368, 750, 1_001)}
    for folder, names in (splits | {"bounding_box_test": gallery}).items():
        empty_tree(root, [f"{folder}/{name}" for name in names])
    return root


def test_market1501_full_tree(market1501: Path) -> None:
    dataset = load_dataset(market1501)
    summary = dataset.summary()
    assert summary["train"] == {"images": 12_936, "persons": 751, "cameras": 6, "distractors": 0, "junk": 0}
    assert summary["query"]["images"] == 3_368
    assert summary["gallery"] == {"images": 19_732, "persons": 750, "cameras": 6, "distractors": 2_798, "junk": 3_819}
    assert any(note.startswith("counts agree with Market-1501") for note in dataset.notes)


def test_market1501_without_junk_agrees_too(market1501: Path) -> None:
    names = {
        split: sorted(path.name for path in (market1501 / folder).iterdir() if not path.name.startswith("-1"))
        for split, folder in (("query", "query"), ("gallery", "bounding_box_test"))
    }
    dataset = market1501_from_names(market1501, names)
    assert len(dataset.gallery) == 15_913
    assert any(note.startswith("counts agree") for note in dataset.notes)


def test_partial_and_larger_copies_are_said_but_load() -> None:
    names = {"train": market_names(7_682, 450, 1)}
    dataset = market1501_from_names(Path("/data/market1501-mine"), names)
    assert any(
        note.startswith(
            "looks like a partial copy of Market-1501: 7,682 of 12,936 training images, 450 of 751 training persons"
        )
        for note in dataset.notes
    )
    dataset = market1501_from_names(Path("/data/Market1501"), {"train": market_names(13_000, 760, 1)})
    assert any(note.startswith("holds more than the official Market-1501") for note in dataset.notes)


def test_a_folder_that_claims_nothing_is_compared_with_nothing() -> None:
    dataset = market1501_from_names(Path("/data/my-shop"), {"train": market_names(100, 10, 1)})
    assert dataset.notes == ("Market-1501 layout",)


@pytest.mark.parametrize(("boxes", "train", "gallery"), [("detected", 7_365, 5_332), ("labelled", 7_368, 5_328)])
def test_cuhk03_np_is_known_by_its_counts_under_any_name(boxes: str, train: int, gallery: int) -> None:
    names = {
        "train": market_names(train, 767, 1, 2),
        "query": market_names(1_400, 700, 1_001, 2),
        "gallery": market_names(gallery, 700, 1_001, 2),
    }
    dataset = market1501_from_names(Path("/data/renamed"), names)
    assert dataset.protocol == f"cuhk03-np/{boxes}"
    assert any(note.startswith(f"counts agree with CUHK03-NP ({boxes})") for note in dataset.notes)


def test_cuhk03_np_mat_of_official_size(tmp_path: Path, empty_tree) -> None:
    counts = (7_365, 1_400, 5_332)
    labels = [i % 767 for i in range(counts[0])] + [1_000 + i % 700 for i in range(counts[1])]
    labels += [1_000 + i % 700 for i in range(counts[2])]
    files = [f"{i % 5 + 1}_{label:03d}_{i % 2 + 1}_{i:05d}.png" for i, label in enumerate(labels)]
    filelist = np.empty((len(files), 1), dtype=object)
    filelist[:, 0] = files
    ends = np.cumsum((0, *counts))
    rows = {
        f"{split}_idx": np.arange(ends[n], ends[n + 1]) + 1 for n, split in enumerate(("train", "query", "gallery"))
    }
    path = tmp_path / "cuhk03_new_protocol_config_detected.mat"
    savemat(path, {"filelist": filelist, "labels": np.array(labels), **rows})
    empty_tree(tmp_path, [f"images_detected/{name}" for name in files])
    dataset = load_dataset(path)
    assert tuple(len(crops) for crops in (dataset.train, dataset.query, dataset.gallery)) == counts
    assert any(note.startswith("counts agree with CUHK03-NP (detected)") for note in dataset.notes)


def test_the_old_cuhk03_split_is_told_from_the_new_one() -> None:
    dataset = market1501_from_names(Path("/data/cuhk03"), {"train": market_names(13_164, 1_367, 1, 2)})
    assert any(note.startswith("looks like the old CUHK03 split") for note in dataset.notes)


def msmt_lines(images: int, persons: int) -> list[str]:
    return [
        f"{i % persons:04d}/{i % persons:04d}_{i:03d}_{i % 15 + 1:02d}_0303morning_{i:04d}_0.jpg {i % persons}"
        for i in range(images)
    ]


def test_msmt17_lists_of_official_size() -> None:
    summary = {}
    for split, images, persons in (("train", 32_621, 1_041), ("query", 11_659, 3_060), ("gallery", 82_161, 3_060)):
        with garbage_collection_paused():
            crops, missing = parse_list(Path("/data"), "test", msmt_lines(images, persons), f"list_{split}.txt")
        assert missing == []
        summary[split] = count_crops(crops)
        assert summary[split]["cameras"] == 15
    [note] = compare("msmt17", summary)
    assert note.startswith("counts agree with MSMT17")


def test_market_style_msmt17_of_official_size() -> None:
    sizes = {"train": (32_621, 1_041), "query": (11_659, 3_060), "gallery": (82_161, 3_060)}
    names = {split: market_names(images, persons, 0, 15) for split, (images, persons) in sizes.items()}
    dataset = market1501_from_names(Path("/data/MSMT17_V2"), names)
    assert dataset.train[0].person == "train:0000"
    assert dataset.summary()["gallery"]["cameras"] == 15
    assert any("MSMT17 V2" in note for note in dataset.notes)
    assert any(note.startswith("counts agree with MSMT17") for note in dataset.notes)


def test_occluded_duke_of_official_size(tmp_path: Path, empty_tree) -> None:
    # Half of the queries lie in Duke's gallery folder, from which Occluded-Duke took them.
    def duke(images: int, persons: int, first: int) -> list[str]:
        return [f"{first + i % persons:04d}_c{i % 8 + 1}_f{i:07d}.jpg" for i in range(images)]

    listed = {"train": duke(15_618, 702, 1), "query": duke(2_210, 519, 3_000), "gallery": duke(17_661, 1_110, 3_000)}
    # Frames count on from the queries', so that no picture is in two lists.
    listed["gallery"] = [name.replace("_f0", "_f1") for name in listed["gallery"]]
    for split, names in listed.items():
        (tmp_path / f"{split}.list").write_text("\n".join(names))
    empty_tree(tmp_path / "pictures", [f"bounding_box_train/{name}" for name in listed["train"]])
    empty_tree(tmp_path / "pictures", [f"query/{name}" for name in listed["query"][::2]])
    moved = [*listed["query"][1::2], *listed["gallery"], "9999_c1_f0000001.jpg"]
    empty_tree(tmp_path / "pictures", [f"bounding_box_test/{name}" for name in moved])
    dataset = load_dataset(tmp_path)
    assert any(note.startswith("counts agree with Occluded-Duke") for note in dataset.notes)
    assert dataset.summary()["query"] == {"images": 2_210, "persons": 519, "cameras": 8, "distractors": 0, "junk": 0}


def test_prcc_of_official_size() -> None:
    train = [f"train/{i % 150:03d}/{'ABC'[i % 3]}_cropped_rgb{i:05d}.jpg" for i in range(17_896)]
    test = [
        f"test/{camera}/{300 + i % 71}/cropped_rgb{i:05d}.jpg"
        for camera, images in (("A", 3_384), ("B", 3_543), ("C", 3_873))
        for i in range(images)
    ]
    assert len(test) == 10_800
    dataset = prcc_from_paths(Path("/data/prcc"), Path("/data/prcc/rgb"), train + test)
    assert any(note.startswith("counts agree with PRCC") for note in dataset.notes)
    # The A/B/C split is from memory only: a difference there must not read like a fault of the copy.
    fewer = prcc_from_paths(Path("/data/prcc"), Path("/data/prcc/rgb"), test[:-1])
    assert any(
        note.startswith("differs from unconfirmed counts of PRCC: 7,415 of 7,416 query images") for note in fewer.notes
    )
    assert not any(note.startswith("looks like a partial copy") for note in fewer.notes)


def test_ltcc_of_official_size() -> None:
    sizes = {"train": (9_576, 77), "query": (493, 75), "gallery": (7_050, 75)}
    names = {
        split: [f"{i % persons:03d}_{i % 4 + 1}_c{i % 12 + 1}_{i:06d}.png" for i in range(images)]
        for split, (images, persons) in sizes.items()
    }
    dataset = named_folders_from_names(Path("/data/ltcc"), ltcc.LAYOUT, names)
    assert any(note.startswith("counts agree with LTCC") for note in dataset.notes)
    assert dataset.summary()["gallery"]["cameras"] == 12


def test_vc_clothes_of_official_size() -> None:
    sizes = {"train": 9_449, "query": 1_020, "gallery": 8_591}
    names = {
        split: [f"{i % 256:04d}-{i % 4 + 1:02d}-{i % 3 + 1:02d}-{i:04d}.jpg" for i in range(images)]
        for split, images in sizes.items()
    }
    dataset = named_folders_from_names(Path("/data/vc"), vc_clothes.LAYOUT, names)
    assert any(note.startswith("counts agree with VC-Clothes") for note in dataset.notes)
    assert dataset.summary()["gallery"]["cameras"] == 4


def test_every_official_data_set_has_a_title_its_protocol_and_is_in_the_docs() -> None:
    text = DOCS.read_text(encoding="utf-8")
    table = text.partition("## Official counts")[2].partition("\n## ")[0].splitlines()
    for key, splits in OFFICIAL.items():
        [row] = [line for line in table if line.startswith(f"| {TITLES[key]} |")]
        for split in splits.values():
            for count in split.values():
                assert f"{count.number:,}" in row, (key, count)
    for protocol in PROTOCOLS.values():
        assert f"`{protocol.name}`" in text


def test_identify_goes_by_counts_then_by_name() -> None:
    nothing = {split: count_crops(()) for split in ("train", "query", "gallery")}
    assert identify("Market-1501", nothing) == "market1501"
    assert identify("Occluded_Duke", nothing) == "occluded-duke"
    assert identify("occasions", nothing) is None
    assert identify("cuhk03_labeled", nothing) == "cuhk03-np/labelled"
    exact = nothing | {"train": count_crops(()) | {"images": 15_618, "persons": 702}}
    assert identify("market1501", exact) == "occluded-duke"
