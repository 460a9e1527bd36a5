"""One search, step by step, once its arguments are known to be usable (`task`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reidr.core.progress import progress
from reidr.data.pictures.pixels import pixel_digest
from reidr.data.types import Crop
from reidr.errors import DataError, ImageError
from reidr.fusion.profile import InferenceProfile
from reidr.fusion.weighted import SCORE_NAMES
from reidr.reasoning.types import Pair, RequestCounts
from reidr.retrieval.embedders.embedder import Embedder
from reidr.retrieval.embedders.registry import load_embedder
from reidr.retrieval.gallery import Gallery, cache_folder
from reidr.retrieval.rerankers.csls import LAST, with_csls
from reidr.retrieval.rerankers.reranker import load_reranker
from reidr.search.folding import fold, limit_of
from reidr.search.order import Candidates, Order, by_distance, by_profile, by_reranker
from reidr.search.presence import Presence, presence
from reidr.search.query.gallery import Collected
from reidr.search.query.left_out import UNREADABLE, LeftOut, merged
from reidr.search.query.query import Query
from reidr.search.reasons import doubt_of, reasons
from reidr.search.task import Progress, Task
from reidr.search.types import Found, Match

if TYPE_CHECKING:
    from reidr.reasoning.backends.local import Backend

Reals = NDArray[np.float64]
NO_REASONS = "This reasoner gives scores and writes no reasons."


def run(task: Task, *, keep: bool = True, show: Progress = progress) -> Found:
    """Carry a search out. `keep` caches the gallery's embeddings. Errors as `find`."""
    embedder = load_embedder(task.options.retriever)
    store, left_out = embedded(task.gallery, embedder, keep, show)
    features, shown = task.query.embed(embedder)
    query = task.query.crops[shown]
    # A picture of the query may lie in the folder that is searched: finding it again says nothing.
    itself = are_query_files(task.query, store.crops)
    asked = Gallery((query,), features, (), embedder.name)
    everything = store.search(asked, len(store), excluded=lambda rows: itself[None, :])
    ranked = everything.indices[0][everything.indices[0] >= 0]
    limit = limit_of(embedder) if task.options.fold else -1.0
    groups = fold(ranked, store.features, store.crops, task.k, limit)
    found = Found(
        query,
        (),
        len(store) - int(itself.sum()),
        (*task.gallery.problems, *store.problems),
        queries=task.query.crops,
        doubts=task.query.doubts,
        left_out=left_out,
        warnings=task.query.warnings(),
        notes=task.gallery.notes,
        gallery=task.gallery.name,
        folded=sum(len(group.like) for group in groups),
    )
    if not groups:
        nobody = (
            f"No match: {task.gallery.name} holds only the query itself; there is no other crop to compare it with."
        )
        return replace(found, presence=presence(everything, (), np.empty(0), embedder, None, 0), nobody=nobody)
    model, profile = loaded(task.options.reasoner)
    foreign = "" if profile is None or task.options.reranker is not None else profile.mismatch(embedder.fingerprint)
    if foreign:
        found = replace(found, warnings=(*found.warnings, foreign))
    # z-norm and CSLS need more candidates than are shown.
    listed = everything.top(max(groups[-1].column + 1, LAST))
    if profile is not None and profile.csls and task.options.reranker is None:
        listed = with_csls(listed, store.features)
    distances = listed.distances[0, [group.column for group in groups]]
    pairs = [
        Pair(query, store.crops[group.row], float(distance)) for group, distance in zip(groups, distances, strict=True)
    ]
    candidates = Candidates(listed, groups, pairs, store, features, model)
    if profile is not None:
        candidates.kind, candidates.least_doubt = profile.score, profile.least_doubt
    return with_matches(task, found, candidates, embedder, profile, show)


def with_matches(
    task: Task,
    found: Found,
    candidates: Candidates,
    embedder: Embedder,
    profile: InferenceProfile | None,
    show: Progress,
) -> Found:
    """The found crops scored, ordered and thought about."""
    model, pairs, groups = candidates.model, candidates.pairs, candidates.groups
    distances = candidates.listed.distances[0, candidates.columns]
    doubts = [doubt_of(pair.candidate) for pair in pairs]
    started = RequestCounts() if model is None else model.counts
    order = ordered(task, candidates, profile, show)
    scored = RequestCounts() if model is None else model.counts - started
    scores, chance = order.scores, order.probabilities
    said = [candidates.said.get(i, (np.nan, np.nan, None)) for i in range(len(pairs))]
    verdicts, looks = reasons(task, pairs, doubts, order, (model, [words for *_, words in said]), show)
    identical = copies_of(task.query, [pair.candidate for pair in pairs])
    rest = [group for group, same in zip(groups, identical, strict=True) if not same]
    among = found.searched - int(identical.sum())
    believed = presence(candidates.listed, rest, scores[~identical], embedder, profile, among)
    absent = believed.sentence if believed.belief == "perhaps absent" else ""
    believed = with_reservations(believed, task.query, bool(rest))
    matches = tuple(
        Match(
            pairs[i].candidate,
            float(distances[i]),
            number(chance[i] if np.isfinite(chance[i]) else scores[i]),
            verdicts[i],
            i + 1,
            looks[i],
            order_value=float(order.values[i]),
            direct_score=number(said[i][0]),
            reasoned_score=number(said[i][1]),
            score=number(scores[i]),
            calibrated=bool(np.isfinite(chance[i])),
            sampled=scored.sampled > 0 and bool(np.isfinite(scores[i])),
            bounded=scored.bounded > 0 and bool(np.isfinite(scores[i])),
            like=tuple(candidates.gallery.crops[row] for row in groups[i].like),
            shown_time=time_of(pairs[i].candidate, task.gallery),
            doubt=doubts[i],
            identical=bool(identical[i]),
        )
        for i in order.places
    )
    counts = RequestCounts() if model is None else model.counts - started
    silent = model is not None and not model.capabilities.think and task.options.think != 0
    return replace(
        found,
        warnings=(*found.warnings, *([NO_REASONS] if silent else [])),
        matches=matches,
        absent=absent,
        presence=believed,
        order_by=order.by,
        order_rule=order.rule,
        score_name=SCORE_NAMES[candidates.kind],
        counts=counts,
    )


