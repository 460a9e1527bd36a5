"""On whom a reasoner is tuned: people that neither it nor the retriever was trained on, or nobody."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from reidr.cli.main import reidr
from reidr.data.load import load_dataset
from reidr.errors import DataError, RecipeError, WeightsError
from reidr.fusion.profile import InferenceProfile
from reidr.reasoning.backends.card import Card
from reidr.training.common.identities import hold_out_identities
from reidr.training.tuning.held_out import held_out_people, held_out_search

PEOPLE = 40


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for person in range(1, PEOPLE + 1):
        for camera, frame in ((1, 1), (1, 2), (2, 1), (2, 2)):
            path = tmp_path / "photos" / "bounding_box_train" / f"{person:04d}_c{camera}s1_{frame:06d}_00.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 8)).save(path)
    for split in ("query", "bounding_box_test"):
        (tmp_path / "photos" / split).mkdir()
        Image.new("RGB", (4, 8)).save(tmp_path / "photos" / split / "0099_c1s1_000001_00.jpg")
    return tmp_path / "photos"


def recipe(folder: Path, **sections: dict[str, Any]) -> str:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(sections))
    return str(path)


def retriever(trained_on: tuple[str, ...], held_out: tuple[float, int] | None) -> Any:
    return SimpleNamespace(name="mine", trained_on=trained_on, held_out=held_out)


def test_a_recipe_with_a_base_or_with_folds_says_whom_it_held_out(photos: Path, tmp_path: Path) -> None:
    based = recipe(tmp_path, pretraining={"data": [str(photos)], "held_out_share": 0.3, "split_seed": 2})
    found = {crop.person for crop in held_out_people(based, {}, retriever((), None))}
    assert 0 < len(found) < PEOPLE
    folds = {"source": "folds", "data": [str(photos)], "held_out_share": 0.3, "seed": 2}
    for own in (retriever((), None), retriever(("photos",), (0.3, 2)), retriever(("others",), (0.1, 0))):
        people = held_out_people(recipe(tmp_path, pairs=folds), {}, own)
        assert {crop.person for crop in people} == found
    # Nobody else is: the other side of the very same split.
    assert hold_out_identities(people, 0.3, 2)[0] == ()
    drawn = recipe(tmp_path, pretraining={"data": [str(photos)]})
    assert held_out_people(drawn, {"data": []}, retriever((), None)) == ()


@pytest.mark.parametrize("held_out", [None, (0.1, 2), (0.3, 1)])
def test_a_retriever_that_was_taught_on_them_is_refused(
    photos: Path, tmp_path: Path, held_out: tuple[float, int] | None
) -> None:
    name = recipe(tmp_path, pretraining={"data": [str(photos)], "held_out_share": 0.3, "split_seed": 2})
    with pytest.raises(DataError, match=r"retriever mine was trained on photos .* one of the two has seen"):
        held_out_people(name, {}, retriever(("photos",), held_out))


def test_the_held_out_people_of_a_data_set_are_those_of_both_models(photos: Path) -> None:
    dataset, ranker = load_dataset(photos), retriever(("photos",), (0.3, 2))
    found = held_out_search(dataset, ranker)
    honest = SimpleNamespace(name="r", card=Card(trained_on=("elsewhere/photos",), held_out=(0.3, 2)))
    stranger = SimpleNamespace(name="r", card=Card(trained_on=(), held_out=None))
    for reasoner in (honest, stranger):
        assert held_out_search(dataset, ranker, reasoner).query == found.query  # type: ignore[arg-type]
    for held_out in (None, (0.1, 2), (0.3, 1)):
        taught = SimpleNamespace(name="r", card=Card(trained_on=("elsewhere/photos",), held_out=held_out))
        with pytest.raises(DataError, match="trained on photos and did not hold out"):
            held_out_search(dataset, ranker, taught)  # type: ignore[arg-type]


def test_a_recipe_that_holds_nobody_out_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="hold nobody out"):
        held_out_people(recipe(tmp_path, pairs={"source": "retriever"}), {}, retriever((), None))
    with pytest.raises(RecipeError, match="neither 'pretraining' nor 'pairs'"):
        held_out_people(recipe(tmp_path, warmup={}), {}, retriever((), None))


def test_the_command_tunes_any_recipe_s_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def tune(name: str, model: Path, changes: dict[str, Any], **more: Any) -> InferenceProfile:
        asked.append((name, model, changes, more))
        return InferenceProfile(0.4, "held-out training identities")

    monkeypatch.setattr("reidr.training.tuning.stage.tuning_stage", tune)
    run = CliRunner().invoke(reidr, ["train", "tune", "qwen2.5-vl-7b", "--model", str(tmp_path)])
    assert isinstance(run.exception, WeightsError)
    monkeypatch.setattr("reidr.reasoning.models.checkpoint.find_checkpoint", lambda source: (str(source), True))
    words = ["train", "tune", "qwen2.5-vl-7b", "--model", str(tmp_path), "--retriever", "other"]
    run = CliRunner().invoke(reidr, words)
    assert run.exit_code == 0, run.output
    assert "fusion weight 0.4" in run.output
    assert asked == [("qwen2.5-vl-7b", tmp_path, {}, {"retriever": "other"})]
