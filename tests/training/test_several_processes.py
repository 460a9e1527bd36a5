"""Two processes (torchrun, gloo) do what one does: the same files of pairs, the same curves of training.

Weights are held by each process (DDP) and, in a second run, sharded by FSDP 2.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import several_stages
import torch
import yaml
from outside_rewards import NONE_OF_THE_PACKAGE
from PIL import Image
from safetensors.torch import load_file
from tiny_reasoners import TINY

pytestmark = pytest.mark.whole

pytest.importorskip("trl")

NETWORK = {"height": 32, "width": 32, "embedding": 16, "stripes": 2, "stripe_embedding": 8, "flip": False}
TRAINING = {
    "network": NETWORK, "imagenet": False, "frozen_blocks": 0, "epochs": 1, "warmup_epochs": 0, "batch_persons": 2,
    "batch_images": 2,
}  # fmt: skip
RECIPE: dict[str, Any] = {
    "pairs": {"source": "folds", "folds": 2, "training": TRAINING, "held_out_share": 0.3},
    "warmup": {
        "model": "../taught", "pairs": "pairs/pairs.parquet", "steps": 4, "batch": 4, "regenerate": 2, "rows": 4,
        "max_new_tokens": 48, "measure_every": 4, "measure_pairs": 8, "warmup_steps": 1, "learning_rate": 1e-3,
        "ema_decay": 0.9, "save_every": 2,
        "objectives": {"answer": 1.0, "order_consistency": 0.1, "kl": 0.5, "imitation": 0.1},
    },
    "sample": {
        "model": "../taught", "pairs": "pairs/pairs.parquet", "rollouts": 2, "max_new_tokens": 12, "rule": "random",
        "budget_share": 0.5, "chunk": 5,
    },
    "rl": {
        "model": "../taught", "sampled": "pairs/pairs.parquet", "steps": 3, "pairs": 4, "num_generations": 4,
        "backward_rows": 4, "max_new_tokens": 48, "learning_rate": 1e-3, "warmup_steps": 0, "save_every": 2,
        "lora_rank": 2, "beta": 0.05, "judge_loss": 0.5, "answer_loss": 0.5, "advantage": "leave-one-out",
        "rewards": {**NONE_OF_THE_PACKAGE, "outside_rewards:varied": 1.0, "reasoned": 0.5},
    },
}  # fmt: skip
STAGES: list[several_stages.Entry] = [
    (name, "../recipe.yaml", name, {}, False) for name in ("pairs", "sample", "warmup", "rl")
]
SHARDED: list[several_stages.Entry] = [
    (name, "../recipe.yaml", f"{name}-sharded", {}, True) for name in ("warmup", "rl")
]
PERSONS = 14


def torchrun(folder: Path, *words: str) -> subprocess.Popen[str]:
    """`words` in two processes, with one thread each."""
    paths = [str(Path(several_stages.__file__).parent), *sys.path]
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *words],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def one_and_two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders in which one process and two have run all stages."""
    base = tmp_path_factory.mktemp("several")
    random = np.random.default_rng(0)
    for person in range(1, PERSONS):
        colour = random.integers(60, 255, 3)
        for camera in (1, 2):
            path = base / "photos" / "bounding_box_train" / f"{person:04d}_c{camera}s1_000001_00.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 128), tuple(int(value / camera) for value in colour)).save(path)
    taught = TINY.build_taught()
    for each in (taught.model, taught.processor):
        each.save_pretrained(base / "taught")
    pairs = {**RECIPE["pairs"], "data": [str(base / "photos")]}
    (base / "recipe.yaml").write_text(yaml.safe_dump({**RECIPE, "pairs": pairs}))
    for name in ("one", "two"):
        (base / name).mkdir()
    threads, before = torch.get_num_threads(), Path.cwd()
    two = torchrun(base / "two", several_stages.__file__, json.dumps([*STAGES, *SHARDED]))
    torch.set_num_threads(1)
    os.chdir(base / "one")
    try:
        several_stages.run(STAGES)
    finally:
        os.chdir(before)
        torch.set_num_threads(threads)
    out, said = two.communicate(timeout=250)
    assert two.returncode == 0, said[-3000:]
    # The group that carried the last message is gone (its thread would abort the process now and then if Python ended
    # meanwhile). The other one, with two threads, is kept by torch's caches of what sharded tensors do.
    assert all(int(left) <= 2 for left in re.findall(r"threads of messages left: (\d)", out))
    assert out.count("threads of messages left") == 2
    # Progress and notices come from the first process alone.
    for line in ("warming the reasoner up: 4/4", "sampling rollouts"):
        assert said.count(line) == (2 if line.startswith("warming") else 1)
    return base / "one", base / "two"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def numbers(path: Path) -> list[dict[str, float]]:
    """The lines of a log, without times and without what there was nothing of."""
    return [
        {
            key: value
            for key, value in line.items()
            if key != "seconds" and not key.endswith("_per_second") and value is not None
        }
        for line in lines(path)
    ]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "name", ["pairs/pairs.parquet", "sample/sampled.parquet", "sample/rollouts.jsonl", "sample/reasons.json"]
)
def test_the_same_bytes(one_and_two: tuple[Path, Path], name: str) -> None:
    one, two = one_and_two
    assert (one / name).read_bytes() == (two / name).read_bytes()
    assert not list(two.rglob("rollouts-*"))
    assert not list(two.rglob(".lock"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["warmup", "warmup-sharded"])
def test_the_curve_of_a_warm_up(one_and_two: tuple[Path, Path], name: str) -> None:
    one, two = one_and_two
    expected, found = numbers(one / "warmup/log.jsonl"), numbers(two / name / "log.jsonl")
    # Rationales were sampled, imitated and measured: every kind of pass took part.
    assert expected[0]["parsable"] > 0
    assert {"direct_loss", "after_rationale_loss", "kl_divergence", "imitation_loss"} <= set().union(*expected)
    assert expected[-1]["held_out_parsable"] > 0
    assert [line.keys() for line in found] == [line.keys() for line in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=2e-4)
    assert expected[0]["loss"] != pytest.approx(expected[-1]["loss"], rel=1e-2)
    compare_weights(one / "warmup/model", two / name / "model", one.parent / "taught")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["rl", "rl-sharded"])
