"""One evaluation, whole: embed, search, re-rank, ask the reasoner, and measure every row on the same queries."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reidr.data.protocol import Trial, check_unseen, find_protocol, trials
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError
from reidr.evaluation.ranking import RankingResult, evaluate_features, oracle_at_k
from reidr.frame.progress import Advance
from reidr.reasoning.fusion import fuse, fuse_for_threshold
from reidr.reasoning.types import Pair, Verdict
from reidr.retrieval.embedder import Embedder
from reidr.retrieval.gallery import Gallery
from reidr.retrieval.k_reciprocal import k_reciprocal
from reidr.retrieval.ranking import RankedList

if TYPE_CHECKING:
    from reidr.reasoning.engine import Backend

Progress = Callable[[str, int], AbstractContextManager[Advance]]
DEPTH = 50  # ranked candidates kept per query: what pages and CMC curves show


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Attributes:
        k: candidates per query put before the reasoner.
        queries: sample this many queries (by `seed`); None takes all.
        think: candidates per query that the reasoner also thinks about in words; 0: it only scores.
        weight: fusion weight of the reasoner, chosen on training identities.
        k_reciprocal: also measure k-reciprocal re-ranking.
        protocol: name of the evaluation rule; None takes the data set's own.
        cache: folder of cached embeddings; None: no cache.
    """

    k: int = 10
    queries: int | None = None
    think: int = 0
    weight: float = 0.2
    k_reciprocal: bool = True
    protocol: str | None = None
    seed: int = 0
    batch: int = 32
    cache: Path | None = None


@dataclass(frozen=True, eq=False)
class Row:
    """One line of the table: a way of ranking, its result over the queries, and what it cost."""

    name: str
    result: RankingResult
    calls: int = 0
    seconds: float = 0.0
    note: str = ""

    def metrics(self) -> dict[str, float]:
        """mAP, rank1, rank5, rank10 and mINP as shares of 1."""
        return {
            "mAP": self.result.mean_average_precision,
            "rank1": self.result.rank(1),
            "rank5": self.result.rank(5),
            "rank10": self.result.rank(10),
            "mINP": self.result.mean_inverse_negative_penalty,
        }


@dataclass(frozen=True, eq=False)
class Outcome:
    """Everything measured on one trial, for tables and for the page.

    Attributes:
        ranked: the retriever's list, ignored crops left out. shown: the same with them, for showing what was dropped.
        scores: (Q, k) P(same) of the direct score, NaN where not asked; None without a reasoner.
        verdicts: by (query id, gallery id), where the reasoner thought.
        fused: the ranked list after the reasoner (thinking where there is any), None without one.
        thresholded: its first k by distances that are comparable across queries, for open-set thresholds.
        thresholds: the retriever's distances for "not in the gallery", by wanted FPIR.
        problems: one sentence per unusable picture.
    """

    dataset: str
    trial: Trial
    rows: tuple[Row, ...]
    ranked: RankedList
    shown: RankedList
    scores: NDArray[np.float64] | None = None
    verdicts: dict[tuple[str, str], Verdict] = field(default_factory=dict)
    fused: RankedList | None = None
    thresholded: RankedList | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def row(self, start: str) -> Row | None:
        """The first row whose name starts with `start`."""
        return next((row for row in self.rows if row.name.startswith(start)), None)


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
    check_unseen(protocol, dataset.name, getattr(retriever, "trained_on", ()))
    pairs_seen: dict[tuple[str, str], float] = {}
    return [
        _run_trial(dataset.name, trial, retriever, reasoner, settings, progress, baselines, pairs_seen)
        for trial in trials(sample_queries(dataset, settings.queries, settings.seed), protocol, settings.seed)
    ]


