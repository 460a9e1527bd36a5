"""A query's own picture is never its match: leave-one-out, where one list is query and gallery."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reidr.data.checks.validate import validate
from reidr.data.load import load_dataset
from reidr.data.protocols.trial import PROTOCOLS, find_protocol, trials
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import ReIDError
from reidr.evaluation.metrics.ranking import evaluate_features

GENERAL = [name for name, protocol in PROTOCOLS.items() if protocol.data_set is None and not protocol.tracklets]


def leave_one_out(folder: Path, people: list[str]) -> ReIDDataset:
    crops = []
    for place, person in enumerate(people):
        path = folder / f"{place}.png"
        Image.new("RGB", (8, 16), (place, 3 * place % 256, 7)).save(path)
        crops.append(Crop(path.name, path, person))
    return ReIDDataset("own", folder, query=tuple(crops), gallery=tuple(crops), protocol="any-camera")


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=4, max_size=12), st.integers(0, 99))
def test_rank_1_is_that_of_the_nearest_other_picture(tmp_path_factory, people: list[str], seed: int) -> None:
    dataset = leave_one_out(tmp_path_factory.mktemp("own"), people)
    features = unit(np.random.default_rng(seed).normal(size=(len(people), 6)))
    [trial] = trials(dataset, find_protocol("standard"))
    # The twin in words: for each picture that another of its person is there for, is the nearest other one of them?
    cosines = features.astype(np.float64) @ features.T.astype(np.float64)
    right = []
    for place, person in enumerate(people):
        others = [other for other in range(len(people)) if other != place]
        if any(people[other] == person for other in others):
            right.append(people[max(others, key=lambda other: cosines[place, other])] == person)
    if not right:
        with pytest.raises(ReIDError):
            evaluate_features(features, features, **trial.arguments())
        return
    result = evaluate_features(features, features, **trial.arguments())
    assert result.rank(1) == pytest.approx(np.mean(right))
    assert result.queries_without_match == len(people) - len(right)


@pytest.mark.parametrize("name", GENERAL)
def test_in_every_protocol_the_own_picture_is_ignored_and_said(tmp_path: Path, name: str) -> None:
    dataset = leave_one_out(tmp_path, list("aabbccdd"))
    for trial in trials(dataset, find_protocol(name), seed=1):
        places = {crop.id: place for place, crop in enumerate(trial.gallery)}
        ignored = trial.excluded()
        there = [(row, places[crop.id]) for row, crop in enumerate(trial.query) if crop.id in places]
        assert there
        assert all(ignored[row, place] for row, place in there)
        assert not any(trial.matches()[row, place] for row, place in there)
        [note] = trial.notes
        assert note == (
            f"each query's own picture (the same file) is left out of its gallery: {len(there)} of 8 queries"
        )
        assert (note.count, note.kind) == (len(there), "own picture")
        given_ = trial.arguments(blockwise=False)["ignored"]
        assert all(given_[row, place] for row, place in there)
        assert (trial.arguments()["ignored"](slice(2, 5)) == given_[2:5]).all()


def test_single_gallery_shot_draws_among_the_other_pictures(tmp_path: Path) -> None:
    dataset = leave_one_out(tmp_path, list("aabb"))
    for trial in trials(dataset, find_protocol("single-gallery-shot")):
        assert trial.mated.all()
        assert (trial.matches().sum(axis=1) == 1).all()


@pytest.mark.parametrize("how", ["path", "relative", "link", "hard link", "memory"])
def test_the_same_picture_by_any_path_is_the_own_one(tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = leave_one_out(tmp_path, ["a", "a", "b"])
    queries = []
    monkeypatch.chdir(tmp_path)
    for crop in dataset.query:
        assert isinstance(crop.image, Path)
        other = tmp_path / f"link-{crop.image.name}"
        if how == "relative":
            other = Path("..") / tmp_path.name / crop.image.name
        elif how == "link":
            other.symlink_to(crop.image.name)
        elif how == "hard link":
            os.link(crop.image, other)
        else:
            other = crop.image
        queries.append(replace(crop, id=other.name, image=other))
    gallery = dataset.gallery
    if how == "memory":
        gallery = tuple(replace(crop, image=crop.open()) for crop in gallery)
        queries = list(gallery)
    [trial] = trials(replace(dataset, query=tuple(queries), gallery=gallery), find_protocol("standard"))
    assert trial.own_pictures().tolist() == np.eye(3, dtype=bool).tolist()


def test_a_copy_under_another_name_is_another_picture_and_named(tmp_path: Path) -> None:
    dataset = leave_one_out(tmp_path, ["a", "a", "b", "b"])
    shutil.copy(tmp_path / "0.png", tmp_path / "copy.png")
    copy = replace(dataset.query[0], id="copy.png", image=tmp_path / "copy.png")
    copied = replace(dataset, query=(copy,))
    [trial] = trials(copied, find_protocol("standard"))
    assert not trial.own
    assert not trial.notes
    assert "ignored" not in trial.arguments()
    [finding] = [f for f in validate(copied) if f.kind == "same picture in query and gallery"]
    assert finding.severity == "error"
    assert "such a query finds itself" in finding.message


def test_pictures_of_one_path_that_is_not_there_are_told_by_their_ids() -> None:
    crops = tuple(Crop(name, Path("/nowhere.jpg"), "p") for name in "ab")
    [trial] = trials(ReIDDataset("d", None, query=crops[:1], gallery=crops), find_protocol("standard"))
    assert trial.own == {0: (0,)}


def test_two_crops_that_share_one_picture_in_memory_are_two(tmp_path: Path) -> None:
    picture = Image.new("RGB", (8, 16))
    crops = tuple(Crop(name, picture, "p") for name in "ab")
    [trial] = trials(ReIDDataset("d", None, query=crops[:1], gallery=crops[1:]), find_protocol("standard"))
    assert not trial.own


def test_validate_knows_leave_one_out(tmp_path: Path) -> None:
    dataset = leave_one_out(tmp_path, ["a", "a", "b"])
    told = {finding.kind: finding for finding in validate(dataset)}
    assert told["same picture in query and gallery"].severity == "info"
    assert (
        "3 queries are in the gallery too, as the very same file" in told["same picture in query and gallery"].problem
    )
    alone = told["only its own picture"]
    assert (alone.severity, alone.ids) == ("warning", ("b",))
    assert not [finding for finding in told.values() if finding.severity == "error"]
    whole = {finding.kind: finding for finding in validate(leave_one_out(tmp_path, ["a", "b"]))}
    assert whole["only its own picture"].severity == "error"
    assert "no query is left" in whole["only its own picture"].message


def test_a_manifest_of_one_list_is_leave_one_out(tmp_path: Path) -> None:
    leave_one_out(tmp_path, list("aabb"))
    rows = [f"{place}.png,{person},{split}" for place, person in enumerate("aabb") for split in ("query", "gallery")]
    (tmp_path / "manifest.csv").write_text("\n".join(["image,person,split", *rows]))
    [trial] = trials(load_dataset(tmp_path), find_protocol("standard"))
    assert trial.own == {place: (place,) for place in range(4)}
