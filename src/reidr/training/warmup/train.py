"""The warm-up: the reasoner learns verdicts from identity labels, without chain-of-thought labels.

What is minimised is the sum of the recipe's objectives (`objectives/`). Rationales, where an objective needs them, are
sampled from the model itself. (The method `reinforcement` is `grpo.stage` with two rewards.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from reidr.core.process.signals import note_step
from reidr.core.run import prepare_folder
from reidr.core.storage.json_lines import append_json_lines, read_json_lines
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.inference.sampling import unwrap
from reidr.reasoning.types import Pair
from reidr.training.grpo.stage import LANGUAGE_HALF, keep_steps
from reidr.training.recipes.warmup import WarmupRecipe
from reidr.training.retriever.train import learning_rate_at
from reidr.training.warmup.checkpoint import load_checkpoint, save_checkpoint
from reidr.training.warmup.curriculum import Curriculum, Drawn, choose_measured, hard_share
from reidr.training.warmup.examples import ForwardPass, Kind, WarmupExample, WarmupModel
from reidr.training.warmup.held_out import measure
from reidr.training.warmup.objectives.registry import find_objective
from reidr.training.warmup.rationales import Rationale, health, read_rationale, rounded, write_rationales

Advance = Callable[[float], None]


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
        The trained model, LoRA merged into it, and the lines of the log.

    Raises:
        DataError: as `Curriculum`. ReIDError: as `CropFeatures`. RecipeError: an objective is unknown.
    """
    prepare_folder(folder)
    trainer = WarmupTrainer(recipe, pairs, held_out, checkpoint, folder)
    first = trainer.load()
    note_step(folder, "step", first)
    log = folder / "log.jsonl"
    keep_steps(log, first)
    if advance is not None:
        advance(first)
    for step in range(first, recipe.steps):
        record = trainer.step(step)
        last = step + 1 == recipe.steps
        if (step + 1) % recipe.save_every == 0 or last:
            trainer.save(step + 1)
        if last:
            trainer.apply_ema()
        if (step + 1) % recipe.measure_every == 0 or last:
            record |= trainer.measure()
        append_json_lines(log, [rounded(record)])
        if advance is not None:
            advance(1)
    if first == recipe.steps:
        trainer.apply_ema()
    trained = trainer.model.merge_and_unload() if recipe.lora_rank else checkpoint[0]
    trained.requires_grad_(True)
    return trained.eval(), read_json_lines(log)


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
        self.recipe, self.path = recipe, folder / "checkpoint.pt"
        classes = {name: find_objective(name) for name in recipe.objectives}
        self.curriculum = Curriculum(recipe, pairs)
        self.held_out = choose_measured(held_out, recipe.measure_pairs, recipe.seed)
        crops, self.held_out_places = self.curriculum.with_pairs(self.held_out)
        self.model = prepare(recipe, checkpoint[0])
        # Evaluation mode throughout: batch norms fitted on whole training sets are kept, and nothing is dropped out.
        base = unwrap(self.model).eval()
        features = CropFeatures(base, checkpoint[1], [crop.open for crop in crops], learning=recipe.learn_vision)
        self.parts = WarmupModel(base, features)
        self.trained = {name: each for name, each in self.model.named_parameters() if each.requires_grad}
        self.optimiser = torch.optim.AdamW(
            self.trained.values(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.98)
        )
        self.average = {name: each.detach().clone() for name, each in self.trained.items() if recipe.ema_decay}
        self.rationales: dict[str, Rationale] = {}
        self.objectives = {name: each(recipe, self.parts) for name, each in classes.items()}
        self.kinds: set[Kind] = {kind for each in self.objectives.values() for kind in each.kinds}
        self.started = time.perf_counter()

    def step(self, step: int) -> dict[str, Any]:
        """Take one step; returns its line of the log."""
        recipe = self.recipe
        record: dict[str, Any] = {"step": step + 1, "hard_share": hard_share(recipe, step)}
        if self.kinds & {"after_rationale", "rationale_words"} and recipe.rationales and step % recipe.regenerate == 0:
            record |= self._sample_rationales(step)
        for group in self.optimiser.param_groups:
            group["lr"] = recipe.learning_rate * learning_rate_at(step, recipe.steps, recipe.warmup_steps)
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
        self._update_ema(step)
        return record | {"seconds": time.perf_counter() - self.started}

    def examples(self, step: int, drawn: Sequence[Drawn]) -> dict[Kind, list[WarmupExample]]:
        """The examples of a step, for each kind of forward pass that an objective takes part in."""
        whole = "rationale_words" in self.kinds
        after = [
            self.parts.rationale_example(pair, self.rationales[key], whole=whole)
            for number, pair in enumerate(drawn)
            if (key := f"{step} {number}") in self.rationales
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
        self.rationales = {key: rationale for key, rationale in parsed.items() if rationale is not None}
        supported = sum(each.worth_imitating(pairs[key].label) for key, each in self.rationales.items())
        labels = [pair.label for pair in pairs.values()]
        return health(completions, labels) | {"supported": supported / max(1, len(pairs))}

    def measure(self) -> dict[str, Any]:
        """Scores and rationales of the validation pairs (`held_out.measure`)."""
        return measure(self.recipe, self.parts, self.held_out_places, [bool(pair.label) for pair in self.held_out])

    @torch.no_grad()
    def _update_ema(self, step: int) -> None:
        # The first weights are the worst: the average starts with a short memory, as in `torch.optim.swa_utils`.
        decay = min(self.recipe.ema_decay, (step + 1) / (step + 10))
        for name, each in self.average.items():
            each.lerp_(self.trained[name], 1 - decay)

    @torch.no_grad()
    def apply_ema(self) -> None:
        """Take the averaged weights as the model's own, where the recipe asks for an average."""
        for name, each in self.average.items():
            self.trained[name].copy_(each)

    def save(self, step: int) -> None:
        """Write what a resumed run needs (`checkpoint.py`)."""
        save_checkpoint(self.path, self.trained, self.average, self.optimiser, self.rationales, step)

    def load(self) -> int:
        """Restore the checkpoint where there is one; returns the number of steps taken."""
        if not self.path.is_file():
            return 0
        step, self.rationales = load_checkpoint(self.path, self.trained, self.average, self.optimiser)
        return step


def prepare(recipe: WarmupRecipe, model: Any) -> Any:
    """`model` with gradients where the recipe trains it, inside LoRA where the recipe asks for that."""
    base = unwrap(model)
    base.requires_grad_(True)
    if recipe.learn_vision != "all":
        base.model.visual.requires_grad_(False)
        if recipe.learn_vision == "connector":
            for part in base.model.visual.connecting:
                part.requires_grad_(True)
    if not recipe.lora_rank:
        return model
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(recipe.seed)
    settings = LoraConfig(
        r=recipe.lora_rank, lora_alpha=recipe.lora_alpha, target_modules=LANGUAGE_HALF, task_type="CAUSAL_LM"
    )
    return get_peft_model(model, settings)
