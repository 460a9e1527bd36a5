"""`find`: one picture, any folder of crops, the likeliest matches with a reason each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidr.data.folder import crop_of_file, crops_in_folder
from reidr.data.types import Crop
from reidr.evaluation.asking import share_of_steps, steps_of
from reidr.evaluation.second_look import Looked, Telling, look_again
from reidr.frame.progress import Advance, progress
from reidr.reasoning.calibrate import margin_of
from reidr.reasoning.decision import Decision, decision_of, stored_decision
from reidr.reasoning.fusion import fuse
from reidr.reasoning.logistic_fusion import LogisticFusion, rank_by_probability
from reidr.reasoning.types import Glancing, Pair, Verdict
from reidr.retrieval.embedder import Embedder
from reidr.retrieval.gallery import Gallery, cache_folder
from reidr.retrieval.local_scaling import LAST, with_local_scaling
from reidr.retrieval.ranking import RankedList

if TYPE_CHECKING:
    from reidr.reasoning.engine import Backend

Progress = Callable[[str, int], AbstractContextManager[Advance]]


@dataclass(frozen=True)
class Match:
    """One found crop.

    Attributes:
        crop: the gallery crop. distance: the retriever's, in [0, 2], smaller is nearer.
        probability: P(same person) by the reasoner's direct score; None without a reasoner.
        verdict: the reasoner's words and answer, where it thought about this candidate.
        rank_before: 1-based place in the retriever's list; the list itself is in the order after fusion.
        looks: the claims of its words, each with how a second look at its crops ended; empty where there was none.
        fused: the number by which matches are ordered, smaller first; None without a reasoner: `distance` orders them.
    """

    crop: Crop
    distance: float
    probability: float | None
    verdict: Verdict | None
    rank_before: int
    looks: tuple[Looked, ...] = ()
    fused: float | None = None


@dataclass(frozen=True)
class Found:
    """What a search gave: the query, its matches in order, how many crops were searched, unusable files.

    `absent` is a sentence where the nearest crop is so far that the person may well not be in the gallery, else empty.
    """

    query: Crop
    matches: tuple[Match, ...]
    searched: int
    problems: tuple[str, ...]
    absent: str = ""


def find(
    person: str | Path | Image.Image,
    gallery: str | Path | Sequence[Crop],
    k: int = 10,
    *,
    retriever: Embedder | None = None,
    reasoner: Backend | str | Path | None = "nano",
    think: int | None = None,
    second_look: bool = True,
) -> tuple[Match, ...]:
    """Find a person in a folder of crops.

    Args:
        person: a picture of one person. gallery: a folder (searched recursively) or crops.
        k: number of matches. think: how many of them the reasoner writes reasons for (default: all).
        retriever: the shipped one by default. reasoner: a loaded one, a preset, a folder or the
            URL of a server; None ranks without one.
        second_look: ask again what the reasons state, of each crop alone (`second_look.look_again`): some ten short
            questions per match. A reasoner behind a server is never asked so.

    Returns:
        Up to k matches, best first. Raises DataError or ImageError with one sentence.
    """
    return search(
        person, gallery, k, retriever=retriever, reasoner=reasoner, think=think, second_look=second_look
    ).matches


def search(
    person: str | Path | Image.Image,
    gallery: str | Path | Sequence[Crop],
    k: int = 10,
    *,
    retriever: Embedder | None = None,
    reasoner: Backend | str | Path | None = "nano",
    think: int | None = None,
    second_look: bool = True,
    keep: bool = True,
    show: Progress = progress,
) -> Found:
    """`find` with everything the report needs; `keep` caches the folder's embeddings in `cache_folder()`."""
    from reidr.reasoning.engine import load_reasoner
    from reidr.retrieval.retriever import Retriever

    query = Crop(id="query", image=person) if isinstance(person, Image.Image) else crop_of_file(Path(person))
    query.open()  # an unusable query is an error, unlike an unusable gallery file
    retriever = retriever or Retriever.load()
    crops = crops_in_folder(Path(gallery)) if isinstance(gallery, str | Path) else tuple(gallery)
    with show("embedding", len(crops)) as advance:
        store = Gallery.build(crops, retriever, cache=cache_folder() if keep else None, advance=advance)
    asked = Gallery.build([query], retriever)
    # The picture itself may lie in the folder that is searched: finding it again says nothing.
    itself = np.array([is_same_file(query, crop) for crop in store.crops])
    decision = None
    if reasoner is not None:
        decision = stored_decision(reasoner) if isinstance(reasoner, str | Path) else decision_of(reasoner)
    # The surroundings of the query are told from more candidates than are shown.
    ranked = store.search(asked, max(k, LAST), excluded=lambda rows: itself[None, :])
    if decision is not None and decision.local_scaling:
        ranked = with_local_scaling(ranked, store.features)
    listed, ranked = ranked, ranked.top(k)
    places = [index for index in ranked.indices[0].tolist() if index >= 0]
    pairs = [Pair(query, store.crops[i], float(d)) for i, d in zip(places, ranked.distances[0], strict=False)]
    scores = np.full((1, len(pairs)), np.nan)
    verdicts: list[Verdict | None] = [None] * len(pairs)
    looks: list[tuple[Looked, ...]] = [()] * len(pairs)
    order = list(range(len(pairs)))
    deciding: dict[int, float] = {}
    if reasoner is not None and decision is not None and pairs:
        model = load_reasoner(reasoner) if isinstance(reasoner, str | Path) else reasoner
        with show("scoring pairs", len(pairs)) as advance:
            scores[0] = model.score(pairs, progress=steps_of(advance))
        fused = in_chosen_order(listed, scores, pairs, model, decision)
        order = [places.index(index) for index in fused.indices[0, : len(pairs)].tolist()]
        deciding = dict(zip(order, fused.distances[0].tolist(), strict=False))
        chosen = order[: len(order) if think is None else think]
        if chosen:
            with show("thinking about pairs", len(chosen)) as advance:
                thoughts = model.think([pairs[i] for i in chosen], progress=steps_of(advance))
            for i, verdict in zip(chosen, thoughts, strict=True):
                verdicts[i] = verdict
            if second_look and isinstance(model, Telling):
                with show("looking at each crop again", len(chosen)) as advance:
                    seen = look_again(model, [pairs[i] for i in chosen], thoughts, share_of_steps(advance, len(chosen)))
                for i, own in zip(chosen, seen, strict=True):
                    looks[i] = own
    matches = tuple(
        Match(
            pairs[i].candidate,
            float(ranked.distances[0, i]),
            float(scores[0, i]) if np.isfinite(scores[0, i]) else None,
            verdicts[i],
            i + 1,
            looks[i],
            deciding.get(i),
        )
        for i in order
    )
    absent = absence(ranked.distances[0], getattr(retriever, "thresholds", {}))
    return Found(query, matches, len(store), store.problems, absent)


