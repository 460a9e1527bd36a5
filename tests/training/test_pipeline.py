"""All stages in a row: recipes fit their stages, and a quick run goes from nothing to a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reidr.core.run import Run
from reidr.errors import DataError, RecipeError
from reidr.fusion.profile import stored_profile
from reidr.training import pipeline
from reidr.training.pipeline import QUICK, STAGES, plan, train_all
from reidr.training.plan import check_everything
from reidr.training.recipes.data_sets import data_path
from reidr.training.recipes.find import RECIPES, read_recipe, stage_values
from reidr.training.recipes.pretraining import PretrainingRecipe


@pytest.mark.parametrize("recipe", sorted(path.stem for path in RECIPES.glob("*.yaml")))
def test_every_shipped_recipe_loads_and_plans(recipe: str) -> None:
    lines = plan(recipe)
    assert [line.split(":")[0] for line in lines] == [s for s in STAGES if s in read_recipe(RECIPES / f"{recipe}.yaml")]


@pytest.mark.parametrize("recipe", sorted(path.stem for path in RECIPES.glob("*.yaml") if "rl" in read_recipe(path)))
def test_pairs_are_sampled_by_the_reward_that_will_teach(recipe: str) -> None:
    rewards = {
        stage: STAGES[stage].from_values(*stage_values(recipe, stage, {})).model_dump()["rewards"]
        for stage in ("sample", "rl")
    }
    assert rewards["sample"] == rewards["rl"]


def test_quick_changes_only_what_the_stages_know() -> None:
    for stage, changes in QUICK.items():
        settings = STAGES[stage].from_values(*stage_values("nano", stage, changes)).model_dump(mode="json")
        for name, value in changes.items():
            assert holds(settings[name], value), (stage, name)


def holds(settings: object, changes: object) -> bool:
    """Whether every value of `changes` is found again in `settings`, at any depth."""
    if isinstance(changes, dict):
        return isinstance(settings, dict) and all(holds(settings[name], value) for name, value in changes.items())
    if isinstance(changes, list):
        return isinstance(settings, list) and all(map(holds, settings, changes)) and len(settings) == len(changes)
    return bool(settings == changes)


def test_nano_street_differs_in_its_vision_encoder_and_has_no_photos() -> None:
    photos, street = (read_recipe(RECIPES / f"{name}.yaml") for name in ("nano", "nano-street"))
    assert photos["pretraining"]["data"]
    assert street["pretraining"]["data"] == []
    shared = ("data", "vision_encoder", "vision_encoder_street_people", "steps")
    own = {name: photos["pretraining"][name] for name in shared}
    assert {**street["pretraining"], **own} == photos["pretraining"]
    assert {name: street[name] for name in street if name != "pretraining"} == {
        n: photos[n] for n in photos if n != "pretraining"
    }


def test_a_recipe_with_an_unknown_stage_or_field_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("extends: nano\nwarmpu: {steps: 3}\n")
    with pytest.raises(RecipeError, match="no stage 'warmpu'"):
        plan(str(path))
    path.write_text("extends: nano\nwarmup: {stepz: 3}\n")
    with pytest.raises(RecipeError, match="stepz"):
        plan(str(path))
    path.write_text("pairs: {source: retriever}\n")
    with pytest.raises(RecipeError, match=r"neither a section 'pretraining' nor a section 'warmup'.*one by one"):
        train_all(str(path), tmp_path / "runs")
    path.write_text("extends: vision-language\npairs: {source: retriever}\n")
    with pytest.raises(RecipeError, match="hold nobody out for tuning"):
        train_all(str(path), tmp_path / "runs")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("extends: own.yaml\n", r"own\.yaml: extends itself, by way of own\.yaml"),
        ("extends: other.yaml\n", r"own\.yaml: extends itself, by way of other\.yaml"),
        ("extends: [nano]\n", r"extends \['nano'\]; name one recipe"),
        ("extends: nano\nrl: 5\n", "section 'rl' must be a mapping"),
        ("rl: 5\n", "section 'rl' must be a mapping"),
        ("extends: nano\nrl: {pairs: 0}\n", "rl: pairs"),
        ("extends: nano\n2: {}\n", "no stage 2"),
    ],
)
def test_a_wrong_recipe_is_refused_before_the_first_stage(
    text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr(pipeline, "pretraining_stage", never)
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text(text)
    Path("other.yaml").write_text("extends: own.yaml\n")
    with pytest.raises(RecipeError, match=words):
        train_all("own.yaml", tmp_path / "runs")


def test_each_stage_starts_from_what_the_one_before_has_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: dict[str, dict[str, str]] = {}

    def stage(name: str, made: str) -> Callable[..., Path]:
        def run(recipe: str, folder: Path, changes: dict[str, Any]) -> Path:
            taken[name] = {
                key: str(changes[key]) for key in ("pretraining", "model", "pairs", "sampled", "seed") if key in changes
            }
            return folder / made

        return run

    for name, made in (("pretraining", "model"), ("pairs", "p"), ("warmup", "model"), ("sample", "s"), ("rl", "model")):
        monkeypatch.setattr(pipeline, f"{name}_stage", stage(name, made))
    monkeypatch.setattr(pipeline, "pretraining_recipe", lambda run: PretrainingRecipe())
    monkeypatch.setattr(pipeline, "tuning_stage", lambda *_, **__: None)
    monkeypatch.setattr(pipeline, "evaluate_reasoner", lambda model, *_: model)
    assert train_all("nano", tmp_path) == tmp_path / "rl" / "model"
    start, warm, pairs = (str(tmp_path / name) for name in ("pretraining/model", "warmup/model", "pairs/p"))
    assert taken == {
        "pretraining": {},
        "pairs": {"pretraining": str(tmp_path / "pretraining")},
        "warmup": {"model": start, "pairs": pairs},
        "sample": {"model": warm, "pairs": pairs},
        "rl": {"model": warm, "sampled": str(tmp_path / "sample" / "s")},
    }

    train_all("nano", tmp_path, pretraining=tmp_path)
    assert taken["pairs"] == {"pretraining": str(tmp_path)}

    # Runs of several seeds share their pretraining and their pairs.
    assert train_all("nano", tmp_path, seed=3) == tmp_path / "seed-3" / "rl" / "model"
    assert taken["warmup"]["pairs"] == pairs
    assert {name: changes.get("seed") for name, changes in taken.items()} == {
        "pretraining": None, "pairs": None, "warmup": "3", "sample": "3", "rl": "3"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("base: {steps: 3}\n", "section 'base' is now called 'pretraining'"),
        ("retriever: {data: [x], averaging: 0.99}\n", "averaging: is now called ema_decay"),
        ("pretraining: {reading_streets: 3}\n", "reading_streets: is now called attribute_streets"),
        ("warmup: {kl_weight: 3}\n", "kl_weight: is now called objectives"),
    ],
)
def test_an_old_name_is_refused_with_the_new_one(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=words):
        plan(str(path))


def test_data_sets_are_found_by_name_and_a_missing_one_says_where_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REIDR_DATA", raising=False)
    with pytest.raises(
        DataError, match=r"market1501: no such folder.*nano\.yaml: pretraining names it.*Zheng.*REIDR_DATA"
    ):
        check_everything("nano", None, quick=False)
    for name in ("market1501", "cuhk03-np-train", "peta"):
        (tmp_path / "sets" / name).mkdir(parents=True)
    monkeypatch.setenv("REIDR_DATA", str(tmp_path / "sets"))
    assert data_path("market1501") == tmp_path / "sets" / "market1501"
    check_everything("nano", None, quick=False)
    (tmp_path / "market1501").mkdir()
    assert data_path("market1501") == Path("market1501")  # a path that is there comes first


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_quick_goes_from_nothing_to_a_page_and_a_second_run_does_nothing(tmp_path: Path) -> None:
    page = train_all("nano", tmp_path, quick=True)
    assert page.is_file()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/model/model.safetensors")}
    assert len(before) == 3
    profile = stored_profile(tmp_path / "rl" / "model")
    assert profile.weight == 0.0, "drawn people alone must not move photos"
    assert "drawn people only" in profile.notice
    train_all("nano", tmp_path, quick=True)
    assert stored_profile(tmp_path / "rl" / "model") == profile, "what was decided is kept"
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/model/model.safetensors")}


def test_a_page_of_another_run_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr(pipeline, "pretraining_stage", never)
    (tmp_path / "report.json").write_text("precious")
    with pytest.raises(RecipeError, match="holds results"):
        train_all("nano", tmp_path)
    Run(tmp_path / "searched", "find", {}).close()
    with pytest.raises(RecipeError, match="job: 'find', now 'train'"):
        train_all("nano", tmp_path / "searched")
    Run(tmp_path / "whole", "train", {"recipe": "nano", "quick": False, "seed": None}).close()
    with pytest.raises(RecipeError, match="quick: False, now True"):
        train_all("nano", tmp_path / "whole", quick=True)
