"""Counts of the research photos, where they are at hand (never copied, never shown)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from reidr.data.checks.validate import validate
from reidr.data.join import join_training
from reidr.data.load import load_dataset
from reidr.data.protocols.trial import find_protocol, trials
from reidr.data.reading.folder import crops_in_folder
from reidr.training.common.identities import hold_out_identities
from reidr.training.recipes.find import find_recipe, read_recipe

pytestmark = pytest.mark.real_data


def test_market1501(real_data: Path) -> None:
    dataset = load_dataset(real_data / "market1501")
    summary = dataset.summary()
    assert (summary["train"]["images"], summary["train"]["persons"]) == (12_936, 751)
    assert (summary["query"]["images"], summary["query"]["persons"]) == (3_368, 750)
    assert summary["gallery"]["images"] == 19_732
    assert (summary["gallery"]["junk"], summary["gallery"]["distractors"]) == (3_819, 2_798)
    assert dataset.protocol == "standard"
    # attributes.csv describes all 1,501 people; nobody else is described, and nobody by gender or age.
    people = [crop for crop in (*dataset.train, *dataset.query, *dataset.gallery) if crop.person is not None]
    assert len({crop.person for crop in people}) == 1_501
    assert all(crop.attributes for crop in people)
    assert Counter(crop.attributes["lower_kind"] for crop in people).keys() == {"dress", "trousers"}
    assert not {"gender", "age"} & set().union(*(crop.attributes for crop in people))


def test_every_query_of_market1501_has_a_match(real_data: Path) -> None:
    [trial] = trials(load_dataset(real_data / "market1501"), find_protocol("standard"))
    assert trial.mated.all()
    # What is neither junk nor a query's own person and camera: 15,913 crops are ranked.
    assert sum(not crop.junk for crop in trial.gallery) == 15_913


def test_validate_market1501_has_no_error(real_data: Path) -> None:
    findings = validate(real_data / "market1501", pixels=False)
    assert not [finding.message for finding in findings if finding.severity == "error"]
    assert not [finding for finding in findings if "looks like a partial copy" in finding.message]


def test_the_recipes_hold_out_training_people_of_these_sets(real_data: Path) -> None:
    """The recipe `nano` points at data that is here; about a tenth of the people is never trained on."""
    names = set(recipe_data("nano"))
    assert names == {"market1501", "cuhk03-np-train"}
    crops = join_training([load_dataset(real_data / name) for name in sorted(names)])
    kept, held_out = hold_out_identities(crops, 0.1, 0)
    people = {crop.person for crop in held_out}
    assert 0.07 < len(people) / (751 + 767) < 0.13
    assert not people & {crop.person for crop in kept}


def recipe_data(name: str) -> list[str]:
    """The folders' names of all photos that a shipped recipe speaks of."""
    stages = read_recipe(find_recipe(name))
    return [Path(path).name for stage in stages.values() for path in stage.get("data", ())]


def test_cuhk03_np_train(real_data: Path) -> None:
    dataset = load_dataset(real_data / "cuhk03-np-train")
    assert (len(dataset.train), dataset.summary()["train"]["persons"]) == (7_365, 767)
    assert dataset.protocol == "cuhk03-np/detected"
    # Per view, computed from the official split file (method.md 6.1).
    assert Counter(crop.camera for crop in dataset.train) == {"1": 3_601, "2": 3_764}


def test_any_folder_of_crops(real_data: Path) -> None:
    crops = crops_in_folder(real_data / "market1501" / "query")
    assert len(crops) == 3_368
    assert all(crop.person and crop.camera for crop in crops)
