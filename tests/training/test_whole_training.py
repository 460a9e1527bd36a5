"""`reidr train RECIPE --data NAME=PATH …` whole, from a published checkpoint's layout to the table of results, tiny."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from tiny_reasoners import lively

from reidr.cli.main import reidr
from reidr.data.load import load_dataset
from reidr.data.protocols.dataset_overlap import same_family
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.fusion.provenance import held_out_split, training_data
from reidr.retrieval.embedders.retriever import Retriever
from reidr.training.pairs.table import read_columns, read_mined
from reidr.training.pipeline import Choices, WholeTraining

pytest.importorskip("trl")

NETWORK = {
    "backbone": "efficientnet-lite0", "height": 64, "width": 32, "embedding": 16, "stripes": 2, "stripe_embedding": 8,
    "flip": False,
}  # fmt: skip
TRAINING = {
    "network": NETWORK, "imagenet": False, "frozen_blocks": 0, "epochs": 1, "warmup_epochs": 0, "batch_persons": 4,
    "batch_images": 2, "smaller_first": [],
}  # fmt: skip
SHORT = {"max_new_tokens": 8, "lora_rank": 2}
OWN: dict[str, dict[str, Any]] = {
    "retriever": TRAINING,
    "pairs": {"folds": 2, "training": TRAINING, "held_out_share": 0.3, "held_out_pairs": 8, "queries": 24},
    "warmup": {"steps": 2, "batch": 4, "measure_pairs": 4, "regenerate": 1, **SHORT},
    "sample": {"rollouts": 2, "max_new_tokens": 8, "rule": "random", "chunk": 8},
    "rl": {"pairs": 4, "num_generations": 2, "backward_rows": 8, "measure_every": 2, "measure_pairs": 4, **SHORT},
    "evaluation": {"k": 8, "queries": 4, "think": 1, "tuning_queries": 12},
}


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


def own_recipe(folder: Path, architecture: str) -> str:
    """A recipe over the shared one, and beside it a tiny checkpoint of the architecture, laid out as on the hub."""
    model, processor = lively(architecture)
    model.save_pretrained(folder / "checkpoint")
    processor.save_pretrained(folder / "checkpoint")
    values = {name: {**section} for name, section in OWN.items()}
    values["warmup"]["model"] = str(folder / "checkpoint")
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump({"extends": "vision-language", **values}))
    return str(path)


def invoke(*words: str) -> str:
    result = CliRunner().invoke(reidr, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("architecture", ["qwen2_5_vl", "qwen3_vl", "qwen3_5", "smolvlm", "internvl"])
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
