"""The warm-up: the reasoner learns verdicts from identity labels, without chain-of-thought labels.

What is minimised is the sum of the recipe's objectives (`objectives/`). Rationales, where an objective needs them, are
sampled from the model itself. (The method `reinforcement` is `grpo.stage` with two rewards.)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from reidr.core.progress import Advance
from reidr.core.run import prepare_folder
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.models.architectures import find_architecture
from reidr.reasoning.models.transformers_model import unwrap
from reidr.reasoning.types import Pair
from reidr.training.common.checkpoint import Checkpoint, TrainedWeights
from reidr.training.common.divergence import ExplosionCheck
from reidr.training.common.ema import MovingAverage
from reidr.training.common.log import TrainingLog
from reidr.training.common.lora import add_lora, continued
from reidr.training.common.schedule import learning_rate_at, set_learning_rate
from reidr.training.common.trackers import Tracker
from reidr.training.memory.recompute import recompute_layers
from reidr.training.recipes.warmup import WarmupRecipe
from reidr.training.warmup.curriculum import Curriculum, Drawn, choose_measured, hard_share
from reidr.training.warmup.examples import ForwardPass, Kind, WarmupExample, WarmupModel
from reidr.training.warmup.held_out import measure
from reidr.training.warmup.objectives.registry import find_objective
from reidr.training.warmup.rationales import RationaleStore, health, read_rationale, rounded, write_rationales


def warm_up(
    recipe: WarmupRecipe,
    pairs: Sequence[Pair],
    held_out: Sequence[Pair],
    checkpoint: tuple[Any, Any],
    folder: Path,
    advance: Advance | None = None,
) -> tuple[Any, list[dict[str, Any]]]:
    """Train on labelled `pairs` by the recipe's objectives; resumes from `folder/checkpoint.pt`.

    A resumed run takes the steps that the whole run would have taken, bit for bit. `log.jsonl` gets a line per step,
    and every `measure_every` steps measurements on `held_out` pairs, from which nothing is learned.

    Args:
        checkpoint: model and processor. advance: called with the number of steps done.

    Returns:
        The trained model, its LoRA weights around it where the recipe asks for LoRA, and the lines of the log.

    Raises:
        DataError: as `Curriculum`. ReIDError: as `CropFeatures`. RecipeError: an objective is unknown.
    """
    prepare_folder(folder)
    trainer = WarmupTrainer(recipe, pairs, held_out, checkpoint, folder)
    first = trainer.checkpoint.load()
    tracker = Tracker(recipe.report_to, folder, recipe.model_dump(mode="json"))
    log = TrainingLog(folder / "log.jsonl", tracker=tracker)
    log.resume(first)
    explosion = ExplosionCheck(line["loss"] for line in log.read() if "loss" in line)
    if advance is not None:
        advance(first)
    for step in range(first, recipe.steps):
        record = trainer.step(step)
        if "loss" in record:
            explosion.check(record["loss"], f"step {step + 1}")
        last = step + 1 == recipe.steps
        if (step + 1) % recipe.save_every == 0 or last:
            trainer.checkpoint.save(step + 1)
        if last:
            trainer.average.apply()
        if (step + 1) % recipe.measure_every == 0 or last:
            record |= trainer.measure()
        log.append(rounded(record))
        if advance is not None:
            advance(1)
    tracker.finish()
    if first == recipe.steps:
        trainer.average.apply()
    trained = trainer.model.requires_grad_(True)
    return trained.eval(), log.read()


class WarmupTrainer:
    """The state of a warm-up: model, objectives, optimiser, and the rationales of the current round."""

    def __init__(
        self,
        recipe: WarmupRecipe,
        pairs: Sequence[Pair],
        held_out: Sequence[Pair],
        checkpoint: tuple[Any, Any],
        folder: Path,
    ) -> None:
        self.recipe = recipe
        classes = {name: find_objective(name) for name in recipe.objectives}
        self.curriculum = Curriculum(recipe, pairs)
        self.held_out = choose_measured(held_out, recipe.measure_pairs, recipe.seed)
        crops, self.held_out_places = self.curriculum.with_pairs(self.held_out)
        self.model = prepare(recipe, checkpoint[0])
        # Evaluation mode throughout: batch norms fitted on whole training sets are kept, and nothing is dropped out.
        base = unwrap(self.model).eval()
        features = CropFeatures(
            base,
            checkpoint[1],
            [crop.open for crop in crops],
            learning=recipe.learn_vision,
            dtype=None if recipe.features == "auto" else getattr(torch, recipe.features),
        )
        self.parts = WarmupModel(base, features)
        self.trained = {name: each for name, each in self.model.named_parameters() if each.requires_grad}
        self.optimiser = torch.optim.AdamW(
            self.trained.values(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.98)
        )
        self.average = MovingAverage(self.trained, recipe.ema_decay)
        self.rationales = RationaleStore()
        parts: dict[str, Any] = {
            "weights": TrainedWeights(self.trained),
            "average": self.average,
            "optimiser": self.optimiser,
            "rationales": self.rationales,
        }
        self.checkpoint = Checkpoint(folder / "checkpoint.pt", parts)
        self.objectives = {name: each(recipe, self.parts) for name, each in classes.items()}
        self.kinds: set[Kind] = {kind for each in self.objectives.values() for kind in each.kinds}
        self.started = time.perf_counter()

    def step(self, step: int) -> dict[str, Any]:
        """Take one step; returns its line of the log."""
        recipe = self.recipe
        record: dict[str, Any] = {"step": step + 1, "hard_share": hard_share(recipe, step)}
        if self.kinds & {"after_rationale", "rationale_words"} and recipe.rationales and step % recipe.regenerate == 0:
            record |= self._sample_rationales(step)
        share = learning_rate_at(step, recipe.steps, recipe.warmup_steps)
        set_learning_rate(self.optimiser, recipe.learning_rate, share)
        self.optimiser.zero_grad(set_to_none=True)
        groups = self.examples(step, self.curriculum.draw(step))
        answered = [kind for kind in ("direct", "after_rationale") if groups.get(kind)]
        for kind, examples in groups.items():
            share = 1 / len(answered) if kind in answered else 1.0
            record |= self.backward(kind, examples, share)
        losses = [record[f"{kind}_loss"] for kind in answered if f"{kind}_loss" in record]
        losses = losses or [value for name, value in record.items() if name.endswith("_loss")]
        if losses:
            record["loss"] = sum(losses) / len(losses)
        torch.nn.utils.clip_grad_norm_(self.trained.values(), 1.0)
        self.optimiser.step()
        self.average.update(step)
        return record | {"seconds": time.perf_counter() - self.started}

    def examples(self, step: int, drawn: Sequence[Drawn]) -> dict[Kind, list[WarmupExample]]:
        """The examples of a step, for each kind of forward pass that an objective takes part in."""
        whole = "rationale_words" in self.kinds
        after = [
            self.parts.rationale_example(pair, self.rationales.current[key], whole=whole)
            for number, pair in enumerate(drawn)
            if (key := f"{step} {number}") in self.rationales.current
        ]
        direct = [self.parts.direct_example(pair, swapped) for pair in drawn for swapped in (False, True)]
        groups: dict[Kind, list[WarmupExample]] = {
            "direct": direct, "after_rationale": after, "rationale_words": after
        }  # fmt: skip
        return {kind: examples for kind, examples in groups.items() if kind in self.kinds and examples}

    def backward(self, kind: Kind, examples: Sequence[WarmupExample], share: float) -> dict[str, float]:
        """Add the gradients of all objectives of this kind of pass, times `share`; returns what they log."""
        log: dict[str, float] = {}
        for start in range(0, len(examples), self.recipe.rows):
            part = examples[start : start + self.recipe.rows]
            forward = ForwardPass(kind, examples, part, self.parts.hidden(part), self.parts)
            total = torch.zeros((), device=forward.hidden.device)
            for name, objective in self.objectives.items():
                loss = objective(forward) if kind in objective.kinds else None
                if loss is not None:
                    total = total + self.recipe.objectives[name] * loss.total / loss.number
                    for key, value in loss.log.items():
                        log[key] = log.get(key, 0.0) + value
            if total.requires_grad:
                (total * share).backward()
        return log

    def _sample_rationales(self, step: int) -> dict[str, float]:
        """Sample the rationales of this round: for the first pairs of each of its steps, as they will be shown."""
        recipe = self.recipe
        number = round(recipe.rationales * recipe.batch)
        last = min(step + recipe.regenerate, recipe.steps)
        # The first pairs have both labels: labels take turns in the curriculum.
        pairs = {
            f"{each} {place}": self.curriculum.draw(each)[place]
            for each in range(step, last)
            for place in range(number)
        }
        completions = write_rationales(
            self.parts.features,
            [pair.places() for pair in pairs.values()],
            temperature=recipe.temperature,
            max_new_tokens=recipe.max_new_tokens,
            seed=recipe.seed * 1_000_003 + step,
        )
        parsed = {
            key: read_rationale(self.parts.features, completion)
            for key, completion in zip(pairs, completions, strict=True)
        }
        self.rationales.current = {key: rationale for key, rationale in parsed.items() if rationale is not None}
        supported = sum(each.worth_imitating(pairs[key].label) for key, each in self.rationales.current.items())
        labels = [pair.label for pair in pairs.values()]
        return health(completions, labels) | {"supported": supported / max(1, len(pairs))}

    def measure(self) -> dict[str, Any]:
        """Scores and rationales of the validation pairs (`held_out.measure`)."""
        return measure(self.recipe, self.parts, self.held_out_places, [bool(pair.label) for pair in self.held_out])


def prepare(recipe: WarmupRecipe, model: Any) -> Any:
    """`model` with gradients where the recipe trains it, inside LoRA where the recipe asks for that."""
    model = continued(model, recipe.lora_rank, recipe.lora_alpha)
    base = unwrap(model)
    base.requires_grad_(True)
    if recipe.learn_vision != "all":
        for part in find_architecture(base.config.model_type).vision_parts(base):
            part.requires_grad_(False)
        if recipe.learn_vision == "connector":
            for part in base.model.visual.connecting:
                part.requires_grad_(True)
    model = add_lora(model, recipe.lora_rank, recipe.lora_alpha, recipe.seed)
    if recipe.gradient_checkpointing:
        recompute_layers(unwrap(model))
    return model