def ordered(task: Task, candidates: Candidates, profile: InferenceProfile | None, show: Progress) -> Order:
    """The candidates in the order of the re-ranker that was named, else of the inference profile, else by distance."""
    if task.options.reranker is None and profile is None:
        return by_distance(candidates)
    with show("scoring pairs", len(candidates.pairs)) as advance:
        if task.options.reranker is not None:
            return by_reranker(candidates, load_reranker(task.options.reranker), str(task.options.reranker), advance)
        assert profile is not None
        return by_profile(candidates, replace(profile, asking=task.asking) if task.asking else profile, advance)


def with_reservations(believed: Presence, query: Query, anybody_else: bool) -> Presence:
    """What may still be said of presence where only the query itself was found, it shows hardly a person, or is several
    pictures."""
    if not anybody_else:
        return Presence("unknown", "Only copies of the query's own picture are there, which say nothing of others.")
    if query.doubtful:
        return Presence("unknown", "Whether the person is there cannot be said: the query can hardly show a person.")
    if len(query.crops) > 1 and believed.score:
        pictures = f"Those searches had one picture, this one has {len(query.crops)}."
        return replace(believed, sentence=f"{believed.sentence} {pictures}")
    return believed


def embedded(gallery: Collected, embedder: Embedder, keep: bool, show: Progress) -> tuple[Gallery, tuple[LeftOut, ...]]:
    """The gallery's embeddings, and all that was left out. Raises DataError where no crop can be used."""
    problems = gallery.problems
    if not gallery.crops:
        raise DataError(f"{gallery.name}: none of its {len(problems):,} pictures can be used; the first: {problems[0]}")
    with show("embedding", len(gallery.crops)) as advance:
        try:
            store = Gallery.build(gallery.crops, embedder, cache=cache_folder() if keep else None, advance=advance)
        except DataError as error:
            raise DataError(
                f"{gallery.name}: none of its {len(gallery.crops) + len(problems):,} pictures can be used; "
                f"the first: {error}"
            ) from None
    usable = {crop.id for crop in store.crops}
    unusable = tuple(crop.id for crop in gallery.crops if crop.id not in usable)
    return store, merged((*gallery.left_out, *([LeftOut(UNREADABLE, unusable)] if unusable else [])))


def loaded(reasoner: Backend | str | Path | None) -> tuple[Backend | None, InferenceProfile | None]:
    """The reasoner and how it is used."""
    if reasoner is None:
        return None, None
    if not isinstance(reasoner, str | Path):
        return reasoner, reasoner.card.profile
    from reidr.reasoning.backends import loading

    model = loading.load_reasoner(reasoner)
    return model, model.card.profile


def are_query_files(query: Query, crops: Sequence[Crop]) -> NDArray[np.bool_]:
    """(G,) which crops are the very same file on disk as a picture of the query, by whatever path."""
    own = {identity(crop) for crop in query.crops} - {None}
    return np.array([bool(own) and identity(crop) in own for crop in crops], dtype=bool)


def identity(crop: Crop) -> tuple[int, int] | None:
    """Device and number of a crop's file; None for a picture in memory, and for a file that is gone."""
    if not isinstance(crop.image, Path):
        return None
    try:
        facts = crop.image.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def copies_of(query: Query, crops: Sequence[Crop]) -> NDArray[np.bool_]:
    """(n,) which crops have the pixels of a query's picture: to find it again says nothing of the person."""
    own = {pixel_digest(crop.open()) for crop in query.crops}

    def is_copy(crop: Crop) -> bool:
        try:
            return pixel_digest(crop.open()) in own
        except ImageError:  # gone since it was embedded
            return False

    return np.array([is_copy(crop) for crop in crops], dtype=bool)


def time_of(crop: Crop, gallery: Collected) -> str:
    """A crop's time for reading: as its path says it, or the number that a manifest gives."""
    return gallery.times.get(crop.id) or ("" if crop.time is None else f"{crop.time:g}")


def number(value: float) -> float | None:
    """None for what is not there."""
    return float(value) if np.isfinite(value) else None
