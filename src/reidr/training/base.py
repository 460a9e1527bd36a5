"""Teach a small vision-language model to look at two crops, say what it compares, and answer.

The texts come from true attributes (`comparisons`), the answer word from identity labels. The loss is cross-entropy on
the completion only; half of the examples ask for the answer word directly, as the scorer does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.reasoning.prompt import Task, encode_pairs
from reidr.training.comparisons import compare
from reidr.training.recipes import BaseRecipe
from reidr.training.retriever import learning_rate_at

Example = tuple[Crop, Crop, Task, str]
Advance = Callable[[float], None]


class PairSource:
    """Draws labelled pairs across cameras: half of one person, half of two, look-alikes preferred among the latter."""

    def __init__(self, crops: Sequence[Crop], random: np.random.Generator) -> None:
        """`crops` carry persons, cameras and attributes. Raises DataError when no person is seen by two cameras."""
        self.random = random
        self.crops = [crop for crop in crops if crop.person is not None]
        self.by_person: dict[str, list[Crop]] = {}
        for crop in self.crops:
            self.by_person.setdefault(str(crop.person), []).append(crop)
        self.across = [person for person, own in self.by_person.items() if len({crop.camera for crop in own}) > 1]
        if len(self.by_person) < 2 or not self.across:
            raise DataError("base training needs two persons or more, some of them seen by two cameras")

    def draw(self) -> tuple[Crop, Crop, bool]:
        """(A, B, same person?), the two crops from different cameras where that is possible."""
        if self.random.random() < 0.5:
            own = self.by_person[self.across[int(self.random.integers(len(self.across)))]]
            first = own[int(self.random.integers(len(own)))]
            others = [crop for crop in own if crop.camera != first.camera]
            second = others[int(self.random.integers(len(others)))] if others else own[0]
            return first, second, True
        first = self.crops[int(self.random.integers(len(self.crops)))]
        drawn = [self.crops[int(i)] for i in self.random.integers(len(self.crops), size=8)]
        others = [crop for crop in drawn if crop.person != first.person]
        if not others:
            others = [crop for crop in self.crops if crop.person != first.person][:8]
        # Of a handful, the one that shares most attributes: telling red from blue all day teaches little.
        alike = [sum(first.attributes.get(k) == v for k, v in crop.attributes.items()) for crop in others]
        return first, others[int(np.argmax(alike))], False


def draw_example(source: PairSource, random: np.random.Generator) -> Example:
    """A pair with its task and the completion to learn."""
    a, b, same = source.draw()
    answer = f"<answer>{'yes' if same else 'no'}</answer>"
    if random.random() < 0.5:
        return a, b, "score", answer
    return a, b, "think", f"<think>{compare(a.attributes, b.attributes, random)}</think>{answer}"


def completion_loss(model: Any, processor: Any, examples: Sequence[Example]) -> Tensor:
    """Mean cross-entropy over the completions' tokens, each completion counted alike.

    Prompts of both tasks are encoded with the completion as the assistant's turn; everything before it is masked.
    """
    losses = []
    for task in ("score", "think"):
        rows = [example for example in examples if example[2] == task]
        if not rows:
            continue
        stop = processor.tokenizer.eos_token
        texts = [text + stop for _, _, _, text in rows]
        batch = encode_pairs(processor, [(a.open(), b.open()) for a, b, _, _ in rows], task, prefix=texts)
        logits = model(**batch, use_cache=False).logits[:, :-1]
        labels = batch["input_ids"][:, 1:].clone()
        lengths = torch.tensor([len(processor.tokenizer.encode(text, add_special_tokens=False)) for text in texts])
        # Left padding: the completion is the end of every row.
        places = torch.arange(labels.shape[1] - 1, -1, -1)[None, :]
        labels[places >= lengths[:, None]] = -100
        each = functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none", ignore_index=-100)
        losses.append(each.sum(dim=1) / (labels != -100).sum(dim=1))
    return torch.cat(losses).mean()


def train_base(
    recipe: BaseRecipe, crops: Sequence[Crop], run: Path, model: Any, processor: Any, advance: Advance | None = None
) -> list[dict[str, float]]:
    """Train `model` in place for `recipe.steps` steps; returns the logged losses.

    Writes `checkpoint.pt` every `recipe.save_every` steps and one JSON line per 20 steps to `log.jsonl` in `run`;
    called again it goes on from the last checkpoint, with the same examples it would have drawn.
    """
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    path, first = run / "checkpoint.pt", 0
    if path.exists():
        state = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        first = int(state["step"])
    if advance is not None:
        advance(first)
    log: list[dict[str, float]] = []
    started, recent = time.perf_counter(), []
    for step in range(first, recipe.steps):
        # A generator per step: a resumed run draws what the whole run would have drawn.
        random = np.random.default_rng((recipe.seed, step))
        source = PairSource(crops, random)
        examples = [draw_example(source, random) for _ in range(recipe.batch)]
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * learning_rate_at(step, recipe.steps, recipe.warmup_steps)
        loss = completion_loss(model, processor, examples)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        recent.append(float(loss.detach()))
        if advance is not None:
            advance(1)
        if (step + 1) % 20 == 0 or step + 1 == recipe.steps:
            record = {"step": step + 1, "loss": round(float(np.mean(recent)), 4)}
            record["seconds"] = round(time.perf_counter() - started, 1)
            recent = []
            log.append(record)
            with (run / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        if (step + 1) % recipe.save_every == 0 or step + 1 == recipe.steps:
            partial = path.with_suffix(".partial")
            torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}, partial)
            partial.replace(path)
    model.eval()
    return log
