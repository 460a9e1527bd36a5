"""VeRi-776, MARS and a folder per person, as they are given out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from reidr.core.progress import progress
from reidr.data.checks.validate import validate
from reidr.data.load import load_dataset
from reidr.data.protocols.trial import find_protocol, trials
from reidr.data.tracks import tracks_of
from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.evaluation.experiment.experiment import embed_trial, run_experiment
from reidr.evaluation.experiment.outcome import Settings
from reidr.evaluation.metrics.ranking import evaluate_features
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.retrieval.gallery import Gallery
from reidr.retrieval.tracks import pool_tracks


def facts(crops: tuple[Crop, ...]) -> list[tuple[str | None, str | None]]:
    return [(crop.person, crop.camera) for crop in crops]


VERI = {
    "image_train": ["0001_c001_00016450_0.jpg", "0001_c020_00016460_0.jpg"],
    "image_query": ["0002_c002_00030600_0.jpg"],
    "image_test": ["0002_c002_00030600_1.jpg", "0002_c003_00030605_0.jpg", "0005_c003_00084280_0.jpg"],
}


@pytest.fixture
def veri(tmp_path: Path, picture_tree) -> Path:
    return picture_tree(tmp_path / "VeRi", [f"{folder}/{name}" for folder, names in VERI.items() for name in names])


def test_veri_776(veri: Path) -> None:
    dataset = load_dataset(veri.parent)
    assert (dataset.name, dataset.kind, dataset.protocol) == ("veri-776", "veri-776", "standard")
    assert facts(dataset.train) == [("0001", "1"), ("0001", "20")]
    assert facts(dataset.query) == [("0002", "2")]
    assert facts(dataset.gallery) == [("0002", "2"), ("0002", "3"), ("0005", "3")]
    assert dataset.query[0].time == 30600.0
    [trial] = trials(dataset, find_protocol("standard"))
    assert trial.matches().tolist() == [[False, True, False]]
    assert not [f for f in validate(veri) if f.severity == "error"]


def test_the_lists_of_veri_776_say_what_belongs_to_a_split(veri: Path) -> None:
    (veri / "name_query.txt").write_text("0002_c002_00030600_0.jpg\r\n")
    (veri / "name_test.txt").write_text("0002_c003_00030605_0.jpg\n0002_c002_00030600_1.jpg\n")
    (veri / "name_train.txt").write_text("0001_c001_00016450_0.jpg\n0009_c001_00016450_0.jpg\n")
    with pytest.raises(DataError, match=r"name_train.txt: 1 of 2 listed files are not in image_train"):
        load_dataset(veri)
    dataset = load_dataset(veri, allow_missing=True)
    assert [crop.person for crop in dataset.gallery] == ["0002", "0002"]
    told = {note.kind: note.names for note in dataset.notes if note.kind == "not listed" and "image_test" in note}
    assert told["not listed"] == ("image_test/0005_c003_00084280_0.jpg",)
    assert "files beside" not in {f.kind for f in validate(veri)}


MARS_TEST = {
    # (person, camera, tracklet): frames
    ("0002", 1, 1): 3,
    ("0002", 1, 2): 2,
    ("0002", 3, 1): 2,
    ("0004", 2, 1): 2,
    ("0004", 5, 1): 3,
    ("0000", 2, 1): 2,
    ("00-1", 2, 1): 2,
}


def mars_names() -> list[str]:
    return [
        f"{person}C{camera}T{track:04d}F{frame:03d}.jpg"
        for (person, camera, track), frames in MARS_TEST.items()
        for frame in range(1, frames + 1)
    ]


@pytest.fixture
def mars(tmp_path: Path) -> Path:
    root = tmp_path / "MARS"
    colours = {"0002": 0, "0004": 120, "0000": 200, "00-1": 60}
    for number, name in enumerate(mars_names()):
        path = root / "bbox_test" / name[:4] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 32), (colours[name[:4]], 90 + number, 30)).save(path, comment=name.encode())
    for name in ("0001C1T0001F001.jpg", "0001C2T0001F001.jpg"):
        path = root / "bbox_train" / "0001" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 32), (9, int(name[5]), 9)).save(path, comment=name.encode())
    return root


def with_info(root: Path) -> Path:
    """The published `info`: names in order, tracklets as [first, last, person, camera], queries by number."""
    names, tracks, start = mars_names(), [], 1
    for (person, camera, _), frames in MARS_TEST.items():
        tracks.append([start, start + frames - 1, -1 if person == "00-1" else int(person), camera])
        start += frames
    (root / "info").mkdir()
    (root / "info" / "test_name.txt").write_text("\n".join(names))
    savemat(root / "info" / "tracks_test_info.mat", {"track_test_info": np.array(tracks)})
    savemat(root / "info" / "query_IDX.mat", {"query_IDX": np.array([[2, 5]])})
    return root


def test_mars_with_its_own_queries(mars: Path) -> None:
    dataset = load_dataset(with_info(mars))
    assert (dataset.name, dataset.kind, dataset.protocol) == ("mars", "mars", "tracklets")
    assert {crop.track for crop in dataset.query} == {"0002C1T0002", "0004C5T0001"}
    assert len(dataset.query) == 2 + 3
    assert len(dataset.gallery) == 11
    assert dataset.summary()["gallery"]["junk"] == dataset.summary()["gallery"]["distractors"] == 2
    assert facts(dataset.train) == [("0001", "1"), ("0001", "2")]
    assert {note.kind: note.level for note in dataset.notes}["queries"] == "info"
    assert not [f for f in validate(mars, pixels=False) if f.severity == "error"]
    assert [f.problem for f in validate(mars, pixels=False) if f.kind == "tracklets"] == [
        "tracklets: train 2, query 2, gallery 5"
    ]


def test_mars_without_info_says_whose_queries_it_took(mars: Path) -> None:
    dataset = load_dataset(mars)
    assert {crop.track for crop in dataset.query} == {"0002C1T0001", "0002C3T0001", "0004C2T0001", "0004C5T0001"}
    [note] = [note for note in dataset.notes if note.kind == "queries"]
    assert note.level == "warning"
    assert "not MARS's own choice" in note


@pytest.mark.parametrize("damage", ["mat", "names"])
def test_info_that_is_not_mars_s_is_said(mars: Path, damage: str) -> None:
    with_info(mars)
    if damage == "mat":
        (mars / "info" / "query_IDX.mat").write_bytes(b"no matlab file")
    else:
        (mars / "info" / "test_name.txt").write_text("a.jpg\n" * 16)
    with pytest.raises(DataError, match=r"info: not MARS's .* remove the folder to do without"):
        load_dataset(mars)


def test_a_tracklet_is_the_mean_of_its_embeddings(mars: Path) -> None:
    dataset = load_dataset(with_info(mars))
    embedder = HistogramEmbedder()
    whole = Gallery.build(dataset.gallery, embedder)
    pooled = pool_tracks(whole)
    assert len(pooled) == 5
    for row, track in enumerate(tracks_of(dataset.gallery)):
        own = np.stack([whole.features[whole.ids.index(crop.id)] for crop in track.crops]).astype(np.float64)
        mean = own.mean(axis=0)
        assert pooled.features[row] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
        assert pooled.crops[row] in track.crops
    [trial] = trials(dataset, find_protocol("tracklets"))
    queries, gallery, trial = embed_trial(trial, embedder, None, progress)
    assert [len(trial.query), len(trial.gallery)] == [2, 5]
    # Query 0002C1T0002: the tracklet of its own camera is ignored, the one of camera 3 is the match.
    assert trial.matches().sum(axis=1).tolist() == [1, 1]
    assert trial.excluded()[0].sum() == 2  # its own camera's tracklet, and junk
    result = evaluate_features(queries.features, gallery.features, **trial.arguments())
    for row in range(2):
        nearest = [
            int(place)
            for place in np.argsort(-(gallery.features @ queries.features[row]), kind="stable")
            if not trial.excluded()[row, place]
        ]
        [match] = np.flatnonzero(trial.matches()[row]).tolist()
        assert result.first_match_rank[row] == nearest.index(match) + 1


def test_tracklets_are_evaluated_whole_and_sampled_whole(mars: Path) -> None:
    dataset = load_dataset(with_info(mars))
    [outcome] = run_experiment(dataset, HistogramEmbedder(), None, Settings(compare=("none",)), progress)
    assert len(outcome.rows[0].result.matches) == 2
    for seed in range(4):
        [one] = trials(dataset, find_protocol("tracklets"), seed, queries=1)
        assert len({crop.track for crop in one.query}) == 1
        assert len(one.query) == sum(crop.track == one.query[0].track for crop in dataset.query)


def test_tracklets_need_labels_of_one_person() -> None:
    def crop(name: str, person: str | None, camera: str, track: str | None) -> Crop:
        return Crop(name, Path("x.jpg"), person, camera, track=track)

    crops = (crop("a", "1", "1", "7"), crop("b", "1", "2", "7"), crop("c", "1", "1", "7"), crop("d", "1", "1", None))
    assert [[c.id for c in track.crops] for track in tracks_of(crops)] == [["a", "c"], ["b"], ["d"]]
    with pytest.raises(DataError, match="e: shows person 2, but a of the same tracklet 7 shows 1"):
        tracks_of((*crops, crop("e", "2", "1", "7")))


def test_the_tracklet_protocol_is_refused_where_no_crop_has_one(tmp_path: Path, picture_tree) -> None:
    picture_tree(tmp_path, ["query/0001_c1s1_0.jpg", "bounding_box_test/0001_c2s1_0.jpg"])
    with pytest.raises(DataError, match="no crop has a track label"):
        trials(load_dataset(tmp_path), find_protocol("tracklets"))


def test_tracklets_of_a_manifest(tmp_path: Path) -> None:
    rows = ["q.jpg,1,1,7,query", "a.jpg,1,2,7.0,gallery", "b.jpg,1,2,7,gallery"]
    (tmp_path / "manifest.csv").write_text("\n".join(["image,person,camera,track,split", *rows]))
    dataset = load_dataset(tmp_path, allow_missing=True)
    assert [len(track.crops) for track in tracks_of(dataset.gallery)] == [2]


PEOPLE = ["anna/1.jpg", "anna/sub/2.png", "ben/IMG 3.jpg", "ben/4.jpg", "carl/5.jpg"]


def test_a_folder_per_person_is_leave_one_out(tmp_path: Path, picture_tree) -> None:
    picture_tree(tmp_path, PEOPLE)
    (tmp_path / "anna" / "notes.txt").touch()
    dataset = load_dataset(tmp_path)
    assert (dataset.kind, dataset.protocol) == ("a folder per person", "any-camera")
    assert dataset.query == dataset.gallery
    assert facts(dataset.query) == [("anna", None), ("anna", None), ("ben", None), ("ben", None), ("carl", None)]
    [trial] = trials(dataset, find_protocol(dataset.protocol))
    assert trial.mated.tolist() == [True, True, True, True, False]
    told = {note.kind: note for note in dataset.notes}
    assert told["people with one picture"].names == ("carl",)
    assert told["not a picture"].names == ("anna/notes.txt",)
    assert {f.severity for f in validate(tmp_path)} == {"warning", "info"}


def test_a_folder_per_person_in_query_and_gallery(tmp_path: Path, picture_tree) -> None:
    picture_tree(tmp_path, [f"gallery/{name}" for name in PEOPLE] + ["query/anna/9.jpg", "train/dora/1.jpg"])
    dataset = load_dataset(tmp_path)
    assert [(crop.id, crop.person) for crop in dataset.query] == [("query/anna/9.jpg", "anna")]
    assert [len(dataset.train), len(dataset.gallery)] == [1, 5]
    [trial] = trials(dataset, find_protocol("standard"))
    assert trial.matches().sum() == 2


def test_numbers_as_folder_names_are_one_person(tmp_path: Path, picture_tree) -> None:
    picture_tree(tmp_path, ["query/1.0/a.jpg", "gallery/1/b.jpg", "gallery/2/c.jpg"])
    dataset = load_dataset(tmp_path)
    assert dataset.query[0].person == "1"
    assert [crop.person for crop in dataset.gallery] == ["1", "2"]


@pytest.mark.parametrize(
    "names",
    [
        ["a.jpg", "anna/1.jpg", "anna/2.jpg", "ben/3.jpg"],  # pictures beside the folders
        ["anna/1.jpg", "ben/2.jpg"],  # nobody has two pictures
        ["anna/1.jpg", "anna/2.jpg"],  # one person alone
    ],
)
def test_other_folders_are_not_taken_for_people(tmp_path: Path, empty_tree, names: list[str]) -> None:
    empty_tree(tmp_path, names)
    with pytest.raises(DataError, match="no known layout"):
        load_dataset(tmp_path)


def test_cameras_are_taken_from_names_that_tell_them(tmp_path: Path, picture_tree) -> None:
    names = ["0002_c1s1_000001_00.jpg", "0002_c1s1_000002_00.jpg", "0002_c03s1_000001_00.jpg"]
    picture_tree(tmp_path, [*(f"0002/{name}" for name in names), "0007/0007_c1s1_000001_00.jpg"])
    dataset = load_dataset(tmp_path)
    assert facts(dataset.query) == [("0002", "3"), ("0002", "1"), ("0002", "1"), ("0007", "1")]
    [trial] = trials(dataset, find_protocol(dataset.protocol))
    # Of one camera only the other one's picture counts.
    assert trial.matches().sum(axis=1).tolist() == [2, 1, 1, 0]


def test_market_s_own_folder_per_person_stays_market_s(tmp_path: Path, empty_tree) -> None:
    empty_tree(
        tmp_path, ["query/0001/0001_c1s1_0.jpg", "gallery/x/0001_c2s1_0.jpg", "bounding_box_test/0001_c2s1_0.jpg"]
    )
    assert load_dataset(tmp_path).kind == "the Market-1501 layout"
