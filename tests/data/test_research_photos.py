"""Counts of the research photos, where they are at hand (never copied, never shown)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from reidr.data.folder import crops_in_folder
from reidr.data.load import load_dataset
from reidr.data.protocol import find_protocol, trials
from reidr.data.validate import validate

pytestmark = pytest.mark.real_data


def test_market1501_dev(real_data: Path) -> None:
    dataset = load_dataset(real_data / "market1501-dev")
    summary = dataset.summary()
    assert (summary["train"]["images"], summary["train"]["persons"]) == (7_682, 450)
    assert (summary["query"]["images"], summary["query"]["persons"]) == (666, 150)
    assert (summary["gallery"]["images"], summary["gallery"]["persons"]) == (1_763, 149)
    assert summary["gallery"]["junk"] == summary["gallery"]["distractors"] == 0
    # attributes.csv has 600 rows: 450 training and 150 test people.
    crops = (*dataset.train, *dataset.query, *dataset.gallery)
    assert all(crop.attributes for crop in crops)
    assert Counter(crop.attributes["lower_kind"] for crop in crops).keys() == {"dress", "trousers"}
    assert not {"gender", "age"} & set().union(*(crop.attributes for crop in crops))


def test_market1501_dev_queries_without_a_match(real_data: Path) -> None:
    [trial] = trials(load_dataset(real_data / "market1501-dev"), find_protocol("standard"))
    # One query person has no gallery image at all; 6 more queries are matched in their own camera only.
    absent = {crop.person for crop in trial.query} - {crop.person for crop in trial.gallery}
    assert len(absent) == 1
    assert (~trial.mated).sum() == sum(crop.person in absent for crop in trial.query) + 6


def test_validate_market1501_dev_has_no_error(real_data: Path) -> None:
    findings = validate(real_data / "market1501-dev", pixels=False)
    assert not [finding.message for finding in findings if finding.severity == "error"]
    [partial] = [finding for finding in findings if "looks like a partial copy" in finding.message]
    assert "450 of 751 training persons" in partial.message


def test_cuhk03_np_train(real_data: Path) -> None:
    dataset = load_dataset(real_data / "cuhk03-np-train")
    assert (len(dataset.train), dataset.summary()["train"]["persons"]) == (7_365, 767)
    assert dataset.protocol == "cuhk03-np/detected"
    # Per view, computed from the official split file (method.md 6.1).
    assert Counter(crop.camera for crop in dataset.train) == {"1": 3_601, "2": 3_764}


def test_any_folder_of_crops(real_data: Path) -> None:
    crops = crops_in_folder(real_data / "market1501-dev" / "query")
    assert len(crops) == 666
    assert all(crop.person and crop.camera for crop in crops)
