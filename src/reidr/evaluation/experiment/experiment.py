"""One evaluation, whole: embed, search, re-rank, ask the reasoner, and measure every row on the same queries."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reidr.data.protocols.dataset_overlap import check_unseen
from reidr.data.protocols.trial import Trial, check_belongs, find_protocol, trials
from reidr.data.types import Crop, ReIDDataset
from reidr.evaluation.experiment.candidate_scoring import matches_of
from reidr.evaluation.experiment.outcome import DEPTH, Outcome, Progress, Row, Settings
from reidr.evaluation.experiment.reasoner_rows import ask_reasoner
from reidr.evaluation.experiment.trial_reranking import rerank_trial
from reidr.evaluation.features.given import GivenFeatures
from reidr.evaluation.metrics.ranking import evaluate_features, oracle_at_k
from reidr.retrieval.embedders.embedder import Embedder
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
    pairs_seen: dict[tuple[str, str], float] = {}
    return [
        _run_trial(dataset.name, trial, retriever, reasoner, settings, progress, baselines, pairs_seen)
        for trial in trials(dataset, protocol, settings.seed, queries=settings.queries)
    ]


def training_data_of(retriever: Embedder, reasoner: Backend | None) -> dict[str, tuple[str, ...]]:
    """What each model says it was trained on, by its name."""
    data = {f"retriever {retriever.name}": tuple(getattr(retriever, "trained_on", ()))}
    return data if reasoner is None else data | {f"reasoner {reasoner.name}": reasoner.card.trained_on}


def _run_trial(
    name: str,
    trial: Trial,
    retriever: Embedder,
    reasoner: Backend | None,
    settings: Settings,
    progress: Progress,
    baselines: Sequence[Embedder],
    pairs_seen: dict[tuple[str, str], float],
) -> Outcome:
    rows: list[Row] = []
    problems: list[str] = []
    rule: dict[str, Any] = {"average_precision": settings.average_precision}
    for embedder in baselines:
        started = time.perf_counter()
        queries, gallery, usable = embed_trial(trial, embedder, settings.cache, progress)
        result = evaluate_features(queries.features, gallery.features, **usable.arguments(), **rule)
        seconds = time.perf_counter() - started
        rows.append(Row(f"baseline {embedder.name}", result, seconds=seconds, variant=embedder.name))
    started = time.perf_counter()
    queries, gallery, trial = embed_trial(trial, retriever, settings.cache, progress)
    problems += [*queries.problems, *gallery.problems]
    shown = gallery.search(queries, DEPTH)
    ranked = gallery.search(queries, DEPTH, excluded=trial.excluded)
    arguments = {**trial.arguments(), **rule}
    base = evaluate_features(queries.features, gallery.features, **arguments)
    rows.insert(0, Row(f"retriever {retriever.name}", base, seconds=time.perf_counter() - started))
    if settings.csls:
        started = time.perf_counter()
        ranked = with_csls(ranked, gallery.features, junk=trial.junk)
        if ranked.local is not None:
            scaled = ranked.reordered(ranked.local, "CSLS")
            result = evaluate_features(queries.features, gallery.features, **arguments, reranked=scaled)
            note = f"its first {ranked.k}, cosines less those of both sides' surroundings"
            seconds = time.perf_counter() - started
            rows.append(Row("CSLS", result, seconds=seconds, note=note, variant="CSLS"))
    again = None
    if settings.k_reciprocal and len(gallery) > 2 and not trial.draws_per_query:
        started = time.perf_counter()
        # Whole lists of a large gallery would fill the memory; crops that share no neighbour with the query, which is
        # all but a few hundred, keep the retriever's order anyway.
        again = rerank_trial(trial, queries, gallery, max(1000, 20_000_000 // len(queries)))
        result = evaluate_features(queries.features, gallery.features, **arguments, reranked=again)
        note = again.made_by[-1]
        seconds = time.perf_counter() - started
        rows.append(Row("k-reciprocal", result, seconds=seconds, note=note, variant="k-reciprocal"))

    k = min(settings.k, ranked.k)
    told = None
    if reasoner is not None:
        measure = partial(evaluate_features, queries.features, gallery.features, **arguments)
        told = ask_reasoner(trial, ranked, again, k, reasoner, settings, measure, progress, pairs_seen)
        rows += told.rows
    perfect = evaluate_features(
        queries.features,
        gallery.features,
        **arguments,
        reranked=oracle_at_k(ranked.top(k), matches_of(trial, ranked, k)),
    )
    rows.append(Row(f"oracle@{settings.k}", perfect, note="a perfect verifier of the retriever's first k"))
    found = {} if told is None else told.found()
    thresholds = getattr(retriever, "thresholds", {})
    return Outcome(
        name,
        trial,
        tuple(rows),
        ranked,
        shown,
        settings=settings,
        thresholds=thresholds,
        problems=tuple(problems),
        **found,
    )


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


def mean_metrics(outcomes: Sequence[Outcome], position: int) -> dict[str, float]:
    """Metrics of one row, averaged over the trials of a protocol with draws."""
    each: list[dict[str, float]] = [outcome.rows[position].metrics() for outcome in outcomes]
    return {name: float(np.mean([metrics[name] for metrics in each])) for name in each[0]}


def crops_by_id(crops: Sequence[Crop]) -> dict[str, Crop]:
    """Look-up table of crops."""
    return {crop.id: crop for crop in crops}
