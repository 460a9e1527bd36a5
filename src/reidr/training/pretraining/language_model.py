"""Train the connector and the language model of `nano` on examples about crops."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reidr.core.progress import Advance
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.prompting.answers import answer_token_ids
from reidr.training.common.checkpoint import Checkpoint
from reidr.training.common.divergence import check_finite
from reidr.training.common.log import TrainingLog
from reidr.training.common.schedule import learning_rate_at, set_learning_rate
from reidr.training.pretraining.example_source import ExampleSource
from reidr.training.pretraining.examples import Example, completion_loss, example_batch
from reidr.training.recipes.pretraining import LanguageTraining

PROJECTION_RATE = 3.0  # learning rate of `RecognisedAttributes.to_tokens`, relative to the other weights
LOG_EVERY = 25


def train_language_model(
    settings: LanguageTraining,
    source: ExampleSource,
    run: Path,
    model: Any,
    features: CropFeatures,
    advance: Advance | None = None,
) -> list[dict[str, float]]:
    """Train connector and language model in place for `settings.steps` steps; returns the logged losses.

    `features` holds the crops in the order of the source's. Writes `checkpoint.pt` every `save_every` steps and one
    JSON line per 25 steps to `log.jsonl` in `run`; called again it resumes after the last checkpoint, with the same
    examples.
    """
    model.train()
    parameters, optimiser = optimiser_of(settings, model)
    checkpoint = Checkpoint(run / "checkpoint.pt", {"model": model, "optimiser": optimiser})
    first = checkpoint.load()
    lines = TrainingLog(run / "log.jsonl")
    lines.resume(first)
    if advance is not None:
        advance(first)
    log: list[dict[str, float]] = []
    started, recent = time.perf_counter(), []
    for step in range(first, settings.steps):
        # A generator per step: a resumed run samples what the whole run would have sampled.
        random = np.random.default_rng((settings.seed, step))
        share = learning_rate_at(step, settings.steps, settings.warmup_steps)
        set_learning_rate(optimiser, settings.learning_rate, share)
        optimiser.zero_grad(set_to_none=True)
        examples = [source.draw(random) for _ in range(settings.batch)]
        total = backward(model, features, examples, settings.precision)
        check_finite({"loss": total}, f"step {step + 1}")
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        recent.append(total)
        if advance is not None:
            advance(1)
        last = step + 1 == settings.steps
        if (step + 1) % LOG_EVERY == 0 or last:
            record = {"step": step + 1, "loss": round(float(np.mean(recent)), 4)}
            record["seconds"] = round(time.perf_counter() - started, 1)
            recent = []
            log.append(record)
            lines.append(record)
        if (step + 1) % settings.save_every == 0 or last:
            checkpoint.save(step + 1)
    model.eval()
    return log


def optimiser_of(settings: LanguageTraining, model: Any) -> tuple[list[torch.nn.Parameter], torch.optim.Optimizer]:
    """The weights to train and their optimiser; the vision encoder is frozen."""
    visual = model.model.visual
    visual.vision_encoder.requires_grad_(False)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    projection = list(visual.attributes.to_tokens.parameters())
    of_projection = {id(parameter) for parameter in projection}
    groups = [
        {"params": [parameter for parameter in parameters if id(parameter) not in of_projection], "factor": 1.0},
        {"params": projection, "factor": PROJECTION_RATE},
    ]
    return parameters, torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=0.05, betas=(0.9, 0.98))


def backward(model: Any, features: CropFeatures, examples: Sequence[Example], precision: str = "float32") -> float:
    """Add the gradients of the mean loss of `examples`; returns it. `precision`: as in `LanguageTraining`."""
    total, words = 0.0, answer_token_ids(features.processor.tokenizer)
    # Sequences of similar length are batched together; the gradients add up.
    numbers = [len(example.crops) for example in examples]
    for number in sorted(set(numbers)):
        inputs, labels = example_batch(features, [each for each in examples if len(each.crops) == number])
        with torch.autocast(labels.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            logits = model(**inputs).logits
        loss = completion_loss(logits.float(), labels, words).sum() / len(examples)
        loss.backward()
        total += float(loss.detach())
    return total
