"""How a taught reasoner is used: weights, calibration, policy, thresholds, chosen on people no model was fitted to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reidr.data.join import join_training
from reidr.data.load import load_dataset
from reidr.data.street.settings import StreetSettings
from reidr.data.street.street import street_crops
from reidr.frame.progress import progress
from reidr.frame.run import write_json
from reidr.reasoning.decision import Decision, store_decision
from reidr.reasoning.engine import Engine
from reidr.reasoning.reasoner import Reasoner
from reidr.retrieval.retriever import Retriever
from reidr.training.decide import (
    Decider,
    as_search,
    best_of,
    best_weight,
    calibrated,
    expected_score,
    fitted_fusion,
    plain,
    policies_of,
    weight_curve,
    whole_weight,
)
from reidr.training.identities import hold_out_identities
from reidr.training.recipes import BaseRecipe
from reidr.training.stages import stage_values

STREET = "another street"
PHOTOS = "held-out training identities"
CHOICES = "choices.json"
OTHER_WAY = {True: ", without local scaling", False: ", with local scaling"}
SEED = 70  # of a street that no stage renders
DRAWN = "another street; photos keep the retriever's order, since no photo was decided on"
DRAWN_NOTICE = (
    "This reasoner knows drawn people only: it moves no list of photos unless a fusion weight is given (--weight)."
)
NOTICE = "Reasons are generated text: read them as a witness's words, not as evidence."


def decide_stage(
    recipe_name: str, model: Path, changes: dict[str, Any], *, k: int = 10, queries: int = 200
) -> Decision:
    """Choose how the reasoner in `model` is used beside the shipped retriever, and store it with the model.

    One fusion weight is chosen on a street of other people, and one, where the recipe's photos are at hand, on the
    training identities that neither retriever nor reasoner ever saw. The latter counts for pictures in general. A
    recipe without photos gives those the weight 0 and no other fusion: what helps among drawn people has been seen to
    do harm among photographed ones (docs/lab.md). On the same people: the weights after k-reciprocal re-ranking and for
    the whole list, the fitted fusion, the calibration, when to ask, and by which score absent people are told. What was
    tried goes to `choices.json`.
    """
    recipe = BaseRecipe.from_values(*stage_values(recipe_name, "base", changes))
    others = StreetSettings(seed=SEED, train_people=60, crops_per_camera=2, distractors=0, junk=0)
    searches = [as_search(STREET, tuple(street_crops(others, "train")), queries, SEED)]
    if recipe.data and all(path.is_dir() for path in recipe.data):
        joined = join_training([load_dataset(path) for path in recipe.data])
        _, held_out = hold_out_identities(joined, recipe.held_out_share, recipe.split_seed)
        searches.append(as_search(PHOTOS, held_out, 2 * queries, recipe.split_seed))
    decider = Decider(Retriever.load(), Engine(Reasoner.load(model)), k, progress)
    measured = {search.name: decider.measure(search) for search in searches}
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
    expected = expected_score(found)
    policies = policies_of(found, best, expected)
    whole, fitted = whole_weight(found), fitted_fusion(found)
    after = decider.after_k_reciprocal(search)
    absent = decider.open_set(search, weight, recipe.split_seed, scaled)
    how = {
        "weights": curves,
        "weights_after_k_reciprocal": list(after.grid),
        "weights_of_whole_list": list(whole.grid),
        "brier_of_calibrations": {} if calibration is None else calibration[1],
        "missed_at_fpir_0.1": [] if absent is None else list(absent.missed),
    }
    decision = Decision(
        weight,
        DRAWN if drawn_only else chosen_on,
        f"{NOTICE} {DRAWN_NOTICE}" if drawn_only else NOTICE,
        best_weight(curves[STREET]),
        k_reciprocal_weight=None if drawn_only else after.weight,
        calibration=None if calibration is None else calibration[0].stored(),
        policy=None if policies is None else policies[0].stored(),
        policies=() if policies is None else tuple((budget, policy.stored()) for budget, policy in policies[1]),
        open_set=None if absent is None else {"score": absent.name, "thresholds": dict(absent.thresholds)},
        whole_weight=None if drawn_only else whole.weight,
        fitted=None if fitted is None or drawn_only else fitted.stored(),
        expected=None if expected is None else expected.stored(),
        local_scaling=scaled,
    )
    store_decision(decision, model)
    write_json(model / CHOICES, how)  # last: whoever finds it need not decide again
    return decision
