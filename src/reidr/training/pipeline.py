"""`reidr train RECIPE`: every stage of the method, one after the other; finished stages are skipped."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reidr.core.run import Run
from reidr.errors import DataError
from reidr.training.evaluate import Evaluated, evaluate_data_sets, evaluate_reasoner, unseen_search
from reidr.training.grpo.stage import rl_stage
from reidr.training.pairs.stage import pairs_stage
from reidr.training.plan import STAGES, check_sections, data_of, plan, starts_from_pretraining
from reidr.training.pretraining.finished import pretraining_recipe
from reidr.training.pretraining.stage import pretraining_stage
from reidr.training.processes.joining import across_processes
from reidr.training.processes.team import processes
from reidr.training.quick import QUICK, QUICK_CHECKPOINT, Changes
from reidr.training.recipes.data_sets import data_name
from reidr.training.recipes.evaluation import EvaluationRecipe
from reidr.training.recipes.find import find_recipe, read_recipe, stage_values
from reidr.training.recipes.pairs import PairsRecipe
from reidr.training.retriever.stage import retriever_stage
from reidr.training.sampling.stage import sample_stage
from reidr.training.tuning.stage import TuningOptions, check_tunable, tuning_stage
from reidr.training.warmup.stage import warmup_stage

__all__ = ["QUICK", "STAGES", "evaluate_reasoner", "plan", "train_all", "unseen_search"]
SEEDED = ("warmup", "sample", "rl")
LOGGED = ("warmup", "rl")
EACH = "each"


@dataclass(frozen=True)
class Choices:
    """What `reidr train RECIPE` may be told beside recipe and folder.

    Attributes:
        pretraining: run folder of a finished pretraining to start from instead of a new one.
        quick: few people, pairs and steps, to test that all stages run.
        retriever: by name or folder, for tuning and for the pages; None: the one that the recipe's section `retriever`
            trains, or the shipped `nano` for a recipe with a pretraining.
        seed: of warm-up, sampling and reinforcement learning, instead of the recipe's. They and the pages then go to
            `folder/seed-N`: runs of several seeds share pretraining, retriever and pairs.
        data: data sets to train on instead of the recipe's, as `NAME`, `PATH` or `NAME=PATH`.
        leave_out: name of one of them on which nothing is trained and everything is measured; "each": every one in its
            turn. Such a run goes to `folder/without-NAME`.
        report_to: where warm-up and reinforcement learning report their curves; None: as the recipe says.
    """

    pretraining: Path | None = None
    quick: bool = False
    retriever: str | None = None
    seed: int | None = None
    data: Sequence[str] = ()
    leave_out: str | None = None
    report_to: str | None = None


@across_processes
def train_all(recipe: str, folder: Path, **choices: Any) -> Path:
    """All stages of a recipe; returns the HTML page.

    A recipe with a section `pretraining` goes through pretraining, pairs, warm-up, sampling, reinforcement learning,
    tuning and evaluation. One that starts from somebody else's checkpoint trains a retriever instead.

    Several processes share pairs, warm-up, sampling and reinforcement; the first does the rest, and the others wait.

    Args:
        folder: the stages' run folders are made in it, each resumable; a finished stage does nothing.
        choices: fields of `Choices`.

    Raises:
        RecipeError, DataError: a section that is wrong, data that is missing, or a retriever that knows people on whom
            fusion would be tuned; all before the first stage.
    """
    chosen = Choices(**choices)
    if chosen.leave_out is None:
        return WholeTraining(recipe, folder, chosen).run()
    names = {data_name(entry): entry for entry in chosen.data or data_of(recipe)}
    left_out = list(names) if chosen.leave_out == EACH else [chosen.leave_out]
    for name in left_out:
        if name not in names or len(names) < 2:
            raise DataError(f"{name}: cannot be left out of the data sets {', '.join(names) or 'none'}")
    for name in left_out:
        others = [entry for each, entry in names.items() if each != name]
        whole = WholeTraining(recipe, folder / f"without-{name}", chosen, others, [names[name]])
        page = whole.run()
    if len(left_out) > 1:
        from reidr.report.trained.results_table import write_results_table

        page = processes().from_first(lambda: write_results_table([folder], folder))
    return page


class WholeTraining:
    """One pass through all stages of a recipe."""

    def __init__(
        self,
        recipe: str,
        folder: Path,
        chosen: Choices,
        data: Sequence[str] = (),
        measured: Sequence[str] = (),
    ) -> None:
        """`data`: entries to train on instead of the chosen ones; `measured`: entries to evaluate on beside those."""
        self.recipe, self.folder, self.chosen = recipe, folder, chosen
        self.data, self.measured = tuple(data or chosen.data), tuple(measured)
        self.pretrains = starts_from_pretraining(recipe)
        self.own = folder if chosen.seed is None else folder / f"seed-{chosen.seed}"
        self.team = processes()

    def changes(self, stage: str, **more: Any) -> dict[str, Any]:
        """What is put over the recipe's section of a stage."""
        quick: Changes = (QUICK if self.pretrains else QUICK_CHECKPOINT) if self.chosen.quick else {}
        section = read_recipe(find_recipe(self.recipe)).get(stage, {})
        found: dict[str, Any] = {
            name: {**section.get(name, {}), **value} if isinstance(value, dict) else value
            for name, value in quick.get(stage, {}).items()
        }
        if self.chosen.seed is not None and stage in SEEDED:
            found["seed"] = self.chosen.seed
        if self.chosen.report_to is not None and stage in LOGGED:
            found["report_to"] = self.chosen.report_to
        takes_data = ("pretraining",) if self.pretrains else ("pairs", "retriever")
        if self.data and stage in takes_data:
            found["data"] = self.data
        return {**found, **more}

    def run(self) -> Path:
        """All stages; returns the page of results."""
        check_sections(self.recipe)
        started = time.perf_counter()
        # The stages have run folders of their own; this one holds the pages and protects them from other runs.
        settings = {"recipe": find_recipe(self.recipe).stem, "quick": self.chosen.quick, "seed": self.chosen.seed}
        run = Run(self.own, "train", settings)
        page = self._pretrained() if self.pretrains else self._of_checkpoint()
        run.finish("train", started, report=page.relative_to(self.own).as_posix())
        return page

    def _pretrained(self) -> Path:
        chosen, retriever = self.chosen, self.chosen.retriever or "lite"
        self._check_tunable(self.changes("pretraining"), retriever)
        pretraining = chosen.pretraining
        if pretraining is None:
            pretraining = self.folder / "pretraining"
            run = self.folder / "pretraining"
            self.team.from_first(lambda: pretraining_stage(self.recipe, run, self.changes("pretraining")))
        pretraining_recipe(pretraining)  # another folder is refused before an hour is spent
        changes = self.changes("pairs", pretraining=str(pretraining))
        pairs = pairs_stage(self.recipe, self.folder / "pairs", changes)
        model = self._reasoner(pairs, {"model": str(pretraining / "model")})
        how = TuningOptions(queries=40 if chosen.quick else 200)
        self._tune(model, self.changes("pretraining"), retriever, how)
        start = pretraining
        return self.team.from_first(lambda: evaluate_reasoner(model, start, self.own, chosen.quick, retriever))

    def _of_checkpoint(self) -> Path:
        """The stages of a recipe whose warm-up starts from a published checkpoint."""
        measured = self._evaluation()
        retriever, pairs = self.retriever_and_pairs()
        model = self._reasoner(pairs, {})
        changes = self.changes("pairs")
        self._tune(model, changes, retriever, TuningOptions(measured.k, measured.tuning_queries))
        mined = PairsRecipe.from_values(*stage_values(self.recipe, "pairs", changes))
        entries = measured.data or (*mined.data, *self.measured)
        return self.team.from_first(lambda: self._measure(Evaluated(model, retriever, measured), entries))

    def _measure(self, measured: Evaluated, entries: Sequence[str]) -> Path:
        """The pages of these data sets and the table of results; returns the latter."""
        from reidr.report.trained.results_table import write_results_table

        if not evaluate_data_sets(measured, entries, self.own / "evaluation"):
            raise DataError(f"none of {', '.join(entries)} has a test split; name others in the section 'evaluation'")
        return write_results_table([self.own], self.own)

    def _tune(self, model: Path, changes: dict[str, Any], retriever: str, how: TuningOptions) -> None:
        """`tuning_stage`, unless it is done; it writes into the reasoner's folder."""

        def tune() -> bool:
            if not (model / "tuning_log.json").is_file():
                tuning_stage(self.recipe, model, changes, retriever=retriever, how=how)
            return True

        self.team.from_first(tune)

    def _check_tunable(self, changes: dict[str, Any], retriever: str) -> None:
        def check() -> bool:
            check_tunable(self.recipe, changes, retriever)
            return True

        self.team.from_first(check)

    def retriever_and_pairs(self) -> tuple[str, Path]:
        """The retriever, by name or folder, and the file of pairs, of a recipe that starts from a checkpoint."""
        changes = self.changes("pairs")
        mined = PairsRecipe.from_values(*stage_values(self.recipe, "pairs", changes))
        retriever = self.chosen.retriever
        if retriever is None:
            # The same people are held out for tuning by the retriever and by the pairs.
            split = {"held_out_share": mined.held_out_share, "seed": mined.seed, "data": mined.data}
            folder = self.folder / "retriever"
            own = self.changes("retriever", **split)
            retriever = self.team.from_first(lambda: str(retriever_stage(self.recipe, folder, own)))
        self._check_tunable(changes, retriever)
        return retriever, pairs_stage(self.recipe, self.folder / "pairs", changes)

    def _evaluation(self) -> EvaluationRecipe:
        changes = self.changes("evaluation")
        if "evaluation" not in read_recipe(find_recipe(self.recipe)):
            return EvaluationRecipe.from_values(changes, "evaluation")
        return EvaluationRecipe.from_values(*stage_values(self.recipe, "evaluation", changes))

    def _reasoner(self, pairs: Path, start: dict[str, str]) -> Path:
        """Warm-up, sampling and reinforcement learning; the folder of the trained reasoner. `start`: the warm-up's."""
        recipe, own = self.recipe, self.own
        warm = warmup_stage(recipe, own / "warmup", self.changes("warmup", **start, pairs=str(pairs)))
        sampled = sample_stage(recipe, own / "sample", self.changes("sample", model=str(warm), pairs=str(pairs)))
        held_out = {"held_out": str(pairs)} if self._measures_held_out() else {}
        changes = self.changes("rl", **held_out, model=str(warm), sampled=str(sampled))
        return rl_stage(recipe, own / "rl", changes)

    def _measures_held_out(self) -> bool:
        values, _ = stage_values(self.recipe, "rl", self.changes("rl"))
        return bool(values.get("measure_every"))
