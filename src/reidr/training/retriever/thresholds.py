"""Distance thresholds for "not in the gallery", chosen on training identities that the retriever never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reidr.data.protocols.crops_compared import crops_compared
from reidr.data.protocols.trial import find_protocol, trials
from reidr.data.types import Crop
from reidr.evaluation.experiment.experiment import Progress, embed_trial
from reidr.evaluation.metrics.open_set import searches_of, threshold_at
from reidr.retrieval.embedders.embedder import Embedder
from reidr.retrieval.embedders.retriever import THRESHOLD_CROPS
from reidr.training.tuning.searches import as_search

WANTED = (0.01, 0.05, 0.1)
QUERIES = 1000


@dataclass(frozen=True)
class ChosenThresholds:
    """Thresholds of a retriever's distance.

    Attributes:
        by_rate: by wanted FPIR as text (`"0.1"`); empty where too few people are held out. crops: how many crops a
            search was compared with, on average, where they were chosen (`crops_compared`); None without thresholds.
    """

    by_rate: Mapping[str, float] = field(default_factory=dict)
    crops: float | None = None

    def facts(self) -> dict[str, Any]:
        """What the record of a retriever's training says of them."""
        facts: dict[str, Any] = {"thresholds": dict(self.by_rate)}
        return facts if self.crops is None else facts | {THRESHOLD_CROPS: self.crops}


def choose_thresholds(held_out: Sequence[Crop], embedder: Embedder, seed: int, progress: Progress) -> ChosenThresholds:
    """For each wanted FPIR the largest distance at which no more non-mated searches alarm.

    Half of the held-out people are taken out of the gallery, so that their searches are non-mated (ISO/IEC 19795-1).
    Empty when too few people are held out to say anything (fewer than ten non-mated searches).
    """
    search = as_search("held-out training identities", held_out, QUERIES, seed)
    if not search.query or not search.gallery:
        return ChosenThresholds()
    (trial,) = trials(search, find_protocol("open-set"), seed)
    queries, gallery, trial = embed_trial(trial, embedder, None, progress)
    if (~trial.mated).sum() < 10 or not trial.mated.any():
        return ChosenThresholds()
    ranked = gallery.search(queries, 20, excluded=trial.excluded)
    people = [crop.person for crop in trial.query], [crop.person for crop in trial.gallery]
    searches = searches_of(ranked, *people, trial.mated, junk=trial.idle)
    by_rate = {f"{wanted:g}": threshold_at(searches, wanted) for wanted in WANTED}
    return ChosenThresholds(by_rate, crops_compared(trial, joined=True) or None)
