"""The last stage of `reidr train RECIPE`: pages of searches in data that no stage has used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reidr.core.progress import progress
from reidr.core.run import environment, prepare_folder
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.data.types import ReIDDataset
from reidr.training.pretraining.finished import pretraining_recipe
from reidr.training.recipes.data_sets import load_named
from reidr.training.recipes.evaluation import EvaluationRecipe


@dataclass(frozen=True)
class Evaluated:
    """Which reasoner is measured beside which retriever (name or folder), and how."""

    model: Path
    retriever: str
    settings: EvaluationRecipe


def evaluate_reasoner(model: Path, pretraining: Path, folder: Path, quick: bool, retriever_name: str = "lite") -> Path:
    """The page of a search in data that no stage has used: the photos' test split where there is one, else a street.

    Candidates are ordered by the inference profile that `tuning_stage` has stored, as in `find` and `evaluate`. One
    tuned on rendered people alone has the weight 0 and so keeps the retriever's order, also on a street.
    """
    dataset = unseen_search(pretraining, folder)
    settings = EvaluationRecipe(think=3, queries=20 if quick else 200)
    return write_page(Evaluated(model, retriever_name, settings), dataset, folder)


def evaluate_data_sets(measured: Evaluated, entries: Sequence[str], folder: Path) -> dict[str, Path]:
    """A page for each of the data sets that has a test split, in `folder/NAME`; their HTML files by the sets' names.

    A page that is there already is not measured again.
    """
    pages: dict[str, Path] = {}
    for entry in entries:
        dataset = load_named(entry)
        if not (dataset.query and dataset.gallery):
            continue
        page = folder / dataset.name / "report.html"
        pages[dataset.name] = page if page.is_file() else write_page(measured, dataset, page.parent)
    return pages


def write_page(measured: Evaluated, dataset: ReIDDataset, folder: Path) -> Path:
    """Measure on the test split of `dataset`; writes the page and its numbers (`metrics.json`, …) to `folder`."""
    from reidr.evaluation.experiment.experiment import run_experiment
    from reidr.evaluation.experiment.outcome import settings_of
    from reidr.fusion.profile import stored_profile
    from reidr.reasoning.backends.loading import load_reasoner
    from reidr.report import write_report
    from reidr.report.build import build_report
    from reidr.report.files.store import save_report
    from reidr.retrieval.embedders.registry import load_embedder

    prepare_folder(folder)
    reasoner, retriever = load_reasoner(measured.model), load_embedder(measured.retriever)
    profile, asked = stored_profile(measured.model), measured.settings
    settings = settings_of(profile, k=asked.k, think=asked.think, queries=asked.queries, seed=asked.seed)
    outcomes = run_experiment(dataset, retriever, reasoner, settings, progress)
    order = profile.reranker().name if profile.fusion == "fitted" else f"fusion weight {profile.weight:g}"
    facts = environment() | {"reasoner": str(measured.model), "order": order, "data set": dataset.name}
    remarks = reasoner.counts.sentences()
    page = build_report(outcomes, title=dataset.name, notice=profile.notice, facts=facts, remarks=remarks)
    save_report(page, folder)
    return write_report(page, folder)


def unseen_search(pretraining: Path, folder: Path) -> ReIDDataset:
    """The first photo set of the pretraining with a test split, else a rendered street of people no stage used."""
    for name in pretraining_recipe(pretraining).data:
        dataset = load_named(name)
        if dataset.query and dataset.gallery:
            return dataset
    settings = StreetSettings(seed=71, test_people=30, distractors=100, junk=10)
    return render_street(folder / "street-test", settings)
