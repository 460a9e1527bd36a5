"""What is watched during reinforcement learning: held-out pairs, and the page with curves and rollouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from transformers import TrainerCallback

from reidr.core.storage.json_lines import read_json_lines
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.types import Pair
from reidr.report.trained.training_page import groups_of, write_training_page
from reidr.training.common.log import TrainingLog
from reidr.training.grpo.statistics import low_leverage
from reidr.training.pairs.table import read_pairs
from reidr.training.recipes.grpo import ReinforcementRecipe
from reidr.training.warmup.curriculum import choose_measured
from reidr.training.warmup.examples import WarmupModel
from reidr.training.warmup.held_out import measure
from reidr.training.warmup.rationales import rounded

COMPLETIONS = "completions.jsonl"


def watchers(
    recipe: ReinforcementRecipe,
    pairs: Sequence[Pair],
    checkpoint: tuple[Any, Any],
    log: TrainingLog,
    whole: Callable[[], AbstractContextManager[None]],
) -> list[TrainerCallback]:
    """The callbacks of a recipe.

    Args:
        checkpoint: the model without LoRA around it (adapters are active inside it), and its processor.
        whole: within it each process has all weights, also where they are sharded.

    Raises:
        DataError: the file of held-out pairs cannot be read.
    """
    found: list[TrainerCallback] = [RolloutPage(pairs, log)]
    if recipe.measure_every and recipe.held_out is not None:
        held_out = choose_measured(read_pairs(recipe.held_out, "held_out"), recipe.measure_pairs, recipe.seed)
        if held_out:
            found.insert(0, HeldOutMeasurement(recipe, held_out, checkpoint, (log, whole)))
    return found


class HeldOutMeasurement(TrainerCallback):
    """Measures pairs of people from whom nothing is learned: before the first step, and every `measure_every` steps.

    All processes share the measurement; one writes.
    """

    def __init__(
        self,
        recipe: ReinforcementRecipe,
        pairs: Sequence[Pair],
        checkpoint: tuple[Any, Any],
        run: tuple[TrainingLog, Callable[[], AbstractContextManager[None]]],
    ) -> None:
        """`run`: its log, and the context in which each process has all weights."""
        self.recipe = recipe
        self.log, self.whole = run
        self.base, processor = checkpoint
        crops = {crop.id: crop for pair in pairs for crop in (pair.query, pair.candidate)}
        place = {name: number for number, name in enumerate(crops)}
        self.places = [(place[pair.query.id], place[pair.candidate.id]) for pair in pairs]
        self.labels = [bool(pair.label) for pair in pairs]
        # The vision encoder is frozen: its features are computed once.
        self.model = WarmupModel(self.base, CropFeatures(self.base, processor, [crop.open for crop in crops.values()]))

    def on_train_begin(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        """The measurement that later ones are compared with, unless the training is a resumed one."""
        if state.global_step == 0 and not self.log.read():
            self._measure(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        """Every `measure_every` steps, and after the last one."""
        if state.global_step % self.recipe.measure_every == 0 or state.global_step == state.max_steps:
            self._measure(state)

    def _measure(self, state: Any) -> None:
        training, generator = self.base.training, torch.get_rng_state()
        self.base.eval()
        try:
            with self.whole():
                measured = measure(self.recipe, self.model, self.places, self.labels)
        finally:
            self.base.train(training)
            torch.set_rng_state(generator)  # a training that is watched takes the steps of one that is not
        if state.is_world_process_zero:
            self.log.append(rounded({"step": state.global_step, **measured}))


class RolloutPage(TrainerCallback):
    """Writes `training.html` at every checkpoint and at the end."""

    def __init__(self, pairs: Sequence[Pair], log: TrainingLog) -> None:
        self.log = log
        self.pictures = {crop.id: crop.image for pair in pairs for crop in (pair.query, pair.candidate)}
        self.number = len(pairs)

    def on_save(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        """A page with what there is so far."""
        self._write(state)

    def on_train_end(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        """The whole page."""
        self._write(state)

    def _write(self, state: Any) -> None:
        if not state.is_world_process_zero:
            return
        folder = self.log.path.parent
        groups = groups_of(read_json_lines(folder / COMPLETIONS), self.pictures)
        steps = f"{state.global_step} of {state.max_steps}"
        facts: dict[str, str | int | float] = {"steps": steps, "pairs": self.number}
        if problem := low_leverage(self.log.read()):
            facts["leverage"] = problem
        write_training_page(folder, f"Reinforcement learning in {folder.name}", self.log.read(), groups, facts)
