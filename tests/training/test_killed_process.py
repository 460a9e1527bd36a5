"""Kill −9 of one of two processes: the other ends with one sentence, and the same command goes on to the same end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from killing_objective import KILLED_IN_STEP
from PIL import Image
from test_several_processes import torchrun
from tiny_reasoners import lively

from reidr.data.types import Crop
from reidr.training.pairs.table import MinedPair, write_pairs

pytest.importorskip("trl")


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A tiny checkpoint, pairs of coloured pictures, and a recipe for a warm-up in which one process is killed."""
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
    warmup: dict[str, Any] = {
        "model": "start", "pairs": "pairs.parquet", "steps": 6, "batch": 2, "rationales": 0.0, "save_every": 2,
        "warmup_steps": 1, "objectives": {"answer": 1.0, "killing_objective:Killing": 0.0},
    }  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"warmup": warmup}))
    return tmp_path


def sentences(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("reidr: ")]


@pytest.mark.timeout(300)
def test_one_is_killed_and_the_same_command_goes_on(world: Path) -> None:
    command = ("-m", "reidr.cli.main", "train", "warmup", "recipe.yaml", "--folder", "run")
    first = torchrun(world, *command)
    out, said = first.communicate(timeout=140)
    assert first.returncode != 0
    assert out == ""
    (sentence,) = sentences(said)
    # The last checkpoint before the step in which the process was killed.
    assert f"run up to step {(KILLED_IN_STEP - 1) // 2 * 2}; run the same command again" in sentence
    assert not (world / "run" / "model").exists()
    second = torchrun(world, *command)
    out, said = second.communicate(timeout=140)
    assert second.returncode == 0, said[-3000:]
    assert out == "reasoner: run/model\n"
    assert sentences(said) == []
    log = [json.loads(line) for line in (world / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [1, 2, 3, 4, 5, 6]
    manifest = json.loads((world / "run" / "manifest.json").read_text())
    assert manifest["stages"]["warmup"]["model"] == "model"
    assert (world / "run" / "model" / "model.safetensors").is_file()
