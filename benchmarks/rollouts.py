"""Reinforcement on the CPU: our shared prompts beside TRL's own way, in one run on the same rows.

    PYTHONPATH=src python benchmarks/rollouts.py                  # all cases; one JSON line each
    PYTHONPATH=src python benchmarks/rollouts.py rollout-trl      # some of them

The model is `nano`'s architecture with random weights, so nearly every rollout runs to its 60 tokens: 8 pairs of other
crops x 8 rollouts. `rollout-*` is the sampling alone, `step-*` a whole step of GRPO (vision encoder frozen): rollouts,
rewards, forward and backward pass, update. TRL's way is `GRPOTrainer` as it comes, with the same settings.
`cpu_seconds` is processor time, which other work on the machine changes less than `seconds`. One thread unless
OMP_NUM_THREADS says otherwise: beside other work, more threads wait for each other.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import best_time, main

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

PAIRS, GROUP, TOKENS = 8, 8, 60
CASES = ("rollout-ours", "rollout-trl", "step-ours", "step-trl")


def noise_pairs(count: int) -> list[Any]:
    """Labelled pairs of noise pictures of common crop sizes."""
    from PIL import Image

    from reidr.data.types import Crop
    from reidr.reasoning.types import Pair

    random = np.random.default_rng(0)

    def crop(name: str) -> Crop:
        height, width = int(random.integers(100, 200)), int(random.integers(50, 90))
        return Crop(name, Image.fromarray(random.integers(0, 255, (height, width, 3), dtype=np.uint8)))

    return [Pair(crop(f"a{i}"), crop(f"b{i}"), label=i % 2 == 0) for i in range(count)]


def nano() -> tuple[Any, Any]:
    """`nano`'s architecture, untrained."""
    import torch

    from reidr.reasoning.nano.build import build_convolutional
    from reidr.retrieval.embedders.network import NetworkSettings, build_network

    torch.manual_seed(0)
    return build_convolutional(["Upper clothing: red in A, blue in B: differ."] * 50, build_network(NetworkSettings()))


def trainer(ours: bool, folder: Path) -> Any:
    """Our trainer, or TRL's own on the same rows with the same settings and a reward that takes no time."""
    from trl import GRPOTrainer

    from reidr.reasoning.models.qwen import VISION_TOKENS
    from reidr.training.grpo.arguments import arguments
    from reidr.training.grpo.build import build_trainer
    from reidr.training.recipes.grpo import ReinforcementRecipe

    recipe = ReinforcementRecipe(steps=4, pairs=PAIRS, num_generations=GROUP, max_new_tokens=TOKENS, save_every=100)
    made: Any = build_trainer(recipe, noise_pairs(PAIRS), *nano(), folder)
    if not ours:
        model, processor = nano()
        model.model.visual.requires_grad_(False)
        settings = arguments(recipe, folder)
        # TRL keeps only the picture token itself out of its rollouts; `nano` counts pictures by the token before it.
        vocabulary = processor.tokenizer.get_vocab()
        settings.generation_kwargs = {"suppress_tokens": [vocabulary[t] for t in VISION_TOKENS if t in vocabulary]}
        made = GRPOTrainer(
            model,
            reward_funcs=[lambda completions, **_: [float(len(text[0]["content"]) % 7) for text in completions]],
            args=settings,
            train_dataset=made.train_dataset,
            processing_class=processor,
        )
    return made


def run_case(name: str) -> dict[str, Any]:
    """One case in this process."""
    what, way = name.split("-")
    with tempfile.TemporaryDirectory() as folder:
        made = trainer(way == "ours", Path(folder))
        if what == "rollout":
            made.model.train()
            rows = [made.train_dataset[pair] for pair in range(PAIRS) for _ in range(GROUP)]
            from trl.data_utils import prepare_multimodal_messages

            prompts = [prepare_multimodal_messages(row["prompt"], images=row["images"]) for row in rows]
            began = time.process_time()
            seconds, generated = best_time(lambda: made._generate(prompts), 3)
            processor = (time.process_time() - began) / 3
            tokens = sum(len(ids) for ids in generated[1])
            return {"seconds": round(seconds, 3), "cpu_seconds": round(processor, 3), "tokens": tokens}
        taken, processor_taken = [], []
        step = made.training_step

        def timed(*arguments: Any, **options: Any) -> Any:
            began, processor_began = time.perf_counter(), time.process_time()
            loss = step(*arguments, **options)
            taken.append(time.perf_counter() - began)
            processor_taken.append(time.process_time() - processor_began)
            return loss

        made.training_step = timed
        made.train()
        return {"seconds": round(min(taken[1:]), 3), "cpu_seconds": round(min(processor_taken[1:]), 3)}


if __name__ == "__main__":
    main(__file__, CASES, run_case)
