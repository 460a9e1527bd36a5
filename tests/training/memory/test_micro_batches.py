"""Fewer rows per pass and recomputed layers change memory alone: the gradients are those of the whole batch."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_reasoners import TINY, lively

from reidr.data.types import Crop
from reidr.reasoning.types import Pair
from reidr.training.memory import vocabulary
from reidr.training.recipes.warmup import WarmupRecipe
from reidr.training.warmup.train import WarmupTrainer

OBJECTIVES = {"answer": 1.0, "order_consistency": 0.1, "kl": 0.5, "imitation": 0.7, "features": 0.3}
VALUES: dict[str, Any] = {
    "steps": 4, "batch": 4, "rationales": 1.0, "regenerate": 2, "max_new_tokens": 40, "measure_pairs": 2,
    "hard_start": 1.0, "warmup_steps": 0, "objectives": OBJECTIVES,
}  # fmt: skip


@pytest.fixture(scope="module")
def taught() -> Any:
    """A tiny Qwen3-VL that writes rationales, so that every objective has something to do."""
    return TINY.build_taught()


def coloured() -> list[Pair]:
    """Pairs of plain pictures of several sizes."""
    crops = {
        name: Crop(f"s/{name}", Image.new("RGB", size, colour), f"s:{name[0]}", f"s:{name[1]}")
        for name, size, colour in (
            ("a1", (64, 128), "red"), ("a2", (60, 130), "red"), ("b1", (64, 128), "blue"), ("b2", (64, 100), "blue"),
        )
    }  # fmt: skip
    return [
        Pair(crops["a1"], crops["a2"], 0.5, True), Pair(crops["b1"], crops["b2"], 0.5, True),
        Pair(crops["a1"], crops["b2"], 0.4, False), Pair(crops["b1"], crops["a2"], 0.4, False),
    ]  # fmt: skip


def step(taught: Any, folder: Path, **changes: Any) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The log of the second step of a warm-up, and its gradients; in the first the model moves from its start."""
    folder.mkdir()
    recipe = WarmupRecipe(**VALUES | changes)
    model = copy.deepcopy(taught.model)
    trainer = WarmupTrainer(recipe, coloured(), [], (model, taught.processor), folder)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(1)
        for weights in trainer.trained.values():
            weights.add_((0.02 if recipe.lora_rank else 0.005) * torch.randn_like(weights))
    record = trainer.step(0)
    assert record["parsable"] > 0
    return record, {name: each.grad for name, each in trainer.trained.items() if each.grad is not None}


def assert_same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> None:
    assert one.keys() == two.keys()
    assert max(float(each.abs().max()) for each in one.values()) > 1e-3
    for name, each in one.items():
        torch.testing.assert_close(two[name], each, atol=1e-5 * float(each.abs().max()) + 1e-8, rtol=1e-3)


