"""The dry run against real steps: what it counts without weights is what torch allocates with them, within 15 %."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from measured_steps import Sizes, build, grpo_peak, prompt_lengths_of, rollout_peak, warmup_peak
from torch import Tensor

from reidr.errors import WeightsError
from reidr.training.common.lora import add_lora
from reidr.training.planning.dry_run import memory
from reidr.training.planning.dry_run.depths import Depths
from reidr.training.planning.dry_run.lengths import PromptLengths
from reidr.training.planning.dry_run.memory import Device, grpo_memory, rollout_bytes, sample_memory, warmup_memory
from reidr.training.planning.dry_run.meter import MemoryMeter, bytes_of
from reidr.training.planning.dry_run.model import (
    PUBLIC_CONFIGS,
    Architecture,
    build_on_meta,
    count,
    find_sizes,
    language_model,
)
from reidr.training.planning.dry_run.passes import PassOptions, Shape, drawn_groups, measure, run, warmup_pass
from reidr.training.recipes.grpo import ReinforcementRecipe
from reidr.training.recipes.sampling import SampleRecipe
from reidr.training.recipes.warmup import WarmupRecipe

CPU = Device(gpu=False)
NEAR = 0.15
WARMUP: dict[str, Any] = {"steps": 4, "batch": 4, "regenerate": 100, "max_new_tokens": 24, "measure_pairs": 2}
WORDS: dict[str, Any] = {"batch": 8, "rationales": 1.0, "max_new_tokens": 60}
GRPO: dict[str, Any] = {
    "steps": 2, "pairs": 4, "num_generations": 4, "backward_rows": 8, "max_new_tokens": 32, "lora_rank": 8,
    "rewards": {"calibration": 0, "cues": 0},
}  # fmt: skip
PUBLISHED = {
    "Qwen/Qwen2.5-VL-3B-Instruct": 3_754_622_976,
    "Qwen/Qwen2.5-VL-7B-Instruct": 8_292_166_656,
    "Qwen/Qwen3-VL-2B-Instruct": 2_127_532_032,
    "Qwen/Qwen3-VL-4B-Instruct": 4_437_815_808,
    "Qwen/Qwen3-VL-8B-Instruct": 8_767_123_696,
    "OpenGVLab/InternVL3-8B-hf": 7_944_373_760,
    "HuggingFaceTB/SmolVLM2-2.2B-Instruct": 2_246_784_880,
}
"""Parameters by the files' own index (model.safetensors.index.json, total size / 2), as the hub shows them."""


