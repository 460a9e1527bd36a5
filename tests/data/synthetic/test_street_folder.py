"""Streets as data sets: splits that follow the rules, files that repeat byte by byte, folders that are never mixed."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reidr.data.layouts.market1501 import load_market1501
from reidr.data.load import load_dataset
from reidr.data.synthetic import ATTRIBUTES, NOT_VISIBLE, StreetSettings, plan_street, render_street, street_crops
from reidr.data.synthetic.street import DRAWING
from reidr.data.types import ReIDDataset
from reidr.errors import DataError, RecipeError

SMALL = StreetSettings(
    seed=4,
    cameras=4,
    train_people=3,
    test_people=8,
    cameras_per_person=3,
    crops_per_camera=1,
    absent=0.25,
    changing=0.5,
    distractors=5,
    junk=3,
)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> ReIDDataset:
    return render_street(tmp_path_factory.mktemp("street") / "small", SMALL)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed is -1; it must be a whole number of at least 0"),
        ({"cameras": 1}, "cameras is 1; it must be a whole number of at least 2"),
        ({"test_people": 2.5}, "test_people is 2.5"),
        ({"absent": 1.2}, "absent is 1.2; it must be a share between 0 and 1"),
        ({"changing": "half"}, "changing is 'half'"),
        ({"cameras": 3}, r"cameras_per_person is 5, more than cameras \(3\)"),
        ({"queries_per_person": 6}, r"queries_per_person is 6, more than cameras_per_person \(5\)"),
        ({"test_people": 0}, "both 0"),
        ({"train_people": 9000}, "9014 people"),
        ({"group": 13}, "group is 13"),
        ({"cameras": 100}, "cameras is 100"),
    ],
)
def test_settings_that_make_no_street_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        StreetSettings(**change)


def test_counts_follow_the_settings(street: ReIDDataset) -> None:
    # 3 training persons x 3 cameras x 1 crop; 8 test persons x 2 queries; 2 of the 8 are absent, so the gallery
    # holds 6 x 3 crops, 5 distractors and 3 junk boxes.
    assert street.summary() == {
        "train": {"images": 9, "persons": 3, "cameras": 4, "distractors": 0, "junk": 0},
        "query": {"images": 16, "persons": 8, "cameras": 4, "distractors": 0, "junk": 0},
        "gallery": {"images": 26, "persons": 6, "cameras": 4, "distractors": 5, "junk": 3},
    }


def test_every_query_of_a_present_person_has_a_match_in_another_camera(street: ReIDDataset) -> None:
    absent = plan_street(SMALL).absent
    assert len(absent) == 2
    for query in street.query:
        matches = [g for g in street.gallery if g.person == query.person and g.camera != query.camera]
        assert bool(matches) is (query.person not in absent)


def test_nobody_is_in_both_splits_and_some_change_clothes(street: ReIDDataset) -> None:
    assert not {c.person for c in street.train} & {c.person for c in (*street.query, *street.gallery)}
    worn: dict[str, set[str]] = {}
    for crop in (*street.query, *street.gallery):
        if crop.person is not None:
            assert crop.outfit is not None
            worn.setdefault(crop.person, set()).add(crop.outfit)
    assert any(len(outfits) == 2 for outfits in worn.values())
    assert any(len(outfits) == 1 for outfits in worn.values())


def test_attributes_are_known_values_and_agree_within_an_outfit(street: ReIDDataset) -> None:
    told: dict[tuple[str | None, str | None, str], set[str]] = {}
    for crop in (*street.train, *street.query, *street.gallery):
        assert set(crop.attributes) == set(ATTRIBUTES)
        for name, value in crop.attributes.items():
            assert value == NOT_VISIBLE or value in ATTRIBUTES[name]
            if value != NOT_VISIBLE and crop.person is not None:
                told.setdefault((crop.person, crop.outfit, name), set()).add(value)
    assert all(len(values) == 1 for values in told.values())


def test_the_folder_reads_as_market1501_too(street: ReIDDataset) -> None:
    assert street.root is not None
    other = load_market1501(street.root)
    for split in ("train", "query", "gallery"):
        ours, theirs = getattr(street, split), getattr(other, split)
        facts = [[(c.id, c.person, c.camera, c.sequence, c.time, c.junk) for c in crops] for crops in (ours, theirs)]
        assert sorted(facts[0], key=str) == sorted(facts[1], key=str)
    assert load_dataset(street.root).query == street.query


def test_in_memory_crops_are_those_of_the_folder(street: ReIDDataset) -> None:
    for split in ("train", "query", "gallery"):
        written = {crop.id: crop for crop in getattr(street, split)}
        drawn = list(street_crops(SMALL, split))
        assert {crop.id for crop in drawn} == set(written)
        for crop in drawn:
            assert crop == written[crop.id]
            assert crop.attributes == written[crop.id].attributes
            np.testing.assert_array_equal(np.asarray(crop.open()), np.asarray(written[crop.id].open()))


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(RecipeError, match="no split 'test'; there are train, query, gallery"):
        next(street_crops(SMALL, "test"))


def test_the_same_settings_give_the_same_bytes(street: ReIDDataset, tmp_path: Path) -> None:
    steps: list[float] = []
    render_street(tmp_path / "again", SMALL, steps.append)
    assert street.root is not None
    assert files(street.root) == files(tmp_path / "again")
    assert sum(steps) == 51
    tiny = replace(SMALL, train_people=0, test_people=1, distractors=0, junk=0, absent=0.0)
    one, other = (render_street(tmp_path / str(seed), replace(tiny, seed=seed)) for seed in (1, 2))
    assert {c.open().tobytes() for c in one.query} != {c.open().tobytes() for c in other.query}


def test_more_test_people_leave_the_training_people_as_they_were() -> None:
    assert plan_street(SMALL).train == plan_street(replace(SMALL, test_people=30)).train


def test_a_finished_folder_is_loaded_and_another_street_refused(street: ReIDDataset) -> None:
    def touch(_: float) -> None:
        raise AssertionError("drawn again")

    assert street.root is not None
    assert render_street(street.root, SMALL, touch) == street
    with pytest.raises(DataError, match="holds a street with seed 4, not 5; choose another folder"):
        render_street(street.root, replace(SMALL, seed=5))


def test_foreign_and_old_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match="is not a rendered street"):
        render_street(tmp_path / "photos", SMALL)
    (tmp_path / "photos" / "manifest.jsonl").touch()
    (tmp_path / "photos" / "street.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"street.json: not readable"):
        render_street(tmp_path / "photos", SMALL)
    (tmp_path / "photos" / "street.json").write_text(json.dumps({"drawing": 0, "settings": {}}), encoding="utf-8")
    with pytest.raises(DataError, match="another version of ReID-R"):
        render_street(tmp_path / "photos", SMALL)


def test_an_interrupted_run_leaves_nothing_behind_that_looks_finished(tmp_path: Path) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    tiny = replace(SMALL, train_people=0, test_people=1, distractors=0, junk=0, absent=0.0)
    with pytest.raises(KeyboardInterrupt):
        render_street(tmp_path / "street", tiny, stop)
    assert not (tmp_path / "street").exists()
    render_street(tmp_path / "street", tiny)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["street"]


def test_names_are_unique_in_a_crowded_street() -> None:
    crowd = StreetSettings(train_people=60, test_people=60, distractors=300, junk=50)
    names = [sighting.image for sighting in plan_street(crowd).sightings]
    assert len(set(names)) == len(names)


def test_a_drawing_that_changes_is_another_drawing() -> None:
    """Once patterns were painted otherwise and folders of the old ones went on to be taken for the new: whoever changes
    a pixel raises `DRAWING`, and then these means of 24 crops (grey levels; patterned tops had moved by 0.6 to 1.3)."""
    settings = StreetSettings(seed=5, train_people=12, crops_per_camera=1, distractors=0, junk=0)
    crops = list(islice(street_crops(settings, "train"), 24))
    means = [float(np.asarray(crop.open(), dtype=float).mean()) for crop in crops]
    expected = [
        134.4, 155.2, 115.4, 115.4, 61.1, 118.1, 134.3, 94.1, 133.5, 141.4, 97.2, 100.1,
        136.2, 135.3, 125.1, 111.4, 102.7, 135.2, 127.0, 121.9, 94.9, 117.0, 134.9, 90.8,
    ]  # fmt: skip
    assert DRAWING == 2
    assert means == pytest.approx(expected, abs=0.25)
