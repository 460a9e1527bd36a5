"""One evaluation, whole: embed, search, re-rank, ask the reasoner, and measure every row on the same queries."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reidr.data.protocols.dataset_overlap import check_unseen
from reidr.data.protocols.trial import Trial, check_belongs, find_protocol, trials
from reidr.data.types import ReIDDataset
from reidr.evaluation.experiment.candidate_scoring import Scores
from reidr.evaluation.experiment.compared_methods import METHODS, chosen_methods, compared_row
from reidr.evaluation.experiment.outcome import DEPTH, Outcome, Progress, Settings
from reidr.evaluation.experiment.profile_row import ProfileResult, profile_row
from reidr.evaluation.experiment.rows import Row
from reidr.evaluation.experiment.search import MethodName, TrialSearch
from reidr.evaluation.features.given import GivenFeatures
from reidr.evaluation.metrics import evaluate_features, oracle_at_k
from reidr.fusion.gallery_size import stored_rule
from reidr.retrieval.embedders.embedder import Embedder, facts_of
from reidr.retrieval.gallery import Gallery
from reidr.retrieval.rerankers.csls import with_csls
from reidr.retrieval.tracks import pool_tracks

if TYPE_CHECKING:
    from reidr.reasoning.backends.local import Backend


def run_experiment(
    dataset: ReIDDataset,
    retriever: Embedder,
    reasoner: Backend | None,
    settings: Settings,
    progress: Progress,
    baselines: Sequence[Embedder] = (),
) -> list[Outcome]:
    """Measure every row on `dataset`; one outcome per trial of the protocol (most have one).

    `baselines` are measured as rows of their own beside the retriever. Raises DataError when nothing can be searched.
    """
    protocol = find_protocol(settings.protocol or dataset.protocol)
    check_belongs(protocol, dataset.name, dataset.kind)
    check_unseen(protocol, dataset, training_data_of(retriever, reasoner))
    models = Models(retriever, reasoner, tuple(baselines))
    known: Scores = {}
    return [
        _run_trial(dataset, trial, models, settings, progress, known)
        for trial in trials(dataset, protocol, settings.seed, queries=settings.queries)
    ]


@dataclass(frozen=True)
class Models:
    """What is measured: the retriever, the reasoner beside it, and other embedders."""

    retriever: Embedder
    reasoner: Backend | None
    baselines: tuple[Embedder, ...] = ()


def training_data_of(retriever: Embedder, reasoner: Backend | None) -> dict[str, tuple[str, ...]]:
    """What each model says it was trained on, by its name."""
    data = {f"retriever {retriever.name}": tuple(facts_of(retriever).trained_on)}
    return data if reasoner is None else data | {f"reasoner {reasoner.name}": reasoner.card.trained_on}


def _run_trial(
    dataset: ReIDDataset,
    trial: Trial,
    models: Models,
    settings: Settings,
    progress: Progress,
    known: Scores,
) -> Outcome:
    baselines = [_baseline_row(trial, embedder, settings, progress) for embedder in models.baselines]
    started = time.perf_counter()
    queries, gallery, trial = embed_trial(trial, models.retriever, settings.cache, progress)
    shown = gallery.search(queries, DEPTH)
    ranked = gallery.search(queries, DEPTH, excluded=trial.excluded)
    measure = partial(
        evaluate_features,
        queries.features,
        gallery.features,
        **trial.arguments(),
        average_precision=settings.average_precision,
    )
    name = f"retriever {models.retriever.name}"
    base = Row(name, measure(), seconds=time.perf_counter() - started, role="retriever")
    search = TrialSearch(
        trial, queries, gallery, ranked, min(settings.k, ranked.k), settings, measure, progress, name, models.reasoner,
        known,
    )  # fmt: skip
    rows, result = method_rows(search)
    perfect = oracle_at_k(search.ranked.top(search.k), trial.shows_person(search.ranked.indices[:, : search.k]))
    note = "a perfect verifier of the retriever's first k"
    oracle = search.row(MethodName(f"oracle@{settings.k}", "oracle", str(settings.k), (name,)), perfect, note=note)
    return Outcome(
        dataset.name,
        trial,
        (base, *baselines, *rows, oracle),
        search.ranked,
        shown,
        settings=settings,
        stored_rule=stored_rule(models.retriever),
        problems=(*queries.problems, *gallery.problems),
        verdicts=search.verdicts,
        **({} if result is None else result.fields()),
    )


def method_rows(search: TrialSearch) -> tuple[list[Row], ProfileResult | None]:
    """The rows of all methods but retriever, baselines and oracle: those that ask nobody first, then the reasoner's
    by its profile, then the others."""
    settings = search.settings
    if settings.profile.csls:
        started = time.perf_counter()
        search.ranked = with_csls(search.ranked, search.gallery.features, junk=search.trial.junk)
        search.seconds["CSLS"] = time.perf_counter() - started
    named = dict.fromkeys([*chosen_methods(settings.compare), *(["thinking"] if settings.think else [])])
    search.csls_row = "csls" in named and search.ranked.local is not None
    plain = [name for name in named if name in METHODS and not METHODS[name].needs_reasoner]
    rows = [compared_row(search, name, None) for name in plain]
    result = None if search.reasoner is None else profile_row(search)
    rows += [] if result is None else [result.row]
    rows += [compared_row(search, name, result) for name in named if name not in plain]
    return [row for row in rows if row is not None], result


def _baseline_row(trial: Trial, embedder: Embedder, settings: Settings, progress: Progress) -> Row:
    """Another embedder alone."""
    started = time.perf_counter()
    queries, gallery, usable = embed_trial(trial, embedder, settings.cache, progress)
    result = evaluate_features(
        queries.features, gallery.features, **usable.arguments(), average_precision=settings.average_precision
    )
    seconds, name = time.perf_counter() - started, f"baseline {embedder.name}"
    return Row(name, result, seconds=seconds, role="baseline", variant=embedder.name)


def embed_trial(
    trial: Trial, embedder: Embedder, cache: Path | None, progress: Progress
) -> tuple[Gallery, Gallery, Trial]:
    """Embedded queries and gallery, and the trial of the crops (or the tracklets) that could be read."""
    if isinstance(embedder, GivenFeatures):
        queries, gallery = embedder.galleries(trial.query, trial.gallery)
    else:
        with progress(f"embedding with {embedder.name}", len(trial.query) + len(trial.gallery)) as advance:
            queries = Gallery.build(trial.query, embedder, cache=cache, advance=advance)
            gallery = Gallery.build(trial.gallery, embedder, cache=cache, advance=advance)
    if trial.protocol.tracklets:
        queries, gallery = pool_tracks(queries), pool_tracks(gallery)
    return queries, gallery, replace(trial, query=queries.crops, gallery=gallery.crops)
