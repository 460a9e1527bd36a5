"""Real training steps on the CPU with every tensor counted, for models whose weights do not drown the rest."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tiny_reasoners import TINY

from reidr.data.types import Crop
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.sampling import continue_prompts, pair_prompts
from reidr.reasoning.models.architectures import adapt
from reidr.reasoning.prompting.prompt import crop_pixels, render
from reidr.reasoning.types import Pair
from reidr.training.grpo.build import build_trainer
from reidr.training.planning.dry_run.lengths import PromptLengths
from reidr.training.planning.dry_run.meter import MemoryMeter, bytes_of
from reidr.training.planning.dry_run.model import Architecture
from reidr.training.recipes.grpo import ReinforcementRecipe
from reidr.training.recipes.warmup import WarmupRecipe
from reidr.training.warmup.rationales import Rationale
from reidr.training.warmup.train import WarmupTrainer


@dataclass(frozen=True)
class Sizes:
    """A language model in the place of the tiny one."""

    hidden: int = 128
    layers: int = 4
    vocabulary: int = 2000

    def put_into(self, text: dict[str, Any]) -> dict[str, Any]:
        return text | {
            "hidden_size": self.hidden, "intermediate_size": 3 * self.hidden, "num_hidden_layers": self.layers,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": self.hidden // 4,
            "vocab_size": self.vocabulary, "layer_types": ["full_attention"] * self.layers,
            "rope_parameters": text["rope_parameters"] | {"mrope_section": [self.hidden // n for n in (32, 32, 16)]},
        }  # fmt: skip


def build(architecture: str, sizes: Sizes) -> tuple[Any, Any, Architecture]:
    """A model with random weights, its processor, and what a plan would read of its config.json."""
    tiny, processor = TINY.BUILDERS[architecture]()
    values = json.loads(json.dumps(tiny.config.to_dict(), default=str))
    values["text_config"] = sizes.put_into(values["text_config"])
    values["vision_config"]["out_hidden_size"] = sizes.hidden
    config = type(tiny.config).from_dict(copy.deepcopy(values))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = type(tiny)(config)
    model.generation_config = copy.deepcopy(tiny.generation_config)
    return model.eval(), processor, Architecture(architecture, "the test", values)


def pairs(count: int) -> list[Pair]:
    """Labelled pairs of one size of crop, each person in two cameras."""
    random = np.random.default_rng(0)

    def crop(person: int, camera: int) -> Crop:
        picture = Image.fromarray(random.integers(0, 255, (128, 64, 3), dtype=np.uint8))
        return Crop(f"s/{person}c{camera}", picture, f"s:{person}", f"s:{camera}")

    people = [(crop(person, 1), crop(person, 2)) for person in range(count)]
    same = [Pair(a, b, 0.5, True) for a, b in people]
    return same + [Pair(people[i][0], people[(i + 1) % count][1], 0.4, False) for i in range(count)]


def lengths(trainer: WarmupTrainer) -> PromptLengths:
    """Of the prompts that the trainer makes."""
    features, texts = trainer.parts.features, trainer.parts.texts
    score, think = (len(features.prompt(texts[task], (0, 1))[0]) for task in ("score", "think"))
    crop = features.visual_tokens(0)
    return PromptLengths(score, think, crop, 4 * crop, exact=True)


@contextlib.contextmanager
def checkpointed(model: Any, on: bool) -> Iterator[None]:
    """The model with gradient checkpointing, if `on`."""
    if on:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.train()
    yield


def warmup_peak(
    built: tuple[Any, Any, Architecture], recipe: WarmupRecipe, folder: Path, checkpointing: bool = False
) -> tuple[int, PromptLengths, int]:
    """Bytes at the highest point of the second step of a warm-up, the prompts' lengths, and the number of crops."""
    model, processor, _ = built
    trainer = WarmupTrainer(recipe, pairs(4), pairs(4), (model, processor), folder)
    written = Rationale(tuple([5] * recipe.max_new_tokens), recipe.max_new_tokens - 1, "Upper clothing: same in both.")
    numbers = range(round(recipe.rationales * recipe.batch))
    trainer.rationales.current = {f"{step} {number}": written for step in (1, 2) for number in numbers}
    with checkpointed(trainer.parts.base, checkpointing):
        trainer.step(1)
        standing = bytes_of(trainer.model.parameters())
        standing += bytes_of(part for own in trainer.parts.features._kept for part in own)
        standing += bytes_of(v for state in trainer.optimiser.state.values() for v in state.values())
        standing += bytes_of(trainer.average.average.values())
        with MemoryMeter() as meter:
            trainer.step(2)
    return standing + meter.peak, lengths(trainer), len(trainer.parts.features)


def prompt_lengths_of(built: tuple[Any, Any, Architecture]) -> PromptLengths:
    """Of a model's prompts about crops of 128 x 64 pixels."""
    model, processor, _ = built
    features = CropFeatures(model, processor, [each.query.open for each in pairs(1)])
    score, think = (len(features.prompt(render(processor, task), (0, 0))[0]) for task in ("score", "think"))
    crop = features.visual_tokens(0)
    return PromptLengths(score, think, crop, 4 * crop, exact=True)


def rollout_peak(built: tuple[Any, Any, Architecture], number: int, copies: int, tokens: int) -> int:
    """Bytes at the highest point of sampling, weights left out; hardly a row ends before `tokens` tokens."""
    model, processor, _ = built
    adapter = adapt(model, processor, crop_pixels(processor))
    prompts = pair_prompts(adapter, pairs(number)[:number], "think")
    with MemoryMeter() as meter:
        sampled = continue_prompts(adapter, prompts, [copies] * number, Thinking(tokens, 1.0, 0))
    assert float(sampled.lengths.float().mean()) > 0.9 * tokens
    return meter.peak


def grpo_peak(built: tuple[Any, Any, Architecture], recipe: ReinforcementRecipe, folder: Path) -> int:
    """Bytes at the highest point of a step of GRPO after the first, rollouts included."""
    model, processor, _ = built
    trainer = build_trainer(recipe, pairs(4), model, processor, folder)
    peaks: list[int] = []
    step = trainer.training_step

    def metered(*arguments: Any, **options: Any) -> Any:
        standing = bytes_of(trainer.model.parameters())
        states = trainer.optimizer.state.values()
        standing += bytes_of(v for state in states for v in state.values() if isinstance(v, torch.Tensor))
        standing += bytes_of(each.grad for each in trainer.model.parameters() if each.grad is not None)
        with MemoryMeter() as meter:
            loss = step(*arguments, **options)
        peaks.append(standing + meter.peak)
        return loss

    trainer.training_step = metered  # type: ignore[method-assign]
    trainer.train()
    return max(peaks[-(recipe.pairs * recipe.num_generations // recipe.rows) :])
