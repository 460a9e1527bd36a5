"""Leverage: the share of the answer's variance within a group that its words decide."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outside_rewards import alone
from tiny_reasoners import TINY, lively

from reidr.data.types import Crop
from reidr.reasoning.types import Pair
from reidr.training.grpo.log_callback import throughput
from reidr.training.grpo.stage import reinforce
from reidr.training.grpo.statistics import leverage
from reidr.training.pairs.table import MinedPair, write_pairs
from reidr.training.recipes.grpo import ReinforcementRecipe

pytest.importorskip("trl")


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_share_of_the_variance_of_sampled_answers(seed: int) -> None:
    """The naive twin: for fixed words toss many answers, and split their variance by the law of total variance."""
    random = np.random.default_rng(seed)
    chances = random.beta(1 + seed, 2, size=(200, 6))  # groups of six rollouts
    found = leverage(chances.ravel().tolist(), np.repeat(np.arange(200), 6).tolist())
    tosses = random.random((4000, *chances.shape)) < chances
    toss = tosses.var(axis=0).mean()
    words = tosses.mean(axis=0).var(axis=1, ddof=1).mean()
    assert found == pytest.approx(words / (words + toss), abs=0.01)


def test_its_ends_and_what_cannot_be_read() -> None:
    assert leverage([0.3, 0.3, 0.3], [1, 1, 1]) == 0, "the words change nothing"
    assert leverage([0.0, 1.0, 0.0, 1.0], [1, 1, 2, 2]) == 1, "the words decide"
    assert leverage([0.2, None, 0.8, None], [1, 1, 1, 2]) == leverage([0.2, 0.8], [7, 7])
    assert all(math.isnan(leverage(*case)) for case in (([], []), ([0.5, 0.4], [1, 2]), ([1.0, 1.0], [1, 1])))


def test_throughput_is_of_the_whole_step() -> None:
    assert throughput({"seconds": 4.0, "tokens": 10.0}, 64) == {"rollouts_per_second": 16, "tokens_per_second": 160}
    assert throughput({}, 64) == throughput({"seconds": 0.0}, 64) == {}


def pairs_in(folder: Path, number: int, part: str) -> list[MinedPair]:
    mined = []
    for place, pair in enumerate(TINY.noise_pairs(number)):
        crops = []
        for side, crop in (("a", pair.query), ("b", pair.candidate)):
            path = folder / f"{part}-{place}{side}.png"
            crop.image.save(path)
            crops.append(Crop(path.name, path, f"x:{place}", f"x:{side}"))
        mined.append(MinedPair(*crops, "x", part, 0, 1, 0.5, 0.1, place % 2 == 0, "x"))
    return mined


def test_held_out_pairs_are_measured_and_change_no_step(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs.parquet", pairs_in(tmp_path, 6, "held_out"), {})
    taught = [pair.pair() for pair in pairs_in(tmp_path, 4, "train")]
    plain = ReinforcementRecipe(
        rewards=alone("varied"), steps=3, pairs=2, num_generations=2, backward_rows=4, max_new_tokens=8, lora_rank=2,
        learning_rate=1e-3, warmup_steps=0,
    )  # fmt: skip
    watched = plain.model_copy(update={"held_out": tmp_path / "pairs.parquet", "measure_every": 2, "measure_pairs": 4})
    logs: dict[str, list[dict[str, Any]]] = {}
    states = {}
    for name, recipe in (("plain", plain), ("watched", watched)):
        torch.manual_seed(0)
        model, logs[name] = reinforce(recipe, taught, *lively("qwen3_vl"), tmp_path / name)
        states[name] = model.state_dict()
    assert [line["step"] for line in logs["watched"] if "held_out_direct_area" in line] == [0, 2, 3]
    assert all("held_out_direct_area" not in line for line in logs["plain"])
    timed = ("seconds", "rollouts_per_second", "tokens_per_second")
    steps = {
        name: [{k: v for k, v in line.items() if k not in timed} for line in log if "reward" in line]
        for name, log in logs.items()
    }
    assert steps["plain"] == steps["watched"]
    assert all(torch.equal(states["plain"][name], states["watched"][name]) for name in states["plain"])

    page = (tmp_path / "watched" / "training.html").read_text()
    assert page.count("<svg") >= 8
    assert "area, direct" in page
    assert "area, direct" not in (tmp_path / "plain" / "training.html").read_text()
    texts = [json.loads(line) for line in (tmp_path / "watched" / "completions.jsonl").read_text().splitlines()]
    assert page.count("<tr><td") == len(texts), "three steps of two pairs: all of them are shown"
    assert page.count("data:image/jpeg") == 2 * 2 * 3


def test_the_measured_file_must_be_named() -> None:
    with pytest.raises(ValueError, match="measure_every needs held_out"):
        ReinforcementRecipe(measure_every=5)


def test_pairs_without_pictures_on_disk_are_no_trouble(tmp_path: Path) -> None:
    """Pictures in memory are shown as well."""
    recipe = ReinforcementRecipe(
        rewards=alone("varied"), steps=1, pairs=2, num_generations=2, backward_rows=4, max_new_tokens=8
    )
    pairs = [Pair(pair.query, pair.candidate, None, place % 2 == 0) for place, pair in enumerate(TINY.noise_pairs(2))]
    reinforce(recipe, pairs, *lively("qwen3_vl"), tmp_path)
    assert (tmp_path / "training.html").read_text().count("data:image/jpeg") == 4
