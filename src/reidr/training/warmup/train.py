"""The warm-up: the reasoner learns verdicts from identity labels, without chain-of-thought labels.

What is minimised is the sum of the recipe's objectives (`objectives/`). Rationales, where an objective needs them, are
sampled from the model itself. (The method `reinforcement` is `grpo.stage` with two rewards.)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from reidr.core.progress import Advance
from reidr.core.run import prepare_folder
from reidr.errors import RecipeError
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.inference.reasoned_score import BLANK
from reidr.reasoning.inference.sampling import Completion
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
from reidr.training.processes.kinds import uses_deepspeed
from reidr.training.processes.optimiser_state import optimiser_part
from reidr.training.processes.parallel import Parallel
from reidr.training.processes.team import processes
from reidr.training.recipes.warmup import WarmupRecipe
from reidr.training.warmup.curriculum import Curriculum, Drawn, choose_measured, hard_share
from reidr.training.warmup.examples import ForwardPass, Kind, WarmupExample, WarmupModel
from reidr.training.warmup.held_out import measure
from reidr.training.warmup.objectives.registry import find_objective
from reidr.training.warmup.rationales import (
    Rationale,
    RationaleStore,
    health,
    read_rationale,
    rounded,
    write_rationales,
)

ANSWERED: tuple[Kind, ...] = ("direct", "after_rationale", "reasoned")
KEPT = 30_000
"""Most rationales that are remembered for `replayed`."""
WITH_RATIONALE: tuple[Kind, ...] = ("after_rationale", "reasoned", "rationale_words")


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
    and every `measure_every` steps measurements on `held_out` pairs, from which nothing is learned. Several processes
    share each step, and take the steps of one but for the order in which numbers are added.

    Args:
        checkpoint: model and processor. advance: called with the number of steps done.

    Returns:
        The trained model, its LoRA weights around it where the recipe asks for LoRA, and the lines of the log. Where
        the weights are sharded, the first process alone has the model, the others None.

    Raises:
        DataError: as `Curriculum`. ReIDError: as `CropFeatures`. RecipeError: an objective is unknown, the processes
            cannot share a step, or as `Parallel`.
    """
    team = processes()
    prepare_folder(folder)
    trainer = WarmupTrainer(recipe, pairs, held_out, checkpoint, folder)
    first = trainer.checkpoint.load()
    tracker = Tracker(recipe.report_to, folder, recipe.model_dump(mode="json"))
    log = TrainingLog(folder / "log.jsonl", tracker=tracker)
    if team.is_first:
        log.resume(first)
    explosion = ExplosionCheck(line["loss"] for line in team.from_first(log.read) if "loss" in line)
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
        if team.is_first:
            log.append(rounded(record))
        if advance is not None:
            advance(1)
    tracker.finish()
    if first == recipe.steps:
        trainer.average.apply()
    trained, lines = trainer.parallel.result(), team.from_first(log.read)
    if trained is None:
        return None, lines
    trained.requires_grad_(True)
    return trained.eval(), lines


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
        self.recipe, self.team = recipe, processes()
        if recipe.ema_decay and uses_deepspeed():
            raise RecipeError("a moving average of the weights needs DDP or FSDP; with DeepSpeed set ema_decay: 0")
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
            [*(crop.open for crop in crops), lambda: BLANK],
            learning=recipe.learn_vision,
            dtype=None if recipe.features == "auto" else getattr(torch, recipe.features),
        )
        self.parts = WarmupModel(base, features)
        self.objectives = {name: each(recipe, self.parts) for name, each in classes.items()}
        self.parallel = Parallel(
            self.model,
            getattr(base, "_no_split_modules", None),
            lambda weights: torch.optim.AdamW(
                weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.98)
            ),
        )
        self.trained, self.optimiser = self.parallel.trained, self.parallel.optimiser
        self.average = MovingAverage(self.trained, recipe.ema_decay)
        self.rationales = RationaleStore(KEPT if recipe.replayed else 0)
        parts: dict[str, Any] = {
            "weights": TrainedWeights(self.trained),
            "average": self.average,
            "optimiser": optimiser_part(self.parallel, folder),
            "rationales": self.rationales,
        }
        self.checkpoint = Checkpoint(folder / "checkpoint.pt", parts, writes=self.team.is_first)
        self.kinds: set[Kind] = {kind for each in self.objectives.values() for kind in each.kinds}
        self.started = time.perf_counter()

    def step(self, step: int) -> dict[str, Any]:
        """Take one step; returns its line of the log."""
        recipe = self.recipe
        record: dict[str, Any] = {"step": step + 1, "hard_share": hard_share(recipe, step)}
        if step == 0 and "reasoned" in self.kinds and recipe.replayed and recipe.first_rationales:
            self._fill_store()
        if self.kinds & set(WITH_RATIONALE) and recipe.rationales and step % recipe.regenerate == 0:
            record |= self._sample_rationales(step)
        share = learning_rate_at(step, recipe.steps, recipe.warmup_steps)
        set_learning_rate(self.optimiser, recipe.learning_rate, share)
        self.parallel.zero_grad()
        groups = self.examples(step, self.curriculum.draw(step))
        answered = [kind for kind in ANSWERED if groups.get(kind)]
        logged: dict[str, float] = {}
        for kind, examples in groups.items():
            share = 1 / len(answered) if kind in answered else 1.0
            logged |= self.backward(kind, examples, share, last=kind == [*groups][-1])
        record |= self.team.sum(logged)
        losses = [record[f"{kind}_loss"] for kind in answered if f"{kind}_loss" in record]
        losses = losses or [value for name, value in record.items() if name.endswith("_loss")]
        if losses:
            record["loss"] = sum(losses) / len(losses)
        self.parallel.step(1.0)
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
        replayed = [
            self.parts.replayed_example(label, rationale)
            for label, rationale in self.rationales.replay(self.recipe.replayed, (self.recipe.seed, step, 1))
        ]
        direct = [self.parts.direct_example(pair, swapped) for pair in drawn for swapped in (False, True)]
        groups: dict[Kind, list[WarmupExample]] = {
            "direct": direct,
            "after_rationale": after,
            "reasoned": [self.parts.reasoned_example(each) for each in after] + replayed,
            "rationale_words": after,
        }
        return {kind: examples for kind, examples in groups.items() if kind in self.kinds and examples}

    def backward(
        self, kind: Kind, examples: Sequence[WarmupExample], share: float, *, last: bool = True
    ) -> dict[str, float]:
        """Add the gradients of all objectives of this kind of pass, times `share`; returns what they log.

        `last`: whether it is the last kind of the step.
        """
        log: dict[str, float] = {}
        passes = self.passes(kind, examples)
        for number, part in enumerate(passes):
            own: dict[str, float] = {}
            # A process that has no examples left takes the pass for the others' sake: it does not count.
            forward = partial(self.losses, kind, examples, part or examples[:2], own)
            total = self.parallel.run(forward) * (share if part else 0.0)
            self.parallel.backward(total, last=last and number + 1 == len(passes))
            for key, value in own.items() if part else ():
                log[key] = log.get(key, 0.0) + value
        return log

    def passes(self, kind: Kind, examples: Sequence[WarmupExample]) -> list[Sequence[WarmupExample]]:
        """This process's share of the examples of one kind in passes, the two orders of a pair together.

        Sharded weights are fetched in every pass, so that all processes must take as many: some may be empty.
        """
        unit = 2 if kind == "direct" else 1
        units = [examples[start : start + unit] for start in range(0, len(examples), unit)]
        own = [example for each in self.team.share(units) for example in each]
        longest = unit * -(-len(units) // self.team.count) if self.parallel.sharded else len(own)
        return [own[start : start + self.recipe.rows] for start in range(0, longest, self.recipe.rows)]

    def losses(
        self, kind: Kind, group: Sequence[WarmupExample], part: Sequence[WarmupExample], log: dict[str, float]
    ) -> torch.Tensor:
        """The weighted sum of the objectives of one pass over `part` of `group`; adds what they log to `log`."""
        forward = ForwardPass(kind, group, part, self.parts.hidden(part), self.parts)
        total = torch.zeros((), device=forward.hidden.device)
        for name, objective in self.objectives.items():
            loss = objective(forward) if kind in objective.kinds else None
            if loss is not None:
                total = total + self.recipe.objectives[name] * loss.total / loss.number
                for key, value in loss.log.items():
                    log[key] = log.get(key, 0.0) + value
        if self.parallel.sharded and not total.requires_grad:
            total = total + 0 * forward.hidden.float().sum()
        return total

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
        completions, parsed = self._write([*pairs.values()], recipe.seed * 1_000_003 + step)
        self.rationales.current = {
            key: rationale for key, rationale in zip(pairs, parsed, strict=True) if rationale is not None
        }
        labels = [pair.label for pair in pairs.values()]
        self.rationales.keep(labels, parsed)
        supported = sum(each.worth_imitating(pairs[key].label) for key, each in self.rationales.current.items())
        return health(completions, labels) | {"supported": supported / max(1, len(pairs))}

    def _fill_store(self) -> None:
        """Sample what may be replayed from the first step on: pairs as they are drawn after the last step."""
        recipe = self.recipe
        steps = range(recipe.steps, recipe.steps + -(-recipe.first_rationales // recipe.batch))
        pairs = [pair for each in steps for pair in self.curriculum.draw(each)][: recipe.first_rationales]
        _, parsed = self._write(pairs, recipe.seed * 1_000_003 + recipe.steps)
        self.rationales.keep([pair.label for pair in pairs], parsed)

    def _write(self, pairs: Sequence[Drawn], seed: int) -> tuple[list[Completion], list[Rationale | None]]:
        """A completion of the thinking prompt for each pair, and what can be read of each."""
        completions = self.parallel.run_alone(
            lambda: write_rationales(
                self.parts.features,
                [pair.places() for pair in pairs],
                temperature=self.recipe.temperature,
                max_new_tokens=self.recipe.max_new_tokens,
                seed=seed,
            )
        )
        return completions, [read_rationale(self.parts.features, each) for each in completions]

    def measure(self) -> dict[str, Any]:
        """Scores and rationales of the validation pairs (`held_out.measure`)."""
        labels = [bool(pair.label) for pair in self.held_out]
        return self.parallel.run_alone(lambda: measure(self.recipe, self.parts, self.held_out_places, labels))


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
