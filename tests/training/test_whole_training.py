"""`reidr train RECIPE --data NAME=PATH …` whole, from a published checkpoint's layout to the table of results, tiny."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from tiny_recipes import OWN, own_recipe

from reidr.cli.main import reidr
from reidr.data.load import load_dataset
from reidr.data.protocols.dataset_overlap import same_family
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.errors import DataError
from reidr.fusion.provenance import held_out_split, training_data
from reidr.retrieval.embedders.retriever import Retriever
from reidr.training import pipeline
from reidr.training.pairs.table import read_columns, read_mined
from reidr.training.pipeline import Choices, WholeTraining, train_all
from reidr.training.plan import STAGES, check_sections
from reidr.training.quick import QUICK_CHECKPOINT
from reidr.training.recipes.find import RECIPES, read_recipe, stage_values
from reidr.training.tuning.stage import TuningOptions

pytestmark = pytest.mark.whole

pytest.importorskip("trl")


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streets")
    for name, seed in (("here", 5), ("there", 6)):
        settings = StreetSettings(seed=seed, train_people=14, test_people=4, crops_per_camera=2, distractors=2, junk=1)
        render_street(folder / name, settings)
    return folder


@pytest.fixture(scope="module")
def begun(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folders of retriever and pairs: no architecture changes them."""
    folder = tmp_path_factory.mktemp("begun")
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump({"extends": "vision-language", **OWN}))
    whole = WholeTraining(str(path), folder, Choices(data=entries(streets)))
    whole.retriever_and_pairs()
    return folder


def entries(streets: Path) -> tuple[str, ...]:
    """What `--data` is given."""
    return tuple(f"{name}={streets / name}" for name in ("here", "there"))


