"""Kill −9 of one of two processes: the other ends with one sentence, and the same command goes on to the same end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import several_stages
import yaml
from killing import KILLED_IN_STEP
from outside_rewards import NONE_OF_THE_PACKAGE
from PIL import Image
from test_several_processes import torchrun
from tiny_reasoners import lively

from reidr.data.types import Crop
from reidr.training.pairs.table import MinedPair, write_pairs

pytestmark = pytest.mark.whole

pytest.importorskip("trl")
LAST_KEPT = (KILLED_IN_STEP - 1) // 2 * 2  # the last checkpoint before the step in which the process is killed


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A tiny checkpoint, pairs of coloured pictures, and a recipe for trainings in which one process is killed."""
    for each in lively("qwen3_vl"):
        each.save_pretrained(tmp_path / "start")
    crops: list[Crop] = []
    for person, colour in enumerate(("red", "blue", "green", "white")):
        for camera in (1, 2):
            path = tmp_path / f"{person}-{camera}.png"
            Image.new("RGB", (64, 128), colour).save(path)
            crops.append(Crop(path.name, path, f"s:{person}", f"s:{camera}"))
    pairs = [
        MinedPair(crops[2 * a], crops[2 * b + 1], "s", "train", 0, 1, 0.5, 0.0, a == b, "abc")
        for a in range(4)
        for b in (a, (a + 1) % 4)
    ]
    write_pairs(tmp_path / "pairs.parquet", pairs, {})
    recipe: dict[str, Any] = {
        "warmup": {
            "model": "start", "pairs": "pairs.parquet", "steps": 6, "batch": 2, "rationales": 0.0, "save_every": 2,
            "warmup_steps": 1, "objectives": {"answer": 1.0, "killing:Killing": 0.0}, "ema_decay": 0.5,
        },
        "rl": {
            "model": "start", "sampled": "pairs.parquet", "steps": 6, "pairs": 2, "num_generations": 4,
            "backward_rows": 4, "max_new_tokens": 8, "save_every": 2, "learning_rate": 1e-3,
            "rewards": {**NONE_OF_THE_PACKAGE, "killing:killing": 1.0},
        },
    }  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return tmp_path


def steps(world: Path, name: str = "log.jsonl") -> list[int]:
    return [json.loads(line)["step"] for line in (world / "run" / name).read_text().splitlines()]


@pytest.mark.timeout(300)
def test_one_is_killed_and_the_same_command_goes_on(world: Path) -> None:
    command = ("-m", "reidr.cli.main", "train", "warmup", "recipe.yaml", "--folder", "run")
    first = torchrun(world, *command)
    out, said = first.communicate(timeout=140)
    assert first.returncode != 0
    assert out == ""
    (sentence,) = (line for line in said.splitlines() if line.startswith("reidr: "))
    assert f"kept: run up to step {LAST_KEPT}; run the same command again" in sentence
    assert not (world / "run" / "model").exists()
    second = torchrun(world, *command)
    out, said = second.communicate(timeout=140)
    assert second.returncode == 0, said[-3000:]
    assert out == "reasoner: run/model\n"
    assert "reidr: " not in said
    assert steps(world) == [1, 2, 3, 4, 5, 6]
    manifest = json.loads((world / "run" / "manifest.json").read_text())
    assert manifest["stages"]["warmup"]["model"] == "model"
    assert (world / "run" / "model" / "model.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("stage", "sharded"), [("warmup", True), ("rl", False), ("rl", True)])
def test_every_kind_of_training_goes_on(world: Path, stage: str, sharded: bool) -> None:
    words = (several_stages.__file__, json.dumps([[stage, "recipe.yaml", "run", {}, sharded]]))
    first = torchrun(world, *words)
    _, said = first.communicate(timeout=250)
    assert first.returncode != 0
    assert "another of the 2 processes" in said or "SIGTERM" in said
    assert (world / "killed").exists()
    assert max(steps(world)) < 6
    second = torchrun(world, *words)
    _, said = second.communicate(timeout=250)
    assert second.returncode == 0, said[-3000:]
    assert steps(world) == [1, 2, 3, 4, 5, 6]
    if stage == "rl":
        assert steps(world, "completions.jsonl") == [step for step in range(1, 7) for _ in range(8)]
    assert (world / "run" / "model" / "model.safetensors").is_file()
