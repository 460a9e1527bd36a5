"""How a taught reasoner is used: weights, calibration, policy, thresholds, chosen on people no model was fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reidr.core.defaults import DEFAULT_K
from reidr.core.progress import progress
from reidr.core.run import write_json
from reidr.data.join import join_training
from reidr.data.load import load_dataset
from reidr.data.person_key import in_dataset
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import street_crops
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError, RecipeError
from reidr.fusion.profile import InferenceProfile, OpenSetRule, store_profile
from reidr.fusion.provenance import held_out_split, training_data
from reidr.reasoning.backends.local import Engine
from reidr.reasoning.backends.reference import Reasoner
from reidr.retrieval.embedders.retriever import Retriever
from reidr.training.common.identities import hold_out_identities, known_people
from reidr.training.common.left_out import say_left_out
from reidr.training.recipes.data_sets import data_path
from reidr.training.recipes.find import find_recipe, read_recipe, stage_values
from reidr.training.recipes.pairs import PairsRecipe
from reidr.training.recipes.pretraining import PretrainingRecipe
from reidr.training.tuning.search import (
    Tuner,
    as_search,
    best_of,
    best_weight,
    better_fusion,
    calibrated,
    fitted_fusion,
    plain,
    policies_of,
    score_predictor,
    weight_curve,
    whole_weight,
)

STREET = "another street"
PHOTOS = "held-out training identities"
CHOICES = "tuning_log.json"
OTHER_WAY = {True: ", without CSLS", False: ", with CSLS"}
SEED = 70  # of a street that no stage renders
QUERY_SEED = 0  # seed of the queries that are drawn
DRAWN = "another street; photos keep the retriever's order, since no photo was decided on"
DRAWN_NOTICE = (
    "This reasoner knows drawn people only: it moves no list of photos unless a fusion weight is given (--weight)."
)
NOTICE = "Reasons are generated text: read them as a witness's words, not as evidence."


def held_out_people(
    recipe_name: str, changes: dict[str, Any], retriever: Retriever, model: Path | None = None
) -> tuple[Crop, ...]:
    """Photos of the training identities that neither a recipe's reasoner nor `retriever` was taught on; empty for a
    recipe without photos, or where they are not at hand. `model`: the folder of the reasoner, which may say more.

    They are those that section `pretraining` held out (`changes` are to it), or, for a recipe that starts from a
    checkpoint of somebody else, section `pairs`.

    Raises:
        RecipeError: neither section. DataError: `retriever` or the reasoner was trained on the recipe's data sets,
            under whatever name, and held out other people: distances among them would not be those of strangers.
    """
    models = [(f"retriever {retriever.name}", retriever.trained_on, retriever.held_out)]
    if model is not None:
        models.append((f"reasoner {model}", training_data(model), held_out_split(model)))
    sections = read_recipe(find_recipe(recipe_name))
    if "pretraining" in sections:
        pretraining = PretrainingRecipe.from_values(*stage_values(recipe_name, "pretraining", changes))
        data, split = pretraining.data, (pretraining.held_out_share, pretraining.split_seed)
    elif "pairs" in sections:
        pairs = PairsRecipe.from_values(*stage_values(recipe_name, "pairs", {}))
        data, split = pairs.data, (pairs.held_out_share, pairs.seed)
        if pairs.source != "folds":
            raise RecipeError(f"{recipe_name}: pairs of source {pairs.source} hold nobody out for choices; use folds")
    else:
        raise RecipeError(f"{recipe_name}: neither 'pretraining' nor 'pairs' says which people were held out")
    if not data or not all(data_path(name).is_dir() for name in data):
        return ()
    datasets = [load_dataset(data_path(name)) for name in data]
    say_left_out(datasets)
    held_out = hold_out_identities(join_training(datasets), *split)[1]
    for name, trained_on, own in models:
        check_unknown(name, trained_on, own, datasets, held_out, split)
    return held_out


def check_unknown(
    name: str,
    trained_on: Sequence[str],
    own: tuple[float, int] | None,
    datasets: Sequence[ReIDDataset],
    held_out: Sequence[Crop],
    split: tuple[float, int],
) -> None:
    """Raise DataError where a model knows, or may know, people whom a recipe holds out.

    Args:
        name, trained_on, own: the model, its training data, and the split by which it held people out.
        held_out: crops of `join_training(datasets)` that the recipe's `split` holds out.
    """
    for dataset in datasets:
        crops = [crop for crop in held_out if in_dataset(str(crop.person), dataset.name) is not None]
        known = known_people(dataset, crops, trained_on, own)
        if known.people:
            people = len({crop.person for crop in crops})
            doubt = "" if known.certain else " (told by names alone: rename folder and files if these are others)"
            raise DataError(
                f"{name} was trained on {known.names[0]} and held out {split_in_words(own)}, the recipe "
                f"{split_in_words(split)} of {dataset.name}: it knows, or may know, {len(known.people):,} of the "
                f"recipe's {people:,} held-out people{doubt}; nothing can be chosen on people whom one of the two has "
                "seen"
            )


def split_in_words(split: tuple[float, int] | None) -> str:
    """A split of identities (share, seed) for a message."""
    return "people whom it does not name" if split is None else f"a share of {split[0]} by seed {split[1]}"


def tuning_stage(
    recipe_name: str,
    model: Path,
    changes: dict[str, Any],
    *,
    retriever: str = "nano",
    k: int = DEFAULT_K,
    queries: int = 200,
) -> InferenceProfile:
    """Choose how the reasoner in `model` is used beside a retriever (name or folder), and store it with the model.

    One fusion weight is chosen on a street of other people, and one, where the recipe's photos are at hand, on the
    training identities that neither retriever nor reasoner ever saw. The latter counts for pictures in general. A
    recipe without photos gives those the weight 0 and no other fusion: what helps among drawn people has been seen to
    do harm among photographed ones. On the same people: the weights after k-reciprocal re-ranking
    and for
    the whole list, the fitted fusion and whether it or the weight orders candidates, the calibration, when to ask, and
    by which score absent people are recognised. What was tried goes to `tuning_log.json`.
    """
    ranker = Retriever.load(retriever)
    held_out = held_out_people(recipe_name, changes, ranker, model)
    others = StreetSettings(seed=SEED, train_people=60, crops_per_camera=2, distractors=0, junk=0)
    searches = [as_search(STREET, tuple(street_crops(others, "train")), queries, SEED)]
    if held_out:
        searches.append(as_search(PHOTOS, held_out, 2 * queries, QUERY_SEED))
    tuner = Tuner(ranker, Engine(Reasoner.load(model)), k, progress)
    measured = {search.name: tuner.measure(search) for search in searches}
    chosen_on, search = searches[-1].name, searches[-1]
    found = best_of(measured[chosen_on])
    scaled = found.ranked.local is not None
    curves: dict[str, list[tuple[float, float, float]]] = {}
    for name, own in measured.items():
        chosen, other = (own, plain(own)) if scaled else (plain(own), own)
        curves |= {name: weight_curve(chosen), name + OTHER_WAY[scaled]: weight_curve(other)}
    drawn_only = chosen_on == STREET
    best = best_weight(curves[chosen_on])
    weight = 0.0 if drawn_only else best
    calibration = calibrated(found)
    predictor = score_predictor(found)
    policies = policies_of(found, best, predictor)
    whole, fitted = whole_weight(found), fitted_fusion(found)
    fusion = None if drawn_only or fitted is None else better_fusion(found)
    after = tuner.after_k_reciprocal(search)
    absent = tuner.open_set(search, weight, QUERY_SEED, scaled)
    how = {
        "weights": curves,
        "weights_after_k_reciprocal": list(after.grid),
        "weights_of_whole_list": list(whole.grid),
        "fusions_of_people_not_chosen_on": {} if fusion is None else fusion.tried,
        "brier_of_calibrations": {} if calibration is None else calibration[1],
        "missed_at_fpir_0.1": [] if absent is None else list(absent.missed),
    }
    profile = InferenceProfile(
        weight,
        DRAWN if drawn_only else chosen_on,
        f"{NOTICE} {DRAWN_NOTICE}" if drawn_only else NOTICE,
        best_weight(curves[STREET]),
        k_reciprocal_weight=None if drawn_only else after.weight,
        calibration=None if calibration is None else calibration[0],
        policy=None if policies is None else policies[0],
        policies=() if policies is None else tuple(policies[1]),
        open_set=None if absent is None else OpenSetRule(absent.name, dict(absent.thresholds)),
        whole_weight=None if drawn_only else whole.weight,
        fitted=None if fitted is None or drawn_only else fitted,
        score_predictor=predictor,
        csls=scaled,
        retriever=ranker.fingerprint,
        k=k,
        fusion="weighted" if fusion is None else fusion.fusion,
    )
    store_profile(profile, model)
    write_json(model / CHOICES, how)  # last: whoever finds it need not decide again
    return profile