@pytest.mark.parametrize("rank", [0, 2])
def test_a_warm_up_in_small_parts_has_the_gradient_of_the_whole(
    taught: Any, tmp_path: Path, rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, whole = step(taught, tmp_path / "whole", lora_rank=rank)
    wanted = {f"{kind}_loss" for kind in ("direct", "after_rationale", "imitation", "feature")}
    assert {*wanted, "kl_divergence", "order_gap"} <= log.keys()
    assert log["kl_divergence"] > 0
    monkeypatch.setattr(vocabulary, "LOGITS", 2000)  # six tokens of this vocabulary at a time
    changes: list[dict[str, Any]] = [{"rows": 2}, {"gradient_checkpointing": True}]
    for number, change in enumerate((*changes, {**changes[0], **changes[1]})):
        again, parts = step(taught, tmp_path / str(number), lora_rank=rank, **change)
        assert_same(whole, parts)
        timeless = [{name: value for name, value in each.items() if name != "seconds"} for each in (log, again)]
        assert timeless[0].keys() == timeless[1].keys()
        for name, value in timeless[0].items():
            assert timeless[1][name] == pytest.approx(value, abs=1e-5, rel=1e-4), name


def test_learning_vision_encoders_are_recomputed_too(taught: Any, tmp_path: Path) -> None:
    _, whole = step(taught, tmp_path / "whole", learn_vision="all", features="float32")
    _, parts = step(
        taught, tmp_path / "parts", learn_vision="all", features="float32", gradient_checkpointing=True, rows=2
    )
    assert any("visual" in name for name in whole)
    assert_same(whole, parts)


class Kept:
    """Bytes that a forward pass keeps for the backward pass, without weights."""

    def __init__(self, model: Any) -> None:
        self.weights = {each.untyped_storage().data_ptr() for each in model.parameters()}
        self.storages: dict[int, int] = {}
        self.alive: list[Any] = []

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.weights:
            self.storages[storage.data_ptr()] = storage.nbytes()
            self.alive.append(storage)  # so that no address is used twice
        return tensor

    @property
    def bytes(self) -> int:
        return sum(self.storages.values())


def test_recomputed_layers_keep_their_input_alone(taught: Any, tmp_path: Path) -> None:
    kept = {}
    for number, wanted in enumerate((False, True)):
        recipe = WarmupRecipe(**VALUES | {"gradient_checkpointing": wanted, "rationales": 0.0})
        (tmp_path / str(number)).mkdir()
        model = copy.deepcopy(taught.model)
        trainer = WarmupTrainer(recipe, coloured(), [], (model, taught.processor), tmp_path / str(number))
        pairs = trainer.curriculum.draw(0)
        examples = [trainer.parts.direct_example(pair, False) for pair in pairs]
        counter = Kept(model)
        with torch.autograd.graph.saved_tensors_hooks(counter.pack, lambda tensor: tensor):
            hidden = trainer.parts.hidden(examples)
        kept[wanted] = counter.bytes
        # Each layer's input and the final norm: a few vectors a token and not some hundred.
        vectors = kept[wanted] / (hidden.numel() * hidden.element_size())
        assert (vectors < 15) is wanted
        assert not any(module.training for module in model.modules())
    assert kept[True] < kept[False] / 3


@pytest.mark.whole
@pytest.mark.parametrize(("architecture", "rank"), [("qwen3_vl", 2), ("qwen2_5_vl", 0), ("nano", 0), ("smolvlm", 2)])
def test_a_reinforcement_in_small_parts_has_the_gradient_of_the_whole(
    tmp_path: Path, architecture: str, rank: int
) -> None:
    pytest.importorskip("trl")
    from outside_rewards import alone
    from transformers import TrainerCallback

    from reidr.training.grpo.build import build_trainer
    from reidr.training.recipes.grpo import ReinforcementRecipe

    values = {
        "rewards": alone("varied"), "steps": 1, "pairs": 2, "num_generations": 4, "backward_rows": 8,
        "max_new_tokens": 10, "warmup_steps": 0, "save_every": 5, "lora_rank": rank, "gradient_norm": 1e9,
    }  # fmt: skip
    noise = TINY.noise_pairs(4)
    pairs = [Pair(each.query, each.candidate, 0.5, i % 2 == 0) for i, each in enumerate(noise)]
    taken: list[dict[str, torch.Tensor]] = []

    class Gradients(TrainerCallback):
        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **options: Any) -> None:
            named = options["model"].named_parameters()
            taken.append({name: each.grad.clone() for name, each in named if each.grad is not None})

    # "2 rows" cuts through the groups of four.
    changes: list[dict[str, Any]] = [{}, {"backward_rows": 2}, {"gradient_checkpointing": True}]
    losses = []
    for number, change in enumerate(changes):
        model, processor = lively(architecture)
        recipe = ReinforcementRecipe(**values | change)
        trainer = build_trainer(recipe, pairs, model, processor, tmp_path / str(number))
        trainer.add_callback(Gradients())
        trainer.train()
        log = next(line for line in trainer.state.log_history if "grad_norm" in line)
        losses.append((log["grad_norm"], log["reward"]))
    np.testing.assert_allclose(losses, [losses[0]] * len(changes), rtol=1e-3)
    for parts in taken[1:]:
        assert taken[0].keys() == parts.keys()
        largest = max(float(each.abs().max()) for each in taken[0].values())
        assert largest > 0
        for name, each in taken[0].items():
            torch.testing.assert_close(parts[name], each, atol=2e-4 * largest, rtol=1e-2)
