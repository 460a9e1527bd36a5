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
from reidr.training.tuning.stage import TuningOptions, check_tunable

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


def test_a_retriever_of_a_fold_is_refused_where_another_recipe_holds_its_people_out(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was trained on the other folds of the kept people, and its own record says so."""
    from reidr.training.pairs.stage import pairs_stage

    for path in photos.glob("bounding_box_train/*.jpg"):
        number = int(path.name[:4])
        Image.new("RGB", (32, 64), (number * 6 % 256, number * 91 % 256, number * 37 % 256)).save(path)
    network = {"height": 32, "width": 32, "embedding": 16, "stripes": 2, "stripe_embedding": 8, "flip": False}
    training = {"network": network, "imagenet": False, "frozen_blocks": 0, "epochs": 1, "warmup_epochs": 0,
                "batch_persons": 2, "batch_images": 2}  # fmt: skip
    pairs = {"source": "folds", "folds": 2, "data": [f"mine={photos}"], "training": training, "held_out_share": 0.3}
    pairs_stage(recipe(tmp_path, pairs=pairs), tmp_path / "pairs", {})
    fold = str(tmp_path / "pairs" / "fold-0" / "model")
    check_tunable(recipe(tmp_path, pairs=pairs), {}, fold)  # these people it does not know
    with pytest.raises(DataError, match=r"retriever model was trained on mine and held out a share of 0\.3 by seed 0"):
        check_tunable(recipe(tmp_path, pairs={**pairs, "seed": 1}), {}, fold)
    # A manifest counts as photos as well: a folder is not the only form of data.
    monkeypatch.chdir(tmp_path)
    lines = [
        f"{path.relative_to(tmp_path)},{path.name[:4]},{path.name[6]},train"
        for path in sorted(photos.glob("bounding_box_train/*.jpg"))
    ]
    (tmp_path / "list.csv").write_text("\n".join(["image,person,camera,split", *lines]) + "\n")
    listed = {**pairs, "data": [str(tmp_path / "list.csv")], "seed": 1}
    assert held_out_people(recipe(tmp_path, pairs=listed), {}, retriever((), None))


def test_a_retriever_that_says_nothing_is_named(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = {"source": "folds", "data": [str(photos)], "held_out_share": 0.3}
    held_out_people(recipe(tmp_path, pairs=pairs), {}, retriever(("others",), (0.1, 0)))
    assert "does not say" not in capsys.readouterr().err
    held_out_people(recipe(tmp_path, pairs=pairs), {}, retriever((), None))
    assert "retriever mine does not say what it was trained on" in capsys.readouterr().err


def test_people_who_make_no_search_are_said_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in range(1, 21):
        for camera in (1, 2):
            path = tmp_path / "photos" / "bounding_box_train" / f"{person:04d}_c{camera}s1_000001_00.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 8)).save(path)
    pairs = {"source": "folds", "data": [str(tmp_path / "photos")], "held_out_share": 0.3}
    with pytest.raises(WeightsError, match="nowhere"):
        check_tunable(recipe(tmp_path, pairs=pairs), {}, "nowhere")
    monkeypatch.setattr("reidr.training.tuning.stage.load_embedder", lambda name: retriever((), None))
    with pytest.raises(DataError, match=r"one crop in each camera.*nothing can be tuned"):
        check_tunable(recipe(tmp_path, pairs=pairs), {}, "mine")


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
    assert asked == [("qwen2.5-vl-7b", tmp_path, {}, {"retriever": "other", "how": TuningOptions()})]