def invoke(*words: str) -> str:
    result = CliRunner().invoke(reidr, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


FAST = ("smolvlm",)  # qwen2_5_vl: test_big_models_page.py
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("qwen3_vl", "qwen3_5", "internvl")]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("architecture", [*FAST, *SLOW])
def test_one_command_goes_from_a_checkpoint_to_the_table(
    architecture: str, streets: Path, begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = own_recipe(tmp_path, architecture)
    for stage in ("retriever", "pairs"):
        shutil.copytree(begun / stage, tmp_path / "run" / stage)
    words = ["train", recipe, "--run", "run", "--data", *entries(streets)]
    output = invoke(*words)
    assert "report: run/results.html" in output
    run = tmp_path / "run"

    # The same people are held out everywhere, by the names that were given.
    retriever = Retriever.load(run / "retriever" / "model")
    assert retriever.trained_on == ("here", "there")
    assert retriever.held_out == held_out_split(run / "rl" / "model") == (0.3, 0)
    mined = read_mined(run / "pairs" / "pairs.parquet")
    assert {pair.dataset for pair in mined} == {"here", "there"}

    # 20.9 % of the training images of each data set, and every one of these pairs is trained on.
    images = {name: len(list((streets / name).rglob("*train*/*"))) for name in ("here", "there")}
    columns = read_columns(run / "sample" / "sampled.parquet")
    kept = sum(columns["kept"])
    assert kept == 2 * int(0.209 * sum(images.values()) / 2)
    log = [json.loads(line) for line in (run / "rl" / "log.jsonl").read_text().splitlines()]
    steps = -(-kept // 4)
    assert max(line["step"] for line in log) == steps
    taught = [json.loads(line) for line in (run / "rl" / "completions.jsonl").read_text().splitlines()]
    assert {frozenset((line["a"], line["b"])) for line in taught} == {
        frozenset((a, b))
        for a, b, own in zip(columns["query_id"], columns["candidate_id"], columns["kept"], strict=True)
        if own
    }

    # Curves of people from whom nothing is learned, and pages.
    measured = [line["step"] for line in log if "held_out_direct_area" in line]
    assert measured == sorted({0, *range(2, steps + 1, 2), steps})
    assert all(line["rollouts_per_second"] > 0 for line in log if "reward" in line)
    for page in ("warmup/training.html", "rl/training.html", "evaluation/here/report.html"):
        assert (run / page).is_file(), page
    table = (run / "results.md").read_text()
    assert "| Market-1501 |  | 92.5 |  |" in table
    rows = [line for line in table.splitlines() if line.startswith(("| here", "| there"))]
    assert len(rows) == 2
    assert all(len([cell for cell in row.split("|") if cell.strip()]) == 9 for row in rows)

    kept_files = [*run.rglob("*.safetensors"), *run.rglob("metrics.json"), run / "pairs" / "pairs.parquet"]
    before = {path: path.stat().st_mtime_ns for path in kept_files}
    invoke(*words)
    assert {path: path.stat().st_mtime_ns for path in kept_files} == before, "a finished stage does nothing"

    # The reasoner knows its data again, whatever they are called then.
    known = training_data(run / "rl" / "model")
    assert known == ("here", "there")
    for name, other in (("here", "there"), ("there", "here")):
        dataset = replace(load_dataset(streets / name), name="another")
        assert same_family(dataset, known[known.index(name)]) == "same"  # type: ignore[arg-type]
        assert same_family(dataset, known[known.index(other)]) == "other"  # type: ignore[arg-type]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path, dict[str, Any]]]:
    """What each stage is called with; none does anything."""
    calls: list[tuple[str, Path, dict[str, Any]]] = []

    def stage(name: str) -> Any:
        def run(recipe: str, folder: Path, changes: dict[str, Any]) -> Path:
            calls.append((name, folder, changes))
            return folder / name

        return run

    for name in ("retriever", "pairs", "warmup", "sample", "rl"):
        monkeypatch.setattr(pipeline, f"{name}_stage", stage(name))
    monkeypatch.setattr(pipeline, "check_tunable", lambda *call: calls.append(("check", Path(call[2]), call[1])))
    monkeypatch.setattr(pipeline, "tuning_stage", lambda recipe, model, changes, **more: calls.append(
        ("tune", model, {**changes, **more})))  # fmt: skip

    def evaluate(measured: Any, entries: Any, folder: Path) -> dict[str, Path]:
        calls.append(("evaluate", folder, {"data": tuple(entries), "retriever": measured.retriever}))
        return {"a": folder}

    monkeypatch.setattr(pipeline, "evaluate_data_sets", evaluate)
    return calls


FOUR = ("market1501=/m", "msmt17=/s", "cuhk03=/c", "prcc=/p")


def test_each_stage_gets_what_the_one_before_has_made(taken: list[Any], tmp_path: Path) -> None:
    page = train_all("qwen2.5-vl-7b", tmp_path, data=FOUR, seed=3, report_to="tensorboard")
    assert page == tmp_path / "seed-3" / "results.html"
    assert [name for name, *_ in taken] == ["retriever", "check", "pairs", "warmup", "sample", "rl", "tune", "evaluate"]
    calls = {name: (folder, changes) for name, folder, changes in taken}
    own = tmp_path / "seed-3"
    # Runs of several seeds share retriever and pairs; both hold the same people out.
    assert calls["retriever"] == (tmp_path / "retriever", {"data": FOUR, "held_out_share": 0.1, "seed": 0})
    assert calls["pairs"] == (tmp_path / "pairs", {"data": FOUR})
    pairs = str(tmp_path / "pairs" / "pairs")
    assert calls["warmup"] == (own / "warmup", {"seed": 3, "report_to": "tensorboard", "pairs": pairs})
    warm = str(own / "warmup" / "warmup")
    assert calls["sample"] == (own / "sample", {"seed": 3, "model": warm, "pairs": pairs})
    sampled = str(own / "sample" / "sample")
    assert calls["rl"] == (
        own / "rl",
        {"seed": 3, "report_to": "tensorboard", "model": warm, "sampled": sampled, "held_out": pairs},
    )
    retriever = str(tmp_path / "retriever" / "retriever")
    assert calls["tune"][1] == {"data": FOUR, "retriever": retriever, "how": TuningOptions(5, 200)}
    assert calls["evaluate"] == (own / "evaluation", {"data": FOUR, "retriever": retriever})


def test_another_retriever_is_taken_and_checked_before_the_first_hour(taken: list[Any], tmp_path: Path) -> None:
    train_all("qwen2.5-vl-7b", tmp_path, data=FOUR, retriever="lite")
    assert [name for name, *_ in taken][:2] == ["check", "pairs"]
    assert taken[-1][2]["retriever"] == "lite"


def test_one_data_set_after_the_other_is_left_out(taken: list[Any], tmp_path: Path) -> None:
    page = train_all("qwen2.5-vl-7b", tmp_path, data=FOUR, leave_out="each")
    assert page == tmp_path / "results.html", "one table of all four"
    left_out = ("market1501", "msmt17", "cuhk03", "prcc")
    for name, entry in zip(left_out, FOUR, strict=True):
        folder = tmp_path / f"without-{name}"
        others = tuple(each for each in FOUR if each != entry)
        own = {call: changes for call, where, changes in taken if folder in where.parents or where == folder}
        assert own["retriever"]["data"] == own["pairs"]["data"] == own["tune"]["data"] == others
        assert own["evaluate"]["data"] == (*others, entry), "what was left out is measured too"
    with pytest.raises(DataError, match="ltcc: cannot be left out of the data sets market1501, msmt17"):
        train_all("qwen2.5-vl-7b", tmp_path, data=FOUR, leave_out="ltcc")
    with pytest.raises(DataError, match="a: cannot be left out of the data sets a"):
        train_all("qwen2.5-vl-7b", tmp_path, data=["a=/x"], leave_out="a")


def test_quick_changes_only_what_the_stages_know() -> None:
    for stage, changes in QUICK_CHECKPOINT.items():
        settings = STAGES[stage].from_values(*stage_values("qwen2.5-vl-7b", stage, changes)).model_dump(mode="json")
        for name, value in changes.items():
            own = settings[name] if not isinstance(value, dict) else {key: settings[name][key] for key in value}
            assert own == value, (stage, name)


HUB = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")


PUBLISHED = ("qwen2.5-vl-3b", "qwen2.5-vl-7b", "qwen3-vl-2b", "qwen3-vl-4b", "qwen3-vl-8b", "qwen3.5", "internvl3",
             "smolvlm2")  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_recipes_of_published_checkpoints_name_a_revision_and_share_the_rest(name: str) -> None:
    sections = read_recipe(RECIPES / f"{name}.yaml")
    assert HUB.fullmatch(sections["warmup"].pop("model")), "a revision never changes"
    shared = read_recipe(RECIPES / "vision-language.yaml")
    assert sections == shared, "what differs is the checkpoint alone"
    # The adapters of warm-up and reinforcement learning are the same ones.
    assert all(shared["warmup"][key] == shared["rl"][key] for key in ("lora_rank", "lora_alpha", "max_new_tokens"))
    check_sections(name)
