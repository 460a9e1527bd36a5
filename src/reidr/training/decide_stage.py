"""How far a taught reasoner is trusted: the fusion weight, chosen on people that no model was fitted to."""

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
from reidr.reasoning.reasoner import Reasoner
from reidr.retrieval.retriever import Retriever
from reidr.training.decide import as_search, best_weight, weight_curve
from reidr.training.identities import hold_out_identities
from reidr.training.recipes import BaseRecipe
from reidr.training.stages import stage_values

STREET = "another street"
PHOTOS = "held-out training identities"
SEED = 70  # of a street that no stage renders
NOTICE = (
    "Reasons are generated text of a model of six million weights: read them as a witness's words, not as evidence."
)


def decide_stage(
    recipe_name: str, model: Path, changes: dict[str, Any], *, k: int = 10, queries: int = 200
) -> Decision:
    """Choose fusion weights for the reasoner in `model` beside the shipped retriever, and store them with it.

    One weight is chosen on a street of other people, and one, where the recipe's photos are at hand, on the training
    identities that neither retriever nor reasoner ever saw. The latter counts for pictures in general; for a recipe
    without photos the street's does. The curves go to `weights.json` beside the model.
    """
    recipe = BaseRecipe.from_values(*stage_values(recipe_name, "base", changes))
    others = StreetSettings(seed=SEED, train_people=60, crops_per_camera=2, distractors=0, junk=0)
    searches = [as_search(STREET, tuple(street_crops(others, "train")), queries, SEED)]
    if recipe.data and all(path.is_dir() for path in recipe.data):
        joined = join_training([load_dataset(path) for path in recipe.data])
        _, held_out = hold_out_identities(joined, recipe.held_out_share, recipe.split_seed)
        searches.append(as_search(PHOTOS, held_out, 2 * queries, recipe.split_seed))
    retriever, reasoner = Retriever.load(), Reasoner.load(model)
    curves = {search.name: weight_curve(search, retriever, reasoner, k, progress) for search in searches}
    write_json(model / "weights.json", curves)
    chosen_on = list(curves)[-1]
    decision = Decision(best_weight(curves[chosen_on]), chosen_on, NOTICE, best_weight(curves[STREET]))
    store_decision(decision, model)
    return decision
