"""Distance thresholds for "not in the gallery", chosen on training identities that the retriever never saw."""

from __future__ import annotations

from collections.abc import Sequence

from reidr.data.protocols.trial import find_protocol, trials
from reidr.data.types import Crop
from reidr.evaluation.experiment.experiment import Progress, embed_trial
from reidr.evaluation.metrics.open_set import searches_of, threshold_at
from reidr.retrieval.embedders.embedder import Embedder
from reidr.training.tuning.searches import as_search

WANTED = (0.01, 0.05, 0.1)
QUERIES = 1000


def choose_thresholds(held_out: Sequence[Crop], embedder: Embedder, seed: int, progress: Progress) -> dict[str, float]:
    """For each wanted FPIR (as text, `"0.1"`) the largest distance at which no more non-mated searches alarm.

    Half of the held-out people are taken out of the gallery, so that their searches are non-mated (ISO/IEC 19795-1).
    Empty when too few people are held out to say anything (fewer than ten non-mated searches).
    """
    search = as_search("held-out training identities", held_out, QUERIES, seed)
    if not search.query or not search.gallery:
        return {}
    (trial,) = trials(search, find_protocol("open-set"), seed)
    queries, gallery, trial = embed_trial(trial, embedder, None, progress)
    if (~trial.mated).sum() < 10 or not trial.mated.any():
        return {}
    ranked = gallery.search(queries, 20, excluded=trial.excluded)
    people = [crop.person for crop in trial.query], [crop.person for crop in trial.gallery]
    searches = searches_of(ranked, *people, trial.mated, junk=trial.idle)
    return {f"{wanted:g}": threshold_at(searches, wanted) for wanted in WANTED}
