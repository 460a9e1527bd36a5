"""Features from files: formats, names, and what cannot be used, each in one sentence that names the file."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_array

from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError, MissingExtraError, ReIDError
from reidr.evaluation.features.files import read_arrays, read_tables
from reidr.evaluation.features.given import load_given_features

RANDOM = np.random.default_rng(3)
QUERY, GALLERY = RANDOM.normal(size=(3, 8)), RANDOM.normal(size=(5, 8))
WHO, SHOWN = np.array([1, 2, 3]), np.array([3, 2, 1, -1, 0])
BOTH = {
    "query_features": QUERY, "query_ids": WHO, "query_cameras": np.array([1, 1, 2]),
    "gallery_features": GALLERY, "gallery_ids": SHOWN, "gallery_cameras": np.array([2, 2, 1, 3, 3]),
}  # fmt: skip


def renamed(form: str) -> dict[str, np.ndarray]:
    forms = {
        "layumi": ("{}_f", "{}_label", "{}_cam", ("query", "gallery")),
        "torchreid": ("{}f", "{}_pids", "{}_camids", ("q", "g")),
        "capitals": ("{}_Feat", "{}_ID", "{}_CamID", ("Query", "Gallery")),
        "test": ("{}_feature", "{}_id", "{}_camera_id", ("query", "test")),
    }
    *patterns, roles = forms[form]
    found = {}
    for role, short in zip(("query", "gallery"), roles, strict=True):
        for pattern, what in zip(patterns, ("features", "ids", "cameras"), strict=True):
            found[pattern.format(short)] = BOTH[f"{role}_{what}"]
    return found


@pytest.mark.parametrize("form", ["layumi", "torchreid", "capitals", "test"])
@pytest.mark.parametrize("ending", ["npz", "mat"])
def test_the_names_of_other_code_bases_are_understood(form: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"f.{ending}"
    (savemat if ending == "mat" else lambda file, arrays: np.savez(file, **arrays))(path, renamed(form))
    gallery, query = read_tables(path)
    np.testing.assert_array_equal(gallery.features, GALLERY)
    np.testing.assert_array_equal(query.features, QUERY)
    assert (query.persons, gallery.persons) == (("1", "2", "3"), ("3", "2", "1", "-1", "0"))
    assert gallery.cameras == ("2", "2", "1", "3", "3")
    dataset, given = load_given_features(path, None, None, None)
    assert [crop.person for crop in dataset.gallery] == ["3", "2", "1", None, None]
    assert [crop.junk for crop in dataset.gallery] == [False, False, False, True, False]
    np.testing.assert_allclose(np.linalg.norm(given.features, axis=1), 1, atol=1e-6)
    queries, crops = given.galleries(dataset.query, dataset.gallery)
    np.testing.assert_allclose(queries.features, QUERY / np.linalg.norm(QUERY, axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(crops.features, GALLERY / np.linalg.norm(GALLERY, axis=1, keepdims=True), atol=1e-6)


def test_matlab_keeps_one_crop_a_column_and_text_in_cells(tmp_path: Path) -> None:
    names = np.array(["a/1.jpg", "a/2.jpg", "b/3.jpg"], dtype=object)
    savemat(tmp_path / "f.mat", {"feat": QUERY.T, "label": WHO[None, :].astype(float), "file": names})
    table, query = read_tables(tmp_path / "f.mat")
    assert query is None
    np.testing.assert_array_equal(table.features, QUERY)
    assert table.persons == ("1", "2", "3")
    assert table.names == ("a/1.jpg", "a/2.jpg", "b/3.jpg")


def test_labels_may_be_text_and_unknown(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", features=QUERY, ids=np.array(["a", "", "b"]), cameras=np.array([1.0, np.nan, 2.0]))
    table, _ = read_tables(tmp_path / "f.npz")
    assert (table.persons, table.cameras) == (("a", None, "b"), ("1", None, "2"))


def saved(**arrays: Any) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **arrays)


def written(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content)


def pickled_npy(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


def hdf5(path: Path) -> None:
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(100))


def long_header(path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }" + b" " * 60_000 + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(8))


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("a.npz", saved(features=np.array([None, 1], dtype=object)), "pickled objects"),
        ("a.npy", pickled_npy, "pickled objects"),
        ("a.npy", written(pickle.dumps([1, 2])), "pickled objects"),
        ("a.npz", written(b"PK\x03\x04 no archive"), "cannot be read as .npz"),
        ("a.npz", written(b""), "cannot be read as .npz"),
        ("a.npy", written(b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'shape': (9, 9), }"), "cannot be read as .npy"),
        ("a.mat", written(b"no matlab file" * 100), "cannot be read as a MATLAB file"),
        ("a.mat", hdf5, "h5py"),
        ("a.csv", written(b"1,2"), r"\.npy, \.npz, \.mat"),
        ("a.pt", written(b"PK\x03\x04"), r"numpy\.savez"),
        ("a.npz", saved(**{"a/data.pkl": QUERY, "a/version": QUERY}), r"a file of torch\.save; .*numpy\.savez"),
        ("a.npz", written(b"hello"), "a file of another kind"),
        ("a.npy", written(b""), "it is empty"),
        ("a.npy", long_header, "its header is larger"),
        ("a.mat", lambda path: savemat(path, {"data": {"f": QUERY}}), r"it holds data \(a struct\)"),
        ("a.npz", saved(features=QUERY[:, None], ids=WHO), r"axes of length 1 .*numpy\.squeeze"),
        ("a.npz", saved(features=QUERY, ids=WHO + 2.0**60), "has lost its last digits"),
        ("a.npz", saved(features=QUERY, ids=WHO > 1), "truth value"),
        ("a.npz", saved(features=QUERY, ids=np.array([np.inf, 1, 1])), "label 0 is inf"),
        ("a.npz", saved(**{**BOTH, "query_ids": np.array(["001", "002", "003"])}), "person 001 is written 1"),
        ("a.npz", saved(**{**BOTH, "query_cameras": np.array(["1", "1", "02"])}), "camera 02 is written 2"),
        ("a.npz", None, "no such file"),
        ("a.npz", lambda path: path.mkdir(), "no regular file"),
        ("a.npz", saved(x=QUERY), "no `features` or `gallery_features`; it holds x"),
        ("a.npz", saved(features=QUERY, ids=WHO[:2]), "2 persons for 3 features"),
        ("a.npz", saved(features=QUERY, ids=np.array([1.5, 2, 3])), "persons: label 0 is 1.5"),
        ("a.npz", saved(features=QUERY, ids=WHO, labels=WHO + 1), "`ids` and `labels` both stand for persons"),
        ("a.npz", saved(features=QUERY[0], ids=WHO), "must have the shape"),
        ("a.npz", saved(features=QUERY > 0, ids=WHO), "must be real numbers"),
        ("a.npz", saved(features=QUERY, ids=WHO), "there are no queries"),
        ("a.npz", saved(query_features=QUERY, gallery_features=GALLERY), "has no person labels"),
        ("a.npz", saved(**{**BOTH, "query_features": QUERY[:, :4]}), "of 4 and 8 numbers"),
        ("a.npz", saved(**{**BOTH, "query_features": QUERY * [[1], [0], [1]]}), "query: feature 1 is all zeros"),
        ("a.npz", saved(**{**BOTH, "gallery_features": GALLERY * [[np.nan], *[[1]] * 4]}), "feature 0 holds NaN"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said_in_one_sentence(
    name: str, make: Callable[[Path], Any] | None, words: str, tmp_path: Path
) -> None:
    if make is not None:
        make(tmp_path / name)
    with pytest.raises(ReIDError, match=words) as caught:
        load_given_features(tmp_path / name, None, None, None)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_matlab_7_3_says_what_to_install(tmp_path: Path) -> None:
    hdf5(tmp_path / "a.mat")
    try:
        import h5py  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtraError, match="pip install h5py"):
            read_arrays(tmp_path / "a.mat")
    else:
        with pytest.raises(DataError, match=r"cannot be read as a MATLAB 7\.3 file"):
            read_arrays(tmp_path / "a.mat")


@pytest.mark.slow
def test_damaged_files_end_in_a_sentence(tmp_path: Path) -> None:
    np.savez(tmp_path / "good.npz", **BOTH)
    savemat(tmp_path / "good.mat", BOTH)
    np.savez_compressed(tmp_path / "small.npz", **BOTH)
    random = np.random.default_rng(0)
    said: list[str] = []
    for name, times in (("good.npz", 150), ("small.npz", 150), ("good.mat", 25)):
        whole = (tmp_path / name).read_bytes()
        for _ in range(times):
            content = bytearray(whole[: random.integers(1, len(whole) + 1)])
            for place in random.integers(0, len(content), 5):
                content[place] = random.integers(0, 256)
            path = tmp_path / f"bad.{name[-3:]}"
            path.write_bytes(content)
            try:
                load_given_features(path, None, None, None)
            except ReIDError as error:
                said.append(str(error))
    assert not [sentence for sentence in said if "\n" in sentence]


def street() -> ReIDDataset:
    def crop(folder: str, name: str, person: str | None, junk: bool = False) -> Crop:
        return Crop(f"{folder}/{name}", Path(folder) / name, person=person, camera="1", junk=junk)

    query = (crop("query", "0001_a.jpg", "0001"), crop("query", "0002_a.jpg", "0002"))
    gallery = (
        crop("test", "0001_b.jpg", "0001"),
        crop("test", "0002_b.jpg", "0002"),
        crop("test", "-1_c.jpg", None, junk=True),
    )
    return ReIDDataset("street", None, (), query, gallery)


def rows_of(given: Any, dataset: ReIDDataset) -> tuple[np.ndarray, np.ndarray]:
    queries, gallery = given.galleries(dataset.query, dataset.gallery)
    return queries.features, gallery.features


def test_rows_find_the_crops_of_a_data_set_by_order(tmp_path: Path) -> None:
    np.save(tmp_path / "g.npy", np.eye(3, 4))
    np.save(tmp_path / "q.npy", np.eye(4)[2:4])
    dataset, given = load_given_features(tmp_path / "g.npy", tmp_path / "q.npy", street(), None)
    query, gallery = rows_of(given, dataset)
    np.testing.assert_array_equal(query, np.eye(4)[2:4])
    np.testing.assert_array_equal(gallery, np.eye(3, 4))
    # Without rows for junk, junk is left out, and that is said.
    np.save(tmp_path / "g.npy", np.eye(2, 4))
    dataset, given = load_given_features(tmp_path / "g.npy", tmp_path / "q.npy", street(), None)
    assert [crop.id for crop in dataset.gallery] == ["test/0001_b.jpg", "test/0002_b.jpg"]
    assert "1 junk crops are left out" in dataset.notes[-1]


@pytest.mark.parametrize("form", ["ids", "file names", "absolute", "windows"])
def test_rows_find_the_crops_of_a_data_set_by_name(form: str, tmp_path: Path) -> None:
    place = {"ids": "", "file names": "", "absolute": "/data/x/", "windows": "C:\\x\\"}[form]
    names = [
        "test/-1_c.jpg",
        "query/0002_a.jpg",
        "test/0001_b.jpg",
        "other/9.jpg",
        "query/0001_a.jpg",
        "test/0002_b.jpg",
    ]
    if form == "file names":
        names = [name.rpartition("/")[2] for name in names]
    if form == "windows":
        names = [name.replace("/", "\\") for name in names]
    np.savez(tmp_path / "f.npz", features=np.eye(6), names=np.array([place + name for name in names]))
    dataset, given = load_given_features(tmp_path / "f.npz", None, street(), None)
    query, gallery = rows_of(given, dataset)
    np.testing.assert_array_equal(query, np.eye(6)[[4, 1]])
    np.testing.assert_array_equal(gallery, np.eye(6)[[2, 5, 0]])


@pytest.mark.parametrize(
    ("arrays", "query", "words"),
    [
        ({"features": np.eye(4)}, np.eye(4)[:2], r"4 rows for 3 gallery crops \(2 without junk\) of street"),
        ({"features": np.eye(3, 4)}, np.eye(4), "4 rows for 2 query crops"),
        ({"features": np.eye(3, 4)}, None, "neither `query_features` nor `names`"),
        ({"features": np.eye(3, 4), "ids": np.array([2, 1, -1])}, np.eye(4)[:2],
         "row 0 is of person 2, but test/0001_b.jpg shows 0001; the rows are in another order"),
        ({"features": np.eye(3, 4), "ids": np.array([1, 2, 2])}, np.eye(4)[:2],
         "row 2 is of person 2, but test/-1_c.jpg shows nobody known; the rows are in another order"),
        ({"features": np.eye(2, 4), "names": np.array(["0001_b.png", "0002_b.png"])}, None,
         r"3 of 3 gallery crops have no row, .*; names there are such as 0001_b\.png"),
        ({"features": np.array([[1.0, 0], [np.nan, 0]]), "names": np.array(["a.jpg", "b.jpg"])}, None,
         "3 of 3 gallery crops"),
        ({"features": np.eye(2, 4), "names": np.array(["test/0001_b.jpg", "0002_a.jpg"])}, None,
         "2 of 3 gallery crops have no row, such as test/0002_b.jpg"),
        ({"features": np.eye(4), "names": np.array(["x/0001_b.jpg", "y/0001_b.jpg", "0002_b.jpg", "-1_c.jpg"])}, None,
         "2 rows are called like test/0001_b.jpg"),
    ],
)  # fmt: skip
def test_rows_that_do_not_belong_to_the_data_set_are_refused(
    arrays: dict[str, Any], query: np.ndarray | None, words: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "f.npz", **arrays)
    if query is not None:
        np.save(tmp_path / "q.npy", query)
    with pytest.raises(DataError, match=words):
        load_given_features(tmp_path / "f.npz", tmp_path / "q.npy" if query is not None else None, street(), None)


def test_rows_of_no_crop_are_counted(tmp_path: Path) -> None:
    names = ["0001_b.jpg", "0002_b.jpg", "-1_c.jpg", "0001_a.jpg", "0002_a.jpg", "x/1.jpg", "x/2.jpg"]
    np.savez(tmp_path / "f.npz", features=np.eye(7), names=np.array(names))
    note = load_given_features(tmp_path / "f.npz", None, street(), None)[0].notes[-1]
    assert note == "2 of 7 rows are of no query or gallery crop of street and are left out, such as x/1.jpg"
    assert note.count == 2
    features = np.eye(7)
    features[6, 0] = np.nan
    np.savez(tmp_path / "f.npz", features=features, names=np.array(names))
    with pytest.raises(DataError, match=r"feature 6 \(of x/2\.jpg\) holds NaN"):
        load_given_features(tmp_path / "f.npz", None, street(), None)


def test_cameras_tell_rows_of_another_order(tmp_path: Path) -> None:
    """Within a person the labels cannot; and cameras may be numbered otherwise, from 0 for one."""
    crops = tuple(Crop(f"t/0001_c{c}.jpg", Path("t") / str(c), person="0001", camera=str(c)) for c in (1, 1, 2))
    crops = tuple(replace(crop, id=f"{crop.id}.{place}") for place, crop in enumerate(crops))
    dataset = replace(street(), gallery=crops)
    np.save(tmp_path / "q.npy", np.eye(2, 4))
    for cameras, fits in (([0, 0, 1], True), ([7, 8, 9], True), ([0, 1, 0], False), (["c1", "c1", "c2"], True)):
        np.savez(tmp_path / "f.npz", features=np.eye(3, 4), cameras=np.array(cameras))
        if fits:
            load_given_features(tmp_path / "f.npz", tmp_path / "q.npy", dataset, None)
            continue
        with pytest.raises(DataError, match=r"camera 0 is 1 for .* but 2 for .*; the rows are in another order"):
            load_given_features(tmp_path / "f.npz", tmp_path / "q.npy", dataset, None)


def test_no_name_in_a_file_leads_to_a_picture_on_this_disk(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "f.npz", query_features=QUERY, query_ids=WHO,
        query_names=np.array(["/etc/a.jpg", "../b.jpg", "c.jpg"]),
        gallery_features=GALLERY, gallery_ids=SHOWN,
    )  # fmt: skip
    dataset, _ = load_given_features(tmp_path / "f.npz", None, None, None)
    pictures = {crop.image for crop in (*dataset.query, *dataset.gallery)}
    assert len(pictures) == 8
    assert all(picture.parts[0] == "(no picture)" and ".." not in picture.parts for picture in pictures)


def test_zip_bombs_are_no_surprise(tmp_path: Path) -> None:
    # A header that claims more than there is: refused before anything of that size is made.
    header = (
        b"\x93NUMPY\x01\x00\x76\x00"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 99999), }".ljust(117)
        + b"\n"
    )
    with zipfile.ZipFile(tmp_path / "f.npz", "w") as file:
        file.writestr("features.npy", header)
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        read_arrays(tmp_path / "f.npz")


SPELLINGS = {
    "float": WHO.astype(float), "text": WHO.astype(str), "float text": np.array(["1.0", "2.0", "3.00"]),
    "bytes": WHO.astype("S"), "blanks": np.array([" 1", "2 ", "3"]), "column": WHO[:, None],
    "uint8": WHO.astype(np.uint8),
}  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_label_in_many_spellings_is_one_label(spelling: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", **{**BOTH, "query_ids": SPELLINGS[spelling]})
    gallery, query = read_tables(tmp_path / "f.npz")
    assert query is not None
    assert (query.persons, gallery.persons) == (("1", "2", "3"), ("3", "2", "1", "-1", "0"))


def test_numbers_in_matlab_cells_and_sparse_features(tmp_path: Path) -> None:
    cells = np.array([1.0, 2.0, 3.0], dtype=object)
    savemat(tmp_path / "f.mat", {**BOTH, "query_ids": cells, "gallery_features": csc_array(GALLERY)})
    gallery, query = read_tables(tmp_path / "f.mat")
    assert query is not None
    assert query.persons == ("1", "2", "3")
    np.testing.assert_array_equal(gallery.features, GALLERY)


def test_words_for_unknown_are_nobody(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", features=QUERY, ids=np.array(["nan", "None", "a"]), cameras=np.array(["", "NaN", "1"]))
    table, _ = read_tables(tmp_path / "f.npz")
    assert (table.persons, table.cameras) == ((None, None, "a"), (None, None, "1"))


def test_persons_of_zeros_are_distractors_however_many_zeros(tmp_path: Path) -> None:
    who, shown = np.array(["0001", "0002", "0003"]), np.array(["0003", "0002", "0001", "-1", "0000"])
    np.savez(tmp_path / "f.npz", **{**BOTH, "query_ids": who, "gallery_ids": shown})
    dataset, _ = load_given_features(tmp_path / "f.npz", None, None, None)
    assert [crop.person for crop in dataset.gallery] == ["0003", "0002", "0001", None, None]
    who[0] = "0000"  # a query has it: then it is a person
    np.savez(tmp_path / "f.npz", **{**BOTH, "query_ids": who, "gallery_ids": shown})
    dataset, _ = load_given_features(tmp_path / "f.npz", None, None, None)
    assert dataset.gallery[-1].person == "0000"


@pytest.mark.parametrize(
    ("cameras", "level", "words"),
    [
        ({"query_cameras": np.array(["c1", "c1", "c2"])}, "warning", "have no camera in common (c1 there, 1 here)"),
        ({"query_cameras": None}, "warning", "only the gallery has them"),
        ({"query_cameras": None, "gallery_cameras": None}, "info", "no cameras for both sides: no gallery crop"),
    ],
)
def test_cameras_that_ignore_nothing_are_said(cameras: dict[str, Any], level: str, words: str, tmp_path: Path) -> None:
    arrays = {name: array for name, array in {**BOTH, **cameras}.items() if array is not None}
    np.savez(tmp_path / "f.npz", **arrays)
    dataset, _ = load_given_features(tmp_path / "f.npz", None, None, None)
    assert any(words in note and note.level == level for note in dataset.notes)
