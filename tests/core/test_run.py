"""Run folders: resumed with the same settings, refused with others, written whole or not at all."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from reidr.core.recipe import Recipe
from reidr.core.run import Run, content_hash, name_of, plain_json, prepare_file, prepare_folder, write_json
from reidr.errors import RecipeError, ReIDError


def test_a_second_run_knows_what_is_done(tmp_path: Path) -> None:
    first = Run(tmp_path / "run", "train", {"seed": 1, "data": Path("a")}, {"a": "x"})
    assert first.finished("stage") is None
    first.finish("stage", time.perf_counter(), model="model")
    second = Run(tmp_path / "run", "train", {"seed": 1, "data": Path("a")}, {"a": "x"})
    facts = second.finished("stage")
    assert facts is not None
    assert facts["model"] == "model"


@pytest.mark.parametrize(
    ("job", "settings", "data", "word"),
    [
        ("train", {"seed": 2}, {"a": "x"}, "seed"),
        ("train", {"seed": 1, "more": 3}, {"a": "x"}, "more"),
        ("evaluate", {"seed": 1}, {"a": "x"}, "job"),
        ("train", {"seed": 1}, {"a": "y"}, "other data"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path: Path, job: str, settings: dict, data: dict, word: str) -> None:
    Run(tmp_path, "train", {"seed": 1}, {"a": "x"})
    with pytest.raises(RecipeError, match=word):
        Run(tmp_path, job, settings, data)


class Weights(Recipe):
    """Nested in `Job`."""

    old: float = 1.0
    new: float = 0.0


class Job(Recipe):
    """A recipe whose later version has brought `choices` and `weights.new`."""

    steps: int
    choices: int = 1
    weights: Weights = Weights()


def test_an_option_that_is_new_changes_nothing_at_its_default(tmp_path: Path) -> None:
    before = {"steps": 3, "weights": {"old": 1.0}}
    Run(tmp_path, "train", before)

    def again(**changes: object) -> Run:
        job = Job.from_values({"steps": 3, **changes}, "options")
        return Run(tmp_path, "train", job.model_dump(mode="json"), defaults=job.defaults())

    assert Job.defaults() == {"choices": 1, "weights": {"old": 1.0, "new": 0.0}}
    assert again().manifest["settings"] == before
    for changes, word in (
        ({"choices": 4}, "choices: 1, now 4"),
        ({"weights": {"new": 0.5}}, "weights: "),
        ({"weights": {"old": 2.0}}, "weights: "),
        ({"steps": 4}, "steps: 3, now 4"),
    ):
        with pytest.raises(RecipeError, match=word):
            again(**changes)
    # What has no default, and what nobody asks for any more, is no new option.
    with pytest.raises(RecipeError, match="steps: None, now 3"):
        Run(prepared(tmp_path / "b", {"choices": 1}), "train", {"choices": 1, "steps": 3}, defaults=Job.defaults())
    with pytest.raises(RecipeError, match="gone: 2, now None"):
        Run(prepared(tmp_path / "c", {"gone": 2}), "train", {"choices": 1}, defaults=Job.defaults())


def prepared(folder: Path, settings: dict) -> Path:
    """A run folder made with `settings`."""
    Run(folder, "train", settings)
    return folder


def test_the_manifest_says_what_made_the_run(tmp_path: Path) -> None:
    Run(tmp_path, "train", {"seed": 1}, {"a": "x"})
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["settings"] == {"seed": 1}
    assert manifest["data"] == {"a": "x"}
    assert {"python", "packages"} <= set(manifest["environment"])
    assert manifest["environment"]["packages"]["numpy"]


def test_a_damaged_manifest_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(RecipeError, match=r"manifest\.json"):
        Run(tmp_path, "train", {})


def test_json_is_never_half_written(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    circle: list = []
    circle.append(circle)
    with pytest.raises(ValueError, match="Circular"):
        write_json(path, circle)
    assert json.loads(path.read_text()) == {"x": 1}


def test_a_model_is_called_after_its_run(tmp_path: Path) -> None:
    assert name_of(tmp_path / "presets" / "nano") == "nano"
    model = tmp_path / "whole" / "seed-2" / "rl" / "model"
    assert name_of(model) == "model"  # of no run
    Run(model.parent, "train rl", {})
    assert name_of(model) == "seed-2/rl"


def test_content_hash_tells_lists_apart() -> None:
    assert content_hash(["ab", "c"]) != content_hash(["a", "bc"])
    assert content_hash(["a", "b"]) != content_hash(["b", "a"])
    assert content_hash(["a"]) == content_hash(["a"])


class Small(Recipe):
    steps: int
    rate: float = 0.5


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("steps: many", "steps"),
        ("steps: 1\nstepz: 2", "known: steps, rate"),
        ("rate: 1", "steps"),
        ("- 1", "mapping"),
        ("a: [", "YAML"),
        ("steps: 1\nrate: .inf", "rate: input should be a finite number"),
        ("steps: 1\nrate: .nan", "rate: input should be a finite number"),
        ("steps: 1\nstep: 2", "step: there is no such setting; did you mean steps"),
        ("steps: 1\nsteps: 2", "'steps' is given twice in .* line 2"),
    ],
)
def test_a_wrong_recipe_names_file_and_field(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=word) as raised:
        Small.load(path)
    assert "r.yaml" in str(raised.value)


def test_options_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("steps: 1")
    assert Small.load(path, steps=3) == Small(steps=3, rate=0.5)


def test_places_for_later_are_made_and_tried_before_the_work(tmp_path: Path) -> None:
    prepare_file(tmp_path / "new" / "deep" / "rows.json")
    assert list((tmp_path / "new" / "deep").iterdir()) == []
    prepare_file(None)
    prepare_folder(None)
    (tmp_path / "file").write_text("here first")
    for prepare, place, words in (
        (prepare_file, tmp_path / "file" / "rows.json", "cannot be written to"),
        (prepare_file, tmp_path / "new", "is a folder; name a file in it"),
        (prepare_folder, tmp_path / "file", "cannot be written to .*; choose another folder"),
        (prepare_folder, Path("/proc/nowhere"), "cannot be written to"),
    ):
        with pytest.raises(ReIDError, match=words):
            prepare(place)
    with pytest.raises(ReIDError, match="cannot be written to"):
        Run(tmp_path / "file", "train", {})


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReIDError, match=r"absent/rows\.json: cannot be written \(No such file"):
        write_json(tmp_path / "absent" / "rows.json", {})


def test_plain_json_is_what_every_reader_knows() -> None:
    content = {0.1: (1, float("inf")), "a": {"b": [float("nan"), np.float64(0.5), True, None, "x"]}}
    plain = plain_json(content)
    assert plain == {"0.1": [1, None], "a": {"b": [None, 0.5, True, None, "x"]}}
    assert type(plain["a"]["b"][1]) is float
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