def sample_queries(dataset: ReIDDataset, number: int | None, seed: int) -> ReIDDataset:
    """The data set with `number` of its queries, drawn by `seed` and kept in order; all of them for None."""
    if number is None or number >= len(dataset.query):
        return dataset
    if number < 1:
        raise DataError("--queries must be at least 1")
    chosen = np.sort(np.random.default_rng(seed).choice(len(dataset.query), number, replace=False))
    return replace(dataset, query=tuple(dataset.query[i] for i in chosen))


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
    for embedder in baselines:
        started = time.perf_counter()
        queries, gallery, usable = embed_trial(trial, embedder, settings.cache, progress)
        result = evaluate_features(queries.features, gallery.features, **usable.arguments())
        rows.append(Row(f"baseline {embedder.name}", result, seconds=time.perf_counter() - started))
    started = time.perf_counter()
    queries, gallery, trial = embed_trial(trial, retriever, settings.cache, progress)
    problems += [*queries.problems, *gallery.problems]
    shown = gallery.search(queries, DEPTH)
    ranked = gallery.search(queries, DEPTH, excluded=trial.excluded)
    arguments = trial.arguments()
    base = evaluate_features(queries.features, gallery.features, **arguments)
    rows.insert(0, Row(f"retriever {retriever.name}", base, seconds=time.perf_counter() - started))
    if settings.k_reciprocal and len(gallery) > 2:
        started = time.perf_counter()
        # Whole lists of a large gallery would fill the memory; crops that share no neighbour with the query, which is
        # all but a few hundred, keep the retriever's order anyway.
        depth = min(len(gallery), max(1000, 20_000_000 // len(queries)))
        again = k_reciprocal(queries.features, gallery.features, queries.ids, gallery.ids, k=depth)
        result = evaluate_features(queries.features, gallery.features, **arguments, reranked=again)
        note = again.made_by[-1]
        rows.append(Row("k-reciprocal", result, seconds=time.perf_counter() - started, note=note))

    k = min(settings.k, ranked.k)
    scores, verdicts, fused, thresholded = None, dict[tuple[str, str], Verdict](), None, None
    if reasoner is not None:
        started = time.perf_counter()
        pairs, places = candidate_pairs(trial, ranked, k)
        known = [(pair.query.id, pair.candidate.id) for pair in pairs]
        todo = [i for i, key in enumerate(known) if key not in pairs_seen]
        with progress("scoring pairs", len(todo)) as advance:
            fresh = reasoner.score([pairs[i] for i in todo], batch_size=settings.batch, progress=steps_of(advance))
        pairs_seen.update({known[i]: float(value) for i, value in zip(todo, fresh, strict=True)})
        scores = np.full((len(ranked), k), np.nan)
        scores[places] = [pairs_seen[key] for key in known]
        fused = fuse(ranked, scores, settings.weight)
        thresholded = fuse_for_threshold(ranked, scores, settings.weight)
        result = evaluate_features(queries.features, gallery.features, **arguments, reranked=fused)
        seconds = time.perf_counter() - started
        note = f"direct score, both orders, weight {settings.weight:g}"
        rows.append(Row(f"reasoner {reasoner.name} direct", result, 2 * len(todo), seconds, note))
        if settings.think:
            started = time.perf_counter()
            pairs, places = candidate_pairs(trial, ranked, min(settings.think, k))
            with progress("thinking about pairs", len(pairs)) as advance:
                thoughts = reasoner.think(pairs, batch_size=settings.batch, progress=steps_of(advance))
            verdicts = {(p.query.id, p.candidate.id): v for p, v in zip(pairs, thoughts, strict=True)}
            after = scores.copy()
            after[places] = [verdict.evidence for verdict in thoughts]
            after = np.where(np.isnan(after), scores, after)
            fused = fuse(ranked, after, settings.weight)
            thresholded = fuse_for_threshold(ranked, after, settings.weight)
            result = evaluate_features(queries.features, gallery.features, **arguments, reranked=fused)
            seconds = time.perf_counter() - started
            parsed = np.mean([verdict.parsable for verdict in thoughts]) if thoughts else 1.0
            note = f"thinking about the first {settings.think}, {parsed:.0%} of answers parsable"
            rows.append(Row(f"reasoner {reasoner.name} thinking", result, len(pairs), seconds, note))
    truth = matches_of(trial, ranked, k)
    perfect = evaluate_features(
        queries.features, gallery.features, **arguments, reranked=oracle_at_k(ranked.top(k), truth)
    )
    rows.append(Row(f"oracle@{settings.k}", perfect, note="a perfect verifier of the retriever's first k"))
    return Outcome(
        name,
        trial,
        tuple(rows),
        ranked,
        shown,
        scores,
        verdicts,
        fused,
        thresholded,
        getattr(retriever, "thresholds", {}),
        tuple(problems),
    )


def embed_trial(
    trial: Trial, embedder: Embedder, cache: Path | None, progress: Progress
) -> tuple[Gallery, Gallery, Trial]:
    """Embedded queries and gallery, and the trial of the crops that could be read."""
    with progress(f"embedding with {embedder.name}", len(trial.query) + len(trial.gallery)) as advance:
        queries = Gallery.build(trial.query, embedder, cache=cache, advance=advance)
        gallery = Gallery.build(trial.gallery, embedder, cache=cache, advance=advance)
    return queries, gallery, replace(trial, query=queries.crops, gallery=gallery.crops)


def candidate_pairs(
    trial: Trial, ranked: RankedList, k: int
) -> tuple[list[Pair], tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The pairs of each query with its first k candidates, and their (row, column) places in the ranked list."""
    rows, columns = np.nonzero(ranked.indices[:, :k] >= 0)
    truth = matches_of(trial, ranked, k)
    pairs = [
        Pair(
            trial.query[row],
            trial.gallery[ranked.indices[row, column]],
            float(ranked.distances[row, column]),
            bool(truth[row, column]),
        )
        for row, column in zip(rows, columns, strict=True)
    ]
    return pairs, (rows, columns)


def matches_of(trial: Trial, ranked: RankedList, k: int) -> NDArray[np.bool_]:
    """(Q, k) True where the ranked list's candidate shows the query's person."""
    indices = ranked.indices[:, :k]
    persons = np.array([crop.person or "" for crop in trial.gallery])
    wanted = np.array([crop.person or " " for crop in trial.query])
    same: NDArray[np.bool_] = (persons[np.maximum(indices, 0)] == wanted[:, None]) & (indices >= 0)
    return same


def steps_of(advance: Advance) -> Callable[[int, int], None]:
    """Adapt a step counter to callbacks that report (done, in all)."""
    last = 0

    def report(done: int, _: int) -> None:
        nonlocal last
        advance(done - last)
        last = done

    return report


def mean_metrics(outcomes: Sequence[Outcome], position: int) -> dict[str, float]:
    """Metrics of one row, averaged over the trials of a protocol with draws."""
    each: list[dict[str, float]] = [outcome.rows[position].metrics() for outcome in outcomes]
    return {name: float(np.mean([metrics[name] for metrics in each])) for name in each[0]}


def crops_by_id(crops: Sequence[Crop]) -> dict[str, Crop]:
    """Look-up table of crops."""
    return {crop.id: crop for crop in crops}
