"""`reidr train tune`: choose how a trained reasoner is used, on people that no model was fitted to, and store it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reidr.core.defaults import DEFAULT_K
from reidr.core.progress import progress
from reidr.core.run import write_json
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import street_crops
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError
from reidr.fusion.profile import InferenceProfile, OpenSetRule, store_profile
from reidr.reasoning.backends.local import Engine
from reidr.reasoning.backends.reference import Reasoner
from reidr.retrieval.embedders.registry import load_embedder
from reidr.training.plan import starts_from_pretraining
from reidr.training.tuning.choices import (
    best_of,
    best_weight,
    better_fusion,
    calibrated,
    fitted_fusion,
    policies_of,
    score_of_words,
    score_predictor,
    weight_curve,
    whole_weight,
)
from reidr.training.tuning.held_out import held_out_people
from reidr.training.tuning.measure import Measured, Tuner, plain
from reidr.training.tuning.searches import as_search

STREET = "another street"
PHOTOS = "held-out training identities"
LOG = "tuning_log.json"
STREET_SEED = 70  # of a street that no stage renders
QUERY_SEED = 0
STREET_ONLY = "another street; photos keep the retriever's order, because nothing was tuned on photos"
STREET_ONLY_NOTICE = (
    "This reasoner was trained on rendered people only: it does not reorder photos unless a fusion weight is given "
    "(--weight)."
)
NOTICE = "Reasons are generated text: read them as a witness's words, not as evidence."
Curve = list[tuple[float, float, float]]


@dataclass(frozen=True)
class TuningOptions:
    """What is asked of a reasoner while it is tuned.

    Attributes:
        k: candidates of a query. queries: at most so many of the street, twice as many of photos. words: whether it is
            also asked for its words, to choose which score counts.
    """

    k: int = DEFAULT_K
    queries: int = 200
    words: bool = False


DEFAULTS = TuningOptions()


def tuning_stage(
    recipe_name: str,
    model: Path,
    changes: dict[str, Any],
    *,
    retriever: str = "lite",
    how: TuningOptions = DEFAULTS,
) -> InferenceProfile:
    """Choose how the reasoner in `model` is used beside a retriever (as `--retriever`), and store it with the model.

    The fusion weight is chosen on the recipe's photos, where they are on this machine: on the training identities that
    neither retriever nor reasoner was trained on. A recipe without photos gets the weight 0 and no other fusion,
    because a fusion that helps among rendered people has been measured to do harm among photographed ones; the log says
    which weight is best on a street of other people, for `--weight`.

    On the same people are chosen: the weights after k-reciprocal re-ranking and for the whole list, the fitted fusion
    and whether it or the weight orders candidates, the calibration, the policy of asking, and the score by which absent
    people are recognised. With `how.words` also whether P(same) is read from its words, and about which pairs they are
    bought (`score_of_words`), which takes two rationales for each pair. What was tried is written to `tuning_log.json`.

    Raises:
        DataError, RecipeError: as `held_out_people`. WeightsError: a model cannot be loaded. ReIDError: words are to be
            scored, and the reasoner cannot do that.
    """
    ranker = load_embedder(retriever)
    held_out = held_out_people(recipe_name, changes, ranker, model)
    tuner = Tuner(ranker, Engine(Reasoner.load(model)), how.k, progress)
    searches = searches_to_tune_on(held_out, how.queries, street=starts_from_pretraining(recipe_name) or not held_out)
    measured = {search.name: tuner.measure(search) for search in searches}
    tried_words: dict[str, Any] = {}
    if how.words:
        name, own = searches[-1].name, measured[searches[-1].name]
        choice = score_of_words(own, tuner.reasoned(own))
        measured[name] = tuner.take(own, choice.kind, choice.least_doubt, choice.scores)
        tried_words = {"scores_of_words": [list(each) for each in choice.tried]}
    profile, tried = tuned(tuner, searches[-1], measured)
    tried |= tried_words
    store_profile(profile, model)
    write_json(model / LOG, tried)  # last: where it exists the stage is finished
    return profile


def check_tunable(recipe_name: str, changes: dict[str, Any], retriever: str) -> None:
    """Find out before hours of training whether a reasoner of this recipe can be tuned beside a retriever.

    Raises as `held_out_people`; DataError where the held-out people make no search; WeightsError where there is no such
    retriever.
    """
    held_out = held_out_people(recipe_name, changes, load_embedder(retriever))
    search = as_search(PHOTOS, held_out, len(held_out) + 1, QUERY_SEED)
    if held_out and not (search.query and search.gallery):
        raise DataError(
            "the held-out training people have one crop in each camera, or are seen by one camera only: nothing can be "
            "searched for among them, so nothing can be tuned; hold more people out (held_out_share)"
        )


def searches_to_tune_on(held_out: Sequence[Crop], queries: int, *, street: bool) -> list[ReIDDataset]:
    """A rendered street if `street`, and the held-out photos where there are any; what is tuned on the last one counts.

    A reasoner that was never shown rendered people need not be measured on them.
    """
    searches = []
    if street:
        settings = StreetSettings(seed=STREET_SEED, train_people=60, crops_per_camera=2, distractors=0, junk=0)
        searches.append(as_search(STREET, tuple(street_crops(settings, "train")), queries, STREET_SEED))
    if held_out:
        searches.append(as_search(PHOTOS, held_out, 2 * queries, QUERY_SEED))
    return searches


def tuned(
    tuner: Tuner, search: ReIDDataset, measured: Mapping[str, Measured]
) -> tuple[InferenceProfile, dict[str, Any]]:
    """The inference profile chosen on `search`, and what was tried, as plain values for the log.

    `measured`: that search and others by name; of the others only weights are measured.
    """
    best = best_of(measured[search.name])
    scaled = best.ranked.local is not None
    street_only = search.name == STREET
    curves = weight_curves(measured, scaled)
    best_here = best_weight(curves[search.name])
    weight = 0.0 if street_only else best_here
    calibration, predictor = calibrated(best), score_predictor(best)
    policies = policies_of(best, best_here, predictor)
    whole, fitted = whole_weight(best), None if street_only else fitted_fusion(best)
    fusion = None if fitted is None else better_fusion(best)
    after = tuner.after_k_reciprocal(search)
    absent = tuner.open_set(search, weight, QUERY_SEED, scaled)
    profile = InferenceProfile(
        weight,
        STREET_ONLY if street_only else search.name,
        f"{NOTICE} {STREET_ONLY_NOTICE}" if street_only else NOTICE,
        k_reciprocal_weight=None if street_only else after.weight,
        calibration=None if calibration is None else calibration[0],
        policy=None if policies is None else replace(policies[0], words=tuner.least_doubt),
        policies=()
        if policies is None
        else tuple((cost, replace(each, words=tuner.least_doubt)) for cost, each in policies[1]),
        open_set=None if absent is None else OpenSetRule(absent.name, dict(absent.thresholds), absent.crops),
        whole_weight=None if street_only else whole.weight,
        fitted=fitted,
        score_predictor=predictor,
        csls=scaled,
        retriever=tuner.retriever.fingerprint,
        k=tuner.k,
        fusion="weighted" if fusion is None else fusion.fusion,
        score=tuner.kind,
    )
    tried = {
        "weights": curves,
        "weights_after_k_reciprocal": list(after.grid),
        "weights_of_whole_list": list(whole.grid),
        "fusions_of_people_not_chosen_on": {} if fusion is None else fusion.tried,
        "brier_of_calibrations": {} if calibration is None else calibration[1],
        "missed_at_fpir_0.1": [] if absent is None else list(absent.missed),
    }
    return profile, tried


def weight_curves(measured: Mapping[str, Measured], scaled: bool) -> dict[str, Curve]:
    """The weights tried on each search, with and without CSLS; the way that was chosen goes by the search's name."""
    other_way = ", without CSLS" if scaled else ", with CSLS"
    curves: dict[str, Curve] = {}
    for name, own in measured.items():
        chosen, other = (own, plain(own)) if scaled else (plain(own), own)
        curves |= {name: weight_curve(chosen), name + other_way: weight_curve(other)}
    return curves
