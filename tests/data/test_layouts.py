"""Small trees in every published layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from reidr.data.checks.validate import validate
from reidr.data.load import load_dataset
from reidr.data.types import ReIDDataset
from reidr.errors import DataError

MSMT = "0000_{index:03d}_{camera:02d}_0303morning_{frame:04d}_0.jpg"


def labels(dataset: ReIDDataset, split: str) -> list[tuple[str | None, str | None, str | None]]:
    return [(crop.person, crop.camera, crop.outfit) for crop in getattr(dataset, split)]


def msmt17(root: Path, empty_tree, train: str, test: str) -> Path:
    names = {camera: MSMT.format(index=camera, camera=camera, frame=camera) for camera in (1, 2, 12, 15)}
    empty_tree(root, [f"{train}/0000/{names[1]}", f"{train}/0001/{names[2]}", f"{train}/0001/{names[15]}"])
    empty_tree(root, [f"{test}/0000/{names[12]}", f"{test}/0000/{names[1]}"])
    (root / "list_train.txt").write_text(f"0000/{names[1]} 0\n0001/{names[2]} 1\n")
    (root / "list_val.txt").write_text(f"0001/{names[15]} 1\n")
    (root / "list_query.txt").write_text(f"0000/{names[12]} 0\n")
    (root / "list_gallery.txt").write_text(f"0000/{names[1]} 0\n")
    return root


@pytest.mark.parametrize(
    ("version", "train", "test"), [("V1", "train", "test"), ("V2", "mask_train_v2", "mask_test_v2")]
)
@pytest.mark.parametrize("inside", ["", "MSMT17"])
def test_msmt17_versions(tmp_path: Path, empty_tree, version: str, train: str, test: str, inside: str) -> None:
    msmt17(tmp_path / inside, empty_tree, train, test)
    dataset = load_dataset(tmp_path)
    assert (dataset.name, dataset.kind) == (f"msmt17-{version.lower()}", "msmt17")
    assert dataset.protocol == "standard"
    assert any(note.startswith(f"MSMT17 {version}") for note in dataset.notes)
    # Train and val lists together; training people are other people than test people of the same number.
    assert labels(dataset, "train") == [
        ("train:0000", "1", None),
        ("train:0001", "2", None),
        ("train:0001", "15", None),
    ]
    assert labels(dataset, "query") == [("0000", "12", None)]
    assert labels(dataset, "gallery") == [("0000", "1", None)]
    assert dataset.query[0].image.is_file()


def test_both_versions_of_msmt17_side_by_side(tmp_path: Path, empty_tree) -> None:
    msmt17(tmp_path, empty_tree, "train", "test")
    msmt17(tmp_path, empty_tree, "mask_train_v2", "mask_test_v2")
    dataset = load_dataset(tmp_path)
    assert dataset.name == "msmt17-v2"
    said = "V1 of MSMT17 is there too (train and test) and is left out: V2 is taken"
    assert said in dataset.notes
    assert (said, "warning") in {(finding.problem, finding.severity) for finding in validate(dataset, pixels=False)}


@pytest.mark.parametrize(
    ("folder", "name", "deeper"),
    [
        ("test", "002_2_c3_000002.png", "003/003_1_c4_000002.png"),  # LTCC
        ("gallery", "0002-04-02-01.jpg", "0003/a/0003-04-02-01.jpg"),  # VC-Clothes
        ("bounding_box_test", "0003_c1s1_000001_00.jpg", "0004/0004_c1s1_000001_00.jpg"),
    ],
)
def test_pictures_in_folders_beside_others_are_left_out_and_named(
    tmp_path: Path, empty_tree, folder: str, name: str, deeper: str
) -> None:
    empty_tree(tmp_path, [f"{folder}/{name}", f"{folder}/{deeper}", f"{folder}/.hidden/{name}"])
    dataset = load_dataset(tmp_path)
    assert [crop.id for crop in dataset.gallery] == [f"{folder}/{name}"]
    said = f"{folder}: 1 pictures lie in folders below while others lie in the folder itself and are left out: {deeper}"
    assert said in dataset.notes
    found = [finding for finding in validate(dataset, pixels=False) if finding.problem == said]
    assert [finding.severity for finding in found] == ["warning"]


def test_msmt17_listed_but_absent_files_are_left_out(tmp_path: Path, empty_tree) -> None:
    msmt17(tmp_path, empty_tree, "train", "test")
    (tmp_path / "train" / "0001" / MSMT.format(index=15, camera=15, frame=15)).unlink()
    dataset = load_dataset(tmp_path)
    assert len(dataset.train) == 2
    assert any("list_val.txt: 1 of 1 listed files are not in train" in note for note in dataset.notes)


@pytest.mark.parametrize("line", ["0000/0000_000_xx_0303morning_0008_0.jpg 0", "0000/a.jpg 0", "../0_0_1_1.jpg 0", "x"])
def test_msmt17_list_lines_that_do_not_parse(tmp_path: Path, empty_tree, line: str) -> None:
    msmt17(tmp_path, empty_tree, "train", "test")
    with (tmp_path / "list_query.txt").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(DataError, match=r"list_query.txt: line 2 is .*third _ field is the camera"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("folder", "said"), [("msmt17_v2", "MSMT17 V2 by the folder's name"), ("MSMT17", "version unknown")]
)
def test_market_style_msmt17(tmp_path: Path, empty_tree, folder: str, said: str) -> None:
    paths = ["bounding_box_train/0000_c12_0001.jpg", "query/0000_c1_0002.jpg", "bounding_box_test/0000_c15_0003.jpg"]
    dataset = load_dataset(empty_tree(tmp_path / folder, paths))
    assert dataset.kind == "msmt17"
    assert labels(dataset, "train") == [("train:0000", "12", None)]
    assert labels(dataset, "gallery") == [("0000", "15", None)]
    assert any(said in note for note in dataset.notes)


def cuhk03(root: Path, empty_tree) -> Path:
    folders = ("bounding_box_train/0001_c1_1.png", "query/0002_c1_2.png", "bounding_box_test/0002_c2_7.png")
    return empty_tree(root, folders)


@pytest.mark.parametrize(
    ("folder", "boxes"), [("detected", "detected"), ("labeled", "labelled"), ("labelled", "labelled")]
)
def test_cuhk03_np_folders(tmp_path: Path, empty_tree, folder: str, boxes: str) -> None:
    cuhk03(tmp_path / "cuhk03-np" / folder, empty_tree)
    for path in (tmp_path / "cuhk03-np", tmp_path / "cuhk03-np" / folder):
        dataset = load_dataset(path)
        assert dataset.protocol == dataset.kind == f"cuhk03-np/{boxes}"
        assert dataset.name == f"cuhk03-np-{boxes}"
        assert labels(dataset, "gallery") == [("0002", "2", None)]
        assert any(note.startswith(f"looks like a partial copy of CUHK03-NP ({boxes})") for note in dataset.notes)


def test_cuhk03_np_with_both_kinds_of_boxes_must_be_chosen(tmp_path: Path, empty_tree) -> None:
    for folder in ("detected", "labeled"):
        cuhk03(tmp_path / folder, empty_tree)
    with pytest.raises(DataError, match=r"whose results differ; choose one: .*detected or .*labeled"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path / "labeled").protocol == "cuhk03-np/labelled"


def test_a_folder_called_detected_is_not_cuhk03_by_that_alone(tmp_path: Path, empty_tree) -> None:
    cuhk03(tmp_path / "detector" / "detected", empty_tree)
    dataset = load_dataset(tmp_path / "detector")
    assert (dataset.name, dataset.protocol, dataset.kind) == ("detected", "standard", "the Market-1501 layout")


def cuhk03_mat(root: Path, empty_tree, files: list[str], boxes: str = "detected") -> Path:
    filelist = np.empty((len(files), 1), dtype=object)
    filelist[:, 0] = files
    table = {
        "filelist": filelist,
        "labels": np.array([[7], [7], [3], [3]]),
        "train_idx": np.array([[3], [4]]),  # MATLAB counts from 1
        "query_idx": np.array([[1]]),
        "gallery_idx": np.array([[2]]),
    }
    empty_tree(root, [f"images_{boxes}/{name}" for name in files])
    path = root / f"cuhk03_new_protocol_config_{boxes}.mat"
    savemat(path, table)
    return path


@pytest.mark.parametrize(("boxes", "said"), [("detected", "detected"), ("labeled", "labelled")])
def test_cuhk03_np_from_the_mat_file(tmp_path: Path, empty_tree, boxes: str, said: str) -> None:
    files = ["1_001_1_01.png", "1_001_2_06.png", "5_010_1_02.png", "5_010_2_07.png"]
    path = cuhk03_mat(tmp_path, empty_tree, files, boxes)
    for dataset in (load_dataset(path), load_dataset(tmp_path)):
        assert dataset.protocol == dataset.kind == f"cuhk03-np/{said}"
        assert labels(dataset, "train") == [("0003", "1", None), ("0003", "2", None)]
        assert labels(dataset, "query") == [("0007", "1", None)]
        assert labels(dataset, "gallery") == [("0007", "2", None)]
        assert dataset.query[0].sequence == "pair1"
        assert dataset.query[0].image.is_file()


def test_cuhk03_mat_that_is_something_else(tmp_path: Path, empty_tree) -> None:
    path = tmp_path / "cuhk03_new_protocol_config_detected.mat"
    path.write_bytes(b"not a matlab file")
    with pytest.raises(DataError, match="not a CUHK03-NP split file"):
        load_dataset(path)
    savemat(path, {"filelist": np.array([1.0])})
    with pytest.raises(DataError, match="not a CUHK03-NP split file"):
        load_dataset(path)
    cuhk03_mat(tmp_path, empty_tree, ["1_001_1_01.png", "1_001_2_06.png", "5_010_1_02.png", "5_010_2_07.png"])
    for picture in (tmp_path / "images_detected").iterdir():
        picture.unlink()
    with pytest.raises(DataError, match="no pictures beside the split file; expected a folder images_detected"):
        load_dataset(path)


@pytest.mark.parametrize("compressed", [True, False])
def test_a_damaged_mat_file_never_ends_the_program(tmp_path: Path, empty_tree, compressed: bool) -> None:
    path = cuhk03_mat(tmp_path, empty_tree, ["1_001_1_01.png", "1_001_2_06.png", "5_010_1_02.png", "5_010_2_07.png"])
    table = loadmat(path)
    savemat(path, {key: value for key, value in table.items() if key[0] != "_"}, do_compression=compressed)
    data = bytearray(path.read_bytes())
    if compressed:
        data[150] ^= 0xFF  # inside the first variable: zlib refuses it
    else:
        # The data type code after the variable's name, 12 (signed 64 bits). SciPy 1.17 looks 8 up in a table where it
        # has no entry and ends the process (scipy/scipy#25349).
        place = data.index(b"labels") + 8
        assert data[place] == 12
        data[place] = 8
    path.write_bytes(data)
    with pytest.raises(DataError, match="not a CUHK03-NP split file"):
        load_dataset(path)


@pytest.mark.parametrize("inside", ["rgb/", "prcc/rgb/", ""])
def test_prcc(tmp_path: Path, empty_tree, inside: str) -> None:
    paths = ["train/001/A_cropped_rgb001.jpg", "train/001/C_cropped_rgb002.jpg", "train/001/strange.jpg"]
    paths += ["val/001/B_cropped_rgb001.jpg"]
    paths += [f"test/{camera}/003/cropped_rgb001.jpg" for camera in "ABC"]
    empty_tree(tmp_path, [inside + path for path in paths])
    dataset = load_dataset(tmp_path)
    assert (dataset.protocol, dataset.kind) == ("prcc/clothes-changing/multi-shot", "prcc")
    assert labels(dataset, "train") == [("001", "A", "1"), ("001", "C", "2")]
    assert labels(dataset, "query") == [("003", "B", "1"), ("003", "C", "2")]
    assert labels(dataset, "gallery") == [("003", "A", "1")]
    assert dataset.gallery[0].image.is_file()
    assert any("train/001/strange.jpg" in note for note in dataset.notes)
    assert any(note.startswith("val: ") for note in dataset.notes)


@pytest.mark.parametrize("inside", ["", "LTCC_ReID/"])
def test_ltcc(tmp_path: Path, empty_tree, inside: str) -> None:
    paths = ["train/001_1_c5_015874.png", "query/002_1_c10_000001.png", "test/002_2_c3_000002.png", "test/strange.png"]
    empty_tree(tmp_path, [inside + path for path in paths])
    dataset = load_dataset(tmp_path)
    assert dataset.name == dataset.kind == "ltcc"
    assert dataset.protocol == "ltcc/clothes-changing"
    assert labels(dataset, "query") == [("002", "10", "1")]
    assert labels(dataset, "gallery") == [("002", "3", "2")]
    assert any("strange.png" in note for note in dataset.notes)


@pytest.mark.parametrize("inside", ["", "VC-Clothes/"])
def test_vc_clothes(tmp_path: Path, empty_tree, inside: str) -> None:
    paths = ["train/0001-01-01-00.jpg", "query/0002-03-01-01.jpg", "gallery/0002-04-02-01.jpg"]
    empty_tree(tmp_path, [inside + path for path in paths])
    dataset = load_dataset(tmp_path)
    assert (dataset.protocol, dataset.kind) == ("vc-clothes/clothes-changing", "vc-clothes")
    assert labels(dataset, "query") == [("0002", "3", "01")]
    assert labels(dataset, "gallery") == [("0002", "4", "02")]


@pytest.mark.parametrize("source", ["DukeMTMC-reID/", ""])
def test_occluded_lists_take_queries_from_the_gallery_folder(tmp_path: Path, empty_tree, source: str) -> None:
    root = tmp_path / "Occluded_Duke"
    train, query, gallery, unlisted = (f"000{i}_c{i}_f004618{i}.jpg" for i in (1, 2, 3, 4))
    empty_tree(root, [f"{source}bounding_box_train/{train}"])
    empty_tree(root, [f"{source}bounding_box_test/{name}" for name in (query, gallery, unlisted)])
    for split, name in {"train": train, "query": query, "gallery": gallery}.items():
        (root / f"{split}.list").write_text(f"{name}\n")
    dataset = load_dataset(root)
    assert labels(dataset, "train") == [("0001", "1", None)]
    assert labels(dataset, "query") == [("0002", "2", None)]
    assert labels(dataset, "gallery") == [("0003", "3", None)]
    assert dataset.query[0].image.is_file()
    assert dataset.kind == "occluded-duke"
    assert any("partial copy of Occluded-Duke" in note for note in dataset.notes)


def test_occluded_lists_must_hold_file_names(tmp_path: Path, empty_tree) -> None:
    empty_tree(tmp_path, ["query/0001_c1_f0046181.jpg"])
    (tmp_path / "query.list").write_text("0001_c1_f0046181.jpg\n../secret/0001_c1_f0046181.jpg\n")
    with pytest.raises(DataError, match=r"query.list: line 2 .* expected a file name without folders"):
        load_dataset(tmp_path)
    (tmp_path / "query.list").write_text("0009_c1_f0046181.jpg\n")
    with pytest.raises(DataError, match="none of the pictures in its lists"):
        load_dataset(tmp_path)


def test_lists_over_market_1501_keep_its_rules_for_junk_and_distractors(tmp_path: Path, empty_tree) -> None:
    query, person, nobody, junk = (
        f"{who}_c{i}s1_00000{i}_00.jpg" for i, who in enumerate(("0002", "0002", "0000", "-1"))
    )
    empty_tree(tmp_path, [f"query/{query}", *(f"bounding_box_test/{name}" for name in (person, nobody, junk))])
    (tmp_path / "query.list").write_text(f"{query}\n{junk}\n")
    (tmp_path / "gallery.list").write_text(f"{person}\n{nobody}\n{junk}\n")
    dataset = load_dataset(tmp_path)
    assert [crop.person for crop in dataset.query] == ["0002"]
    assert any(note.startswith("query.list: 1 junk boxes") for note in dataset.notes)
    assert dataset.summary()["gallery"] == {"images": 3, "persons": 1, "cameras": 3, "distractors": 1, "junk": 1}
