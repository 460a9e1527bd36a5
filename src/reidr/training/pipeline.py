"""`reidr train RECIPE`: every stage of the method, one after the other; finished stages are skipped."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from reidr.core.progress import progress
from reidr.core.run import Run, environment
from reidr.data.load import load_dataset
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.data.types import ReIDDataset
from reidr.training.grpo.stage import rl_stage
from reidr.training.pairs.stage import pairs_stage
from reidr.training.plan import STAGES, check_sections, plan
from reidr.training.pretraining.finished import pretraining_recipe
from reidr.training.pretraining.stage import pretraining_stage
from reidr.training.recipes.data_sets import data_path
from reidr.training.recipes.find import find_recipe
from reidr.training.sampling.stage import sample_stage
from reidr.training.tuning.stage import tuning_stage
from reidr.training.warmup.stage import warmup_stage

__all__ = ["QUICK", "STAGES", "evaluate_reasoner", "plan", "train_all", "unseen_search"]
SEEDED = ("warmup", "sample", "rl")
Changes = dict[str, dict[str, Any]]

SMALL = {"epochs": 1, "batch_persons": 8, "attributes": 1.0}
QUICK: Changes = {
    "pretraining": {
        "data": [],
        "vision_encoder": [
            {**SMALL, "network": {"height": 128, "width": 64}},
            {**SMALL, "network": {"height": 192, "width": 96}},
        ],
        "vision_encoder_street_people": 24,
        "street_people": 24,
        "attribute_streets": 1,
        "attribute_street_people": 8,
        "attribute_head_steps": 40,
        "steps": 40,
        "warmup_steps": 5,
        "second_pass": {"steps": 20, "batch": 24, "warmup_steps": 2},
    },
    "pairs": {"pairs": 300, "held_out_pairs": 60, "held_out_street_people": 16},
    "warmup": {"steps": 12, "batch": 12, "regenerate": 6, "measure_every": 6, "measure_pairs": 40, "warmup_steps": 2},
    # After forty steps no rollout is parsable, so none passes: pairs are chosen at random.
    "sample": {"rollouts": 2, "rule": "random", "budget_share": 0.3, "max_new_tokens": 40},
    "rl": {"steps": 3, "pairs": 4, "num_generations": 4, "backward_rows": 16, "max_new_tokens": 40},
}
"""What `--quick` changes: rendered people alone, few people, few steps. It shows that all stages run, nothing more."""


def train_all(
    recipe: str,
    folder: Path,
    pretraining: Path | None = None,
    quick: bool = False,
    retriever: str = "nano",
    seed: int | None = None,
) -> Path:
    """Pretraining, pairs, warm-up, sampling, reinforcement learning, tuning, evaluation; returns the HTML report.

    Args:
        folder: the stages' run folders are made in it, each resumable; a finished stage does nothing.
        pretraining: run folder of a finished pretraining to start from instead of a new one.
        retriever: retriever by name or folder (`reidr train retriever`), for tuning and for the page.
        seed: of warm-up, sampling and reinforcement learning, instead of the recipe's. They and the page then go to
            `folder/seed-N`: runs of several seeds share pretraining and pairs.
    """
    changes: Changes = QUICK if quick else {}

    def of(stage: str, **more: Any) -> dict[str, Any]:
        seeded = {} if seed is None or stage not in SEEDED else {"seed": seed}
        return {**changes.get(stage, {}), **seeded, **more}

    check_sections(recipe)
    own = folder if seed is None else folder / f"seed-{seed}"
    started = time.perf_counter()
    # The stages have run folders of their own; this one holds the page and protects it from other runs.
    run = Run(own, "train", {"recipe": find_recipe(recipe).stem, "quick": quick, "seed": seed})
    if pretraining is None:
        pretraining = folder / "pretraining"
        pretraining_stage(recipe, pretraining, of("pretraining"))
    pretraining_recipe(pretraining)  # another folder is refused before an hour is spent
    pairs = pairs_stage(recipe, folder / "pairs", of("pairs", pretraining=str(pretraining)))
    warm = warmup_stage(recipe, own / "warmup", of("warmup", model=str(pretraining / "model"), pairs=str(pairs)))
    sampled = sample_stage(recipe, own / "sample", of("sample", model=str(warm), pairs=str(pairs)))
    model = rl_stage(recipe, own / "rl", of("rl", model=str(warm), sampled=str(sampled)))
    if not (model / "tuning_log.json").is_file():
        tuning_stage(recipe, model, of("pretraining"), retriever=retriever, queries=40 if quick else 200)
    page = evaluate_reasoner(model, pretraining, own, quick, retriever)
    run.finish("train", started, report=page.name)
    return page


def evaluate_reasoner(model: Path, pretraining: Path, folder: Path, quick: bool, retriever_name: str = "nano") -> Path:
    """The page of a search in data that no stage has used: the photos' test split where there is one, else a street.

    Candidates are ordered by the inference profile that `tuning_stage` has stored, as in `find` and `evaluate`. One
    tuned on rendered people alone has the weight 0 and so keeps the retriever's order, also on a street.
    """
    from reidr.evaluation.experiment.experiment import run_experiment
    from reidr.evaluation.experiment.outcome import settings_of
    from reidr.fusion.profile import stored_profile
    from reidr.reasoning.backends.loading import load_reasoner
    from reidr.report import write_report
    from reidr.report.build import build_report
    from reidr.report.files.store import save_report
    from reidr.retrieval.embedders.registry import load_embedder

    reasoner, retriever, profile = load_reasoner(model), load_embedder(retriever_name), stored_profile(model)
    dataset = unseen_search(pretraining, folder)
    settings = settings_of(profile, think=3, queries=20 if quick else 200)
    outcomes = run_experiment(dataset, retriever, reasoner, settings, progress)
    order = profile.reranker().name if profile.fusion == "fitted" else f"fusion weight {profile.weight:g}"
    facts = environment() | {"reasoner": str(model), "order": order, "data set": dataset.name}
    remarks = reasoner.counts.sentences()
    page = build_report(outcomes, title=dataset.name, notice=profile.notice, facts=facts, remarks=remarks)
    save_report(page, folder)
    return write_report(page, folder)


def unseen_search(pretraining: Path, folder: Path) -> ReIDDataset:
    """The first photo set of the pretraining with a test split, else a rendered street of people no stage used."""
    for name in pretraining_recipe(pretraining).data:
        dataset = load_dataset(data_path(name))
        if dataset.query and dataset.gallery:
            return dataset
    settings = StreetSettings(seed=71, test_people=30, distractors=100, junk=10)
    return render_street(folder / "street-test", settings)
