"""Choosing how a reasoner is used, on training identities that neither model was fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reidr.data.join import join_training
from reidr.data.protocols.trial import Trial, find_protocol, trials
from reidr.data.reading.notes import Note
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError, ReIDError
from reidr.evaluation.experiment.candidate_scoring import PairScorer, doubled, leave_out
from reidr.evaluation.experiment.cost_curve import Study
from reidr.evaluation.experiment.experiment import DEPTH, Progress, embed_trial
from reidr.evaluation.experiment.policy_choice import choose_policies
from reidr.evaluation.experiment.trial_reranking import rerank_trial
from reidr.evaluation.metrics import RankingResult, evaluate_features
from reidr.evaluation.metrics.open_set import searches_of
from reidr.evaluation.metrics.open_set_scores import ScoreChoice, choose_score, lists_to_threshold
from reidr.fusion.ask_policy import Policy
from reidr.fusion.calibration import Calibration, choose_calibration, margin_of
from reidr.fusion.fusion_choice import FusionChoice, choose_fusion
from reidr.fusion.logistic import LogisticFusion, choose_whole_weight, fit_logistic_fusion
from reidr.fusion.score_predictor import ScorePredictor, fit_score_predictor, fuse_asked
from reidr.fusion.weighted import WeightChoice, choose_weight
from reidr.reasoning.backends.local import Backend
from reidr.retrieval.embedders.embedder import Embedder, facts_of
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.rerankers.csls import with_csls
from reidr.retrieval.score_normalisation import has_z_norm
from reidr.training.common.identities import known_people

SHARE = 0.35  # of the calls that asking about all of the first k takes: what the stored policy may cost
BUDGETS = (0.5, 1.0, 2.0, 3.0, 5.0)  # mean calls (pairs) per query
FEWEST_ABSENT = 10  # non-mated searches below which no threshold is chosen


@dataclass(frozen=True, eq=False)
class Measured:
    """A search with the first k candidates of every query scored.

    Attributes:
        ranked: (Q, up to 50) the retriever's list, CSLS where it is long enough. scores: (Q, k) P(same), NaN
            where padded. truth: (Q, k).
        base: the retriever's own result.
        vision_similarities: (Q, k, 3) of the candidates; None: the reasoner gives none.
    """

    trial: Trial
    ranked: RankedList
    scores: NDArray[np.float64]
    truth: NDArray[np.bool_]
    base: RankingResult
    vision_similarities: NDArray[np.float64] | None = None


def as_search(name: str, crops: Sequence[Crop], queries: int, seed: int) -> ReIDDataset:
    """Labelled crops as a search: the first crop of each person and camera is a query, the others are the gallery.

    At most `queries` queries are kept, drawn by `seed`. Persons seen by one camera only stay in the gallery.
    """
    first: dict[tuple[str | None, str | None], Crop] = {}
    for crop in sorted(crops, key=lambda crop: crop.id):
        first.setdefault((crop.person, crop.camera), crop)
    several = {person for person, _ in first if len({c for p, c in first if p == person}) > 1}
    chosen = [crop for (person, _), crop in sorted(first.items(), key=lambda item: item[1].id) if person in several]
    taken = {crop.id for crop in chosen}
    gallery = tuple(crop for crop in crops if crop.id not in taken)
    if len(chosen) > queries:
        rows = np.sort(np.random.default_rng(seed).choice(len(chosen), queries, replace=False))
        chosen = [chosen[row] for row in rows]
    return ReIDDataset(name, None, query=tuple(chosen), gallery=gallery)


class Tuner:
    """Scores searches of training identities, each pair once, and chooses by them."""

    def __init__(self, retriever: Embedder, reasoner: Backend, k: int, progress: Progress) -> None:
        self.retriever, self.reasoner, self.k, self.progress = retriever, reasoner, k, progress
        self.known: dict[tuple[str, str], float] = {}

    def measure(self, search: ReIDDataset, protocol: str = "standard", seed: int = 0) -> Measured:
        """Rank the search and score the first k candidates of every query."""
        (trial,) = trials(search, find_protocol(protocol), seed)
        queries, gallery, trial = embed_trial(trial, self.retriever, None, self.progress)
        ranked = gallery.search(queries, DEPTH, excluded=trial.excluded)
        ranked = with_csls(ranked, gallery.features, junk=trial.junk)
        base = evaluate_features(queries.features, gallery.features, **trial.arguments())
        k = min(self.k, ranked.k)
        vision_similarities = PairScorer(self.reasoner, trial).vision_similarity(ranked, k, self.progress)
        scores = self._ask(trial, ranked.top(k))
        return Measured(trial, ranked, scores, trial.shows_person(ranked.indices[:, :k]), base, vision_similarities)

    def after_k_reciprocal(self, search: ReIDDataset) -> WeightChoice:
        """The fusion weight for the first k of k-reciprocal re-ranking."""
        (trial,) = trials(search, find_protocol("standard"), 0)
        queries, gallery, trial = embed_trial(trial, self.retriever, None, self.progress)
        again = rerank_trial(trial, queries, gallery, 4 * DEPTH)
        again = doubled(leave_out(again, trial.excluded)).top(min(self.k, again.k))
        return choose_weight(again, self._ask(trial, again), trial.shows_person(again.indices))

    def open_set(self, search: ReIDDataset, weight: float, seed: int, scaled: bool) -> ScoreChoice | None:
        """The score that misses fewest people at FPIR 10 %; None where too few searches are for absent people.

        `scaled`: whether the fused distance is made of CSLS ones.
        """
        found = self.measure(search, "open-set", seed)
        found = found if scaled else plain(found)
        mated = found.trial.mated
        if (~mated).sum() < FEWEST_ABSENT or not mated.any():
            return None
        people = [crop.person for crop in found.trial.query], [crop.person for crop in found.trial.gallery]
        return choose_score(
            {
                name: searches_of(ranked, *people, mated, junk=found.trial.idle)
                for name, ranked in lists_to_threshold(found.ranked, found.scores, weight).items()
            }
        )

    def _ask(self, trial: Trial, ranked: RankedList) -> NDArray[np.float64]:
        wanted = ranked.indices >= 0
        with self.progress("scoring pairs", int(wanted.sum())) as advance:
            return PairScorer(self.reasoner, trial, self.known).ask(ranked, wanted, advance)


def plain(found: Measured) -> Measured:
    """The same without CSLS."""
    return replace(found, ranked=replace(found.ranked, local=None))


def best_of(found: Measured) -> Measured:
    """With or without CSLS: whichever gives the better mAP at its own best weight; without among equals."""
    without = plain(found)
    best, scaled = (max(row[1] for row in weight_curve(each)) for each in (without, found))
    return found if round(scaled, 9) > round(best, 9) else without


def weight_curve(found: Measured) -> list[tuple[float, float, float]]:
    """(weight, mAP, Rank-1) over the re-ranked first k, for every weight tried (see `choose_weight`)."""
    return list(choose_weight(found.ranked, found.scores, found.truth).grid)


def best_weight(curve: Sequence[tuple[float, float, float]]) -> float:
    """The weight with the best mAP of a `weight_curve`; the smallest of equals."""
    return max(curve, key=lambda row: (round(row[1], 9), -row[0]))[0]


def whole_weight(found: Measured) -> WeightChoice:
    """The fusion weight where the whole list, not its first k alone, is sorted anew."""
    return choose_whole_weight(found.ranked, found.scores, found.trial.shows_person(found.ranked.indices))


def fitted_fusion(found: Measured) -> LogisticFusion | None:
    """Distance, neighbourhood, rank and score made one probability; None where the lists are too short for it."""
    if not has_z_norm(found.ranked):
        return None
    return fit_logistic_fusion(found.ranked, margin_of(found.scores), found.truth, found.vision_similarities)


def better_fusion(found: Measured) -> FusionChoice | None:
    """One weight or the fitted fusion, by folds of the people; None where lists or people are too few for it."""
    people = [str(crop.person) for crop in found.trial.query]
    if not has_z_norm(found.ranked):
        return None
    try:
        return choose_fusion(found.ranked, found.scores, found.truth, people, found.vision_similarities)
    except ReIDError:
        return None


def calibrated(found: Measured) -> tuple[Calibration, dict[str, float]] | None:
    """The calibration of the scored pairs, and the Brier score of every method over people it was not fitted to.

    None where people are too few for each of the folds to have pairs of both kinds.
    """
    asked = np.isfinite(found.scores)
    people = np.array([str(crop.person) for crop in found.trial.query])
    rows = np.nonzero(asked)[0]
    try:
        return choose_calibration(margin_of(found.scores[asked]), found.truth[asked], people[rows])
    except ReIDError:
        return None


def score_predictor(found: Measured) -> ScorePredictor | None:
    """What the reasoner says of a candidate on average, by the retriever's list; None where lists are too short."""
    if not has_z_norm(found.ranked):
        return None
    return fit_score_predictor(found.ranked, found.scores, found.vision_similarities)