@pytest.mark.parametrize(
    ("architecture", "sizes", "changes", "checkpointing"),
    [
        pytest.param("qwen3_vl", Sizes(128, 4), {}, False, marks=pytest.mark.slow),
        ("qwen2_5_vl", Sizes(256, 3), {"lora_rank": 8, "ema_decay": 0.9}, False),
        ("qwen3_vl", Sizes(128, 6), {"batch": 16, "rationales": 0.0, "lora_rank": 4}, True),
        pytest.param("qwen2_5_vl", Sizes(128, 6, 6000), WORDS | {"objectives": {"imitation": 1.0}, "lora_rank": 4},
                     False, marks=pytest.mark.slow),
        pytest.param("qwen3_vl", Sizes(128, 3, 6000), WORDS | {"objectives": {"kl": 1.0, "answer": 1.0}},
                     False, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_the_warm_up_takes_what_its_dry_run_says(
    architecture: str,
    sizes: Sizes,
    changes: dict[str, Any],
    checkpointing: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = WarmupRecipe(**WARMUP | changes)
    monkeypatch.setattr(memory, "options_of", lambda recipe, mixed: PassOptions(checkpointing, mixed))
    built = build(architecture, sizes)
    measured, lengths, crops = warmup_peak(built, recipe, tmp_path, checkpointing)
    planned = warmup_memory(recipe, built[2], lengths, crops, CPU)
    assert planned.total == pytest.approx(measured, rel=NEAR)


def test_recomputed_layers_keep_a_fraction() -> None:
    model = add_lora(build_on_meta(build("qwen3_vl", Sizes(64, 4))[2], torch.float32).requires_grad_(False), 4, 8, 0)
    kept, recomputed = (
        warmup_pass(model, Shape(16, 90, 0, 8), PassOptions(checkpointing=checkpointing, mixed=mixed)).activations
        for checkpointing, mixed in ((False, False), (True, True))
    )
    assert recomputed < kept / 10


@pytest.mark.parametrize(
    ("architecture", "sizes", "changes"),
    [
        ("qwen3_vl", Sizes(128, 3), {"max_new_tokens": 16}),
        pytest.param("qwen2_5_vl", Sizes(192, 6, 4000), {"backward_rows": 16}, marks=pytest.mark.slow),
        pytest.param("qwen3_vl", Sizes(128, 2, 8000), {"backward_rows": 4, "pairs": 8}, marks=pytest.mark.slow),
    ],
)
def test_grpo_takes_what_its_dry_run_says(
    architecture: str, sizes: Sizes, changes: dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip("trl")
    recipe = ReinforcementRecipe(**GRPO | changes)
    measured = grpo_peak(build(architecture, sizes), recipe, tmp_path / "rl")
    built = build(architecture, sizes)
    planned = grpo_memory(recipe, built[2], prompt_lengths_of(built), CPU)
    assert planned.largest == "training pass"
    assert planned.total == pytest.approx(measured, rel=NEAR)


@pytest.mark.parametrize(
    ("pairs", "copies", "tokens", "vocabulary"), [(8, 8, 30, 6_000), (4, 8, 10, 20_000), (32, 1, 8, 6_000)]
)
def test_sampling_takes_what_is_planned(pairs: int, copies: int, tokens: int, vocabulary: int) -> None:
    built = build("qwen3_vl", Sizes(128, 4, vocabulary))
    measured = rollout_peak(built, pairs, copies, tokens)
    architecture = built[2]
    model = Depths(lambda layers: build_on_meta(architecture.with_layers(layers), torch.float32), 4)
    sizes = pairs, pairs * copies
    planned = rollout_bytes(model, architecture, prompt_lengths_of(built), sizes, tokens)
    assert sum(planned.values()) == pytest.approx(measured, rel=NEAR)


def test_a_deep_model_is_extrapolated_from_shallow_ones_exactly() -> None:
    architecture = build("qwen2_5_vl", Sizes(128, 9))[2]

    def lora(layers: int) -> Any:
        return add_lora(build_on_meta(architecture.with_layers(layers), torch.bfloat16).requires_grad_(False), 4, 8, 0)

    shape, options = Shape(6, 80, 0, 8), PassOptions()
    whole, depths = lora(9), Depths(lora, 9)
    measured, planned = warmup_pass(whole, shape, options), depths.passed(lambda m: warmup_pass(m, shape, options))
    assert planned.activations == measured.activations
    assert planned.total == pytest.approx(measured.total, rel=0.01)
    assert depths.of(count) == count(whole)


def test_mixed_precision_keeps_what_autocast_keeps() -> None:
    """Under `torch.autocast`, on bfloat16 weights with float32 adapters: so TRL trains LoRA on a GPU."""
    model, _, architecture = build("qwen3_vl", Sizes(128, 4))
    real = add_lora(model.to(torch.bfloat16).requires_grad_(False), 8, 16, 0)
    inputs = torch.randn(8, 70, 128, dtype=torch.bfloat16)
    positions = torch.arange(70).expand(3, 8, -1)
    language = language_model(model)

    def forward(values: Tensor, places: Tensor) -> Tensor:
        hidden: Tensor = language(inputs_embeds=values, position_ids=places, use_cache=False)[0]
        return hidden

    with MemoryMeter() as meter:
        with torch.autocast("cpu", torch.bfloat16):
            hidden = forward(inputs, positions)
        held = meter.now
        hidden.float().sum().backward()
    bare = add_lora(build_on_meta(architecture, torch.bfloat16).requires_grad_(False), 8, 16, 0)

    def loss(done: Any) -> Tensor:
        hidden = run(bare, torch.empty(8, 70, 128, dtype=torch.bfloat16, device="meta"))
        done()
        return hidden.float().sum()

    assert count(bare, trained=True) == count(real, trained=True)
    assert measure(bare, loss, PassOptions(mixed=True)).activations == pytest.approx(held, rel=0.05)


def test_the_meter_counts_storages_once_and_forgets_what_is_freed() -> None:
    weights = torch.ones(1000)
    with MemoryMeter() as meter:
        view = weights[:10].view(2, 5)
        assert (meter.now, meter.peak) == (0, 0)
        double = view * 2
        assert meter.now == 40
        again = double.t()
        del double
        assert meter.now == 40
        del again
        large = torch.ones(500)
        large += 1
    assert (meter.now, meter.peak) == (2000, 2000)
    assert bytes_of([weights, view, weights[3:]]) == 4000


@pytest.mark.whole
@pytest.mark.parametrize("name", PUBLISHED)
def test_public_sizes_make_the_published_number_of_parameters(name: str) -> None:
    model = build_on_meta(find_sizes(f"{name}@main"), torch.bfloat16)
    assert count(model) == PUBLISHED[name]
    assert {str(parameter.device) for parameter in model.parameters()} == {"meta"}


def test_every_public_config_makes_a_model() -> None:
    for name in json.loads(PUBLIC_CONFIGS.read_text(encoding="utf-8")):
        architecture = find_sizes(name)
        assert architecture.remote, name
        assert count(build_on_meta(architecture.with_layers(4), torch.bfloat16)) > 10**7, name


def test_a_checkpoint_whose_sizes_are_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nobody/nothing-7b: its sizes are not known here.*hf download"):
        find_sizes("nobody/nothing-7b")
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(WeightsError, match="cannot be read as JSON"):
        find_sizes(str(tmp_path))
    with pytest.raises(WeightsError, match="no model can be made"):
        build_on_meta(Architecture("own", "a test", {"model_type": "unheard-of"}), torch.float32)


@pytest.mark.parametrize(("rows", "pairs", "copies"), [(16, 16, 8), (4, 8, 4), (64, 16, 8), (128, 16, 8), (1, 5, 3)])
def test_prompts_of_a_pass_are_those_of_random_rows(rows: int, pairs: int, copies: int) -> None:
    random = np.random.default_rng(7)
    draws = [np.bincount(random.permutation(pairs * copies)[:rows] // copies) for _ in range(1000)]
    groups, most = drawn_groups(rows, pairs, copies)
    assert np.mean([np.count_nonzero(each) for each in draws]) - 0.2 <= groups <= min(rows, pairs)
    assert np.mean([each.max() for each in draws]) - 0.2 <= most <= min(rows, copies)
    assert groups * most >= rows


def test_sharding_divides_what_stands_and_a_server_takes_the_rollouts_away() -> None:
    architecture, lengths = build("qwen3_vl", Sizes(64, 4))[2], PromptLengths(90, 90, 8, 32, exact=True)
    recipe = ReinforcementRecipe(**GRPO)
    one, four = (grpo_memory(recipe, architecture, lengths, Device(True, number, number > 1)) for number in (1, 4))
    assert four.standing["weights"] == pytest.approx(one.standing["weights"] / 4, rel=0.01)
    assert four.phases["training pass"]["activations"] < one.phases["training pass"]["activations"]
    served = ReinforcementRecipe(**GRPO, rollout_server="http://localhost:1")
    assert "rollouts" not in grpo_memory(served, architecture, lengths, CPU).phases
    own = sample_memory(SampleRecipe(), architecture, lengths, CPU).total
    away = sample_memory(SampleRecipe(rollout_server="http://localhost:1"), architecture, lengths, CPU)
    assert away.total == away.standing["weights"] < own