def test_the_curve_of_a_reinforcement(one_and_two: tuple[Path, Path], name: str) -> None:
    one, two = one_and_two
    expected, found = numbers(one / "rl/log.jsonl"), numbers(two / name / "log.jsonl")
    assert [line["step"] for line in found] == [1, 2, 3]
    assert all(line["judge_loss"] > 0 and line["answer_loss"] > 0 for line in expected)
    for ours, theirs in zip(found, expected, strict=True):
        # TRL logs means of means over the rows of each pass, which are others with two processes. The loss, of which
        # the KL divergence is a part, is no such mean.
        assert ours.pop("entropy") == pytest.approx(theirs.pop("entropy"), rel=0.2)
        assert (ours.pop("kl") > 0) == (theirs.pop("kl") > 0)
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-5)
    # The same rollouts in the same order, those of the second process among them.
    texts = [
        [(row["pair"], row["text"]) for row in lines(place / "completions.jsonl")] for place in (one / "rl", two / name)
    ]
    assert texts[0] == texts[1]
    assert len(texts[0]) == 3 * 4 * 4
    assert len({text for _, text in texts[0]}) > 1
    compare_lora(one / "rl/model", two / name / "model")


def compare_weights(one: Path, two: Path, start: Path) -> None:
    """Two processes have trained what one has, and it is not what they started from."""
    expected, found, before = (load_file(place / "model.safetensors") for place in (one, two, start))
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4)
    assert any(not torch.allclose(before[name], value, atol=1e-3) for name, value in expected.items())


def compare_lora(one: Path, two: Path) -> None:
    """Two processes have trained the LoRA weights that one has. Its second factor starts from zero."""
    expected, found = (load_file(place / "adapter_model.safetensors") for place in (one, two))
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4)
    assert any(value.abs().max() > 1e-4 for name, value in expected.items() if "lora_B" in name)