def policies_of(
    found: Measured, weight: float, score_predictor: ScorePredictor | None
) -> tuple[Policy, list[tuple[float, Policy]]] | None:
    """The best policy for `SHARE` of the calls that asking everything takes, and the best one for each of `BUDGETS`.

    None where the lists are too short for a neighbourhood.
    """
    if not has_z_norm(found.ranked):
        return None

    def rerank(ranked: RankedList, known: NDArray[np.float64]) -> RankedList:
        return fuse_asked(ranked, known, weight, score_predictor, found.vision_similarities)

    guess = (
        None
        if score_predictor is None
        else score_predictor.guess(found.ranked, found.scores.shape[1], found.vision_similarities)
    )
    study = Study(found.ranked, found.scores, found.truth, found.base, weight, rerank, guess)
    (_, policy), *others = choose_policies(study, (SHARE * found.scores.shape[1], *BUDGETS))
    return policy, others


def held_out_search(dataset: ReIDDataset, retriever: Embedder, reasoner: Backend | None = None) -> ReIDDataset:
    """The training identities of `dataset` that `retriever`, and `reasoner`, never saw, as a search.

    The data set is told by what it is (`known_people`), not by its folder's name.
    Raises DataError where the retriever was not trained on this data set, does not say whom it held out, or nobody was
    held out; and where the reasoner knows, or may know, some of them.
    """
    facts = facts_of(retriever)
    known = known_people(dataset, dataset.train, facts.trained_on, facts.held_out)
    if facts.held_out is None or not known.names:
        raise DataError(f"retriever {retriever.name} does not say which identities of {dataset.name} it held out")
    unseen = tuple(crop for crop in dataset.train if crop.person is not None and crop.person not in known.people)
    if reasoner is not None:
        seen = known_people(dataset, unseen, reasoner.card.trained_on, reasoner.card.held_out)
        if seen.people:
            number = f"{len(seen.people):,} of the {len({crop.person for crop in unseen}):,}"
            raise DataError(
                f"the reasoner was taught on {seen.names[0]} and did not hold out {number} identities that retriever "
                f"{retriever.name} did; evaluate it on people it has not seen, or take --reasoner none"
            )
    crops = join_training([replace(dataset, train=unseen)]) if unseen else ()
    search = as_search(f"{dataset.name}, held-out training identities", crops, len(crops) + 1, 0)
    if not search.query or not search.gallery:
        raise DataError(f"{dataset.name}: retriever {retriever.name} held out nobody who is seen by two cameras")
    if known.names != (dataset.name,):
        how = "are" if known.certain else "are taken, by the names of their files, for"
        text = f"the people of {dataset.name} {how} those that retriever {retriever.name} calls {known.names[0]}"
        return replace(search, notes=(Note(text, kind="same data set"),))
    return search