def in_chosen_order(
    listed: RankedList, scores: NDArray[np.float64], pairs: Sequence[Pair], model: Backend, decision: Decision
) -> RankedList:
    """One query's list after fusion, by what was decided for the reasoner: its weight, or the fitted fusion.

    The latter only where what it needs is there: as many neighbours, and glances of the reasoner's eyes.

    Args:
        listed: (1, 50 or so). scores: (1, m) P(same) of the candidates in `pairs`, the first m.
    """
    if decision.fusion == "fitted" and decision.fitted is not None:
        fitted = LogisticFusion.read(decision.fitted)
        seen = model.glance(pairs) if fitted.glances and isinstance(model, Glancing) else None
        glances = None if seen is None else seen[None]
        if fitted.fits(listed, glances):
            return rank_by_probability(listed, fitted.probabilities(listed, margin_of(scores), glances))
    return fuse(listed, scores, decision.weight)


def absence(distances: NDArray[np.float64], thresholds: Mapping[str, float]) -> str:
    """A sentence where even the nearest distance lies beyond the loosest stored threshold; empty otherwise."""
    finite = distances[np.isfinite(distances)]
    if not thresholds or not len(finite):
        return ""
    wanted = max(thresholds, key=float)
    if finite.min() <= thresholds[wanted]:
        return ""
    return (
        f"Perhaps not in the gallery: the nearest crop is at distance {finite.min():.3f}; among the retriever's "
        f"held-out training people only {float(wanted):.0%} of searches for absent persons came nearer than "
        f"{thresholds[wanted]:.3f}."
    )


def is_same_file(query: Crop, crop: Crop) -> bool:
    """Whether both crops are the very same file on disk."""
    if not isinstance(query.image, Path) or not isinstance(crop.image, Path):
        return False
    return crop.image.resolve() == query.image.resolve()
