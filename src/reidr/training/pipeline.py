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
from reidr.training.plan import STAGES, check_sections, plan
from reidr.training.pretraining.shipped import shipped_base_stage
from reidr.training.pretraining.stage import base_stage
from reidr.training.reasoning_stages import base_recipe, pairs_stage, rl_stage, sample_stage, warmup_stage
from reidr.training.recipes.find import find_recipe
from reidr.training.tuning.stage import tuning_stage

__all__ = ["QUICK", "STAGES", "evaluate_reasoner", "plan", "train_all", "unseen_search"]
SEEDED = ("warmup", "sample", "rl")
Changes = dict[str, dict[str, Any]]

SMALL = {"epochs": 1, "batch_persons": 8, "attributes": 1.0}
QUICK: Changes = {
    "base": {
        "data": [],
        "vision_encoder": [
            {**SMALL, "network": {"height": 128, "width": 64}},
            {**SMALL, "network": {"height": 192, "width": 96}},
        ],
        "vision_encoder_street_people": 24,
        "street_people": 24,
        "street_twins": 0.2,
        "reading_streets": 1,
        "reading_people": 8,
        "attribute_head_steps": 40,
        "steps": 40,
        "warmup_steps": 5,
        "reading": {"steps": 20, "batch": 24, "warmup_steps": 2},
    },
    "pairs": {"pairs": 300, "held_out_pairs": 60, "held_out_street_people": 16},
    "warmup": {"steps": 12, "batch": 12, "regenerate": 6, "measure_every": 6, "measure_pairs": 40, "warmup_steps": 2},
    # Forty steps teach no grammar, so no rollout passes: pairs are taken by lot.
    "sample": {"rollouts": 2, "rule": "random", "budget_share": 0.3, "max_new_tokens": 40},
    "rl": {"steps": 3, "pairs": 4, "group": 4, "backward_rows": 16, "max_new_tokens": 40},
}
"""What `--quick` changes: the street alone, few people, few steps. It shows that all stages run, not that they help."""


def train_all(
    recipe: str,
    folder: Path,
    base: Path | None = None,
    quick: bool = False,
    retriever: str = "nano",
    seed: int | None = None,
) -> Path:
    """Base, pairs, warm-up, sampling, reinforcement, fusion weight, evaluation; returns the HTML report.

    Args:
        folder: the stages' run folders are made in it, each resumable; a finished stage does nothing.
        base: run folder of a finished base to start from instead of teaching one, or the name of one that ships.
        retriever: whom the reasoner is to stand beside, by name or folder (`reidr train retriever`): weights are chosen
            and the page is made with it.
        seed: of warm-up, sampling and reinforcement, instead of the recipe's. They and the page then go to
            `folder/seed-N`: runs of several seeds share base and pairs.
    """
    changes: Changes = QUICK if quick else {}

    def of(stage: str, **more: Any) -> dict[str, Any]:
        drawn = {} if seed is None or stage not in SEEDED else {"seed": seed}
        return {**changes.get(stage, {}), **drawn, **more}

    check_sections(recipe)
    own = folder if seed is None else folder / f"seed-{seed}"
    started = time.perf_counter()
    # The stages have runs of their own; this one keeps the page, which is nobody else's to write over.
    run = Run(own, "train", {"recipe": find_recipe(recipe).stem, "quick": quick, "seed": seed})
    if base is None:
        base = folder / "base"
        base_stage(recipe, base, of("base"))
    elif not base.is_dir():
        base = shipped_base_stage(recipe, folder / "base", of("base"), str(base))
    base_recipe(base)  # a folder that is no base run is refused before an hour is spent
    pairs = pairs_stage(recipe, folder / "pairs", of("pairs", base=str(base)))
    warm = warmup_stage(recipe, own / "warmup", of("warmup", model=str(base / "model"), pairs=str(pairs)))
    sampled = sample_stage(recipe, own / "sample", of("sample", model=str(warm), pairs=str(pairs)))
    model = rl_stage(recipe, own / "rl", of("rl", model=str(warm), sampled=str(sampled)))
    if not (model / "tuning_log.json").is_file():
        tuning_stage(recipe, model, of("base"), retriever=retriever, queries=40 if quick else 200)
    page = evaluate_reasoner(model, base, own, quick, retriever)
    run.finish("train", started, report=page.name)
    return page


def evaluate_reasoner(model: Path, base: Path, folder: Path, quick: bool, retriever_name: str = "nano") -> Path:
    """The page of a search that no stage has touched: the photos' test split where there is one, else a street."""
    from reidr.evaluation.experiment.experiment import run_experiment
    from reidr.evaluation.experiment.outcome import settings_of
    from reidr.fusion.profile import stored_profile
    from reidr.reasoning.backends.loading import load_reasoner
    from reidr.report import write_report
    from reidr.report.build import build_report
    from reidr.report.files.store import save_report
    from reidr.retrieval.embedders.retriever import Retriever

    reasoner, retriever, profile = load_reasoner(model), Retriever.load(retriever_name), stored_profile(model)
    dataset, weight = unseen_search(base, folder), profile.weight
    if dataset.name == "street-test" and profile.street_weight is not None:
        weight = profile.street_weight
    settings = settings_of(profile, think=3, weight=weight, queries=20 if quick else 200)
    outcomes = run_experiment(dataset, retriever, reasoner, settings, progress)
    facts = environment() | {"reasoner": str(model), "fusion weight": settings.weight, "data set": dataset.name}
    remarks = reasoner.counts.sentences()
    page = build_report(outcomes, title=dataset.name, notice=profile.notice, facts=facts, remarks=remarks)
    save_report(page, folder)
    return write_report(page, folder)


def unseen_search(base: Path, folder: Path) -> ReIDDataset:
    """The first of the base's photo sets that has a test split, else a rendered street of people seen by no stage."""
    for path in base_recipe(base).data:
        dataset = load_dataset(path)
        if dataset.query and dataset.gallery:
            return dataset
    settings = StreetSettings(seed=71, test_people=30, distractors=100, junk=10)
    return render_street(folder / "street-test", settings)
