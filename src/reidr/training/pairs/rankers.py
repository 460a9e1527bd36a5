"""The embedders that rank candidates for mining, each with the people it was not trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from reidr.core.progress import progress
from reidr.core.run import prepare_folder
from reidr.data.person_key import dataset_of
from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.training.common.identities import hold_out_identities, known_people
from reidr.training.pairs.folds import Ranker, rank_out_of_fold, seen_outside, split_folds
from reidr.training.pretraining.finished import pretraining_recipe, vision_encoder_of
from reidr.training.pretraining.people import split_people
from reidr.training.processes.team import processes
from reidr.training.recipes.pairs import PairsRecipe


def rankers_of(
    recipe: PairsRecipe, crops: Sequence[Crop], folder: Path, streets: Mapping[str, Sequence[Crop]]
) -> list[Ranker]:
    """The embedders and the people that each ranks (`PairsRecipe.source`).

    `streets`: rendered people by part, for source `pretraining`.
    """
    if recipe.source == "pretraining":
        people = split_people(pretraining_recipe(recipe.pretraining))
        embedder = vision_encoder_of(recipe.pretraining)
        return [
            Ranker(embedder, names_of((*part, *streets.get(name, ()))), 0, name)
            for name, part in (("train", people.reasoning), ("held_out", people.held_out))
        ]
    if recipe.source == "retriever":
        return _of_retriever(recipe, crops)
    return _of_folds(recipe, crops, folder)


def _of_retriever(recipe: PairsRecipe, crops: Sequence[Crop]) -> list[Ranker]:
    """A retriever over the people that it does not know: those it held out, or all of data that it was not trained on.

    The latter only for one of another project, which says on what it was trained and holds nobody out.
    """
    from reidr.retrieval.embedders.embedder import facts_of
    from reidr.retrieval.embedders.registry import load_embedder

    retriever = load_embedder(recipe.retriever)
    said = facts_of(retriever)
    if said.held_out is None and not said.trained_on:
        raise DataError(
            f"retriever {retriever.name} does not say on whom it was trained; name its data sets in the JSON file"
            ' beside it ({"trained_on": ["msmt17"]}), or mine with `source: folds`'
        )
    unseen: list[Crop] = []
    for name in sorted({dataset_of(crop.person) for crop in crops}):
        of_set = [crop for crop in crops if dataset_of(crop.person) == name]
        known = known_people(name, of_set, said.trained_on, said.held_out)
        if not known.names and said.held_out is not None:
            raise DataError(f"retriever {retriever.name} was not trained on {name}; mine with `source: folds`")
        if known.names and said.held_out is None:
            raise DataError(
                f"retriever {retriever.name} was trained on {name} and does not say whom it held out; mine with"
                " `source: folds`"
            )
        unseen += (crop for crop in of_set if crop.person not in known.people)
    train, validation = hold_out_identities(unseen, recipe.held_out_share, recipe.seed + 1)
    return [
        Ranker(retriever, names_of(part), 0, name)
        for name, part in (("train", train), ("held_out", validation))
        if part
    ]


def _of_folds(recipe: PairsRecipe, crops: Sequence[Crop], folder: Path) -> list[Ranker]:
    """One retriever per fold, trained here, over the people of that fold."""
    from reidr.retrieval.embedders.retriever import Retriever

    kept, validation = hold_out_identities(crops, recipe.held_out_share, recipe.seed)
    people = names_of(kept)
    folds = split_folds(people, recipe.folds, recipe.seed)
    trained = processes().spread(
        range(recipe.folds), lambda fold: fold_retriever(recipe, seen_outside(kept, people, folds[fold]), fold, folder)
    )
    rankers = rank_out_of_fold(kept, people, recipe.folds, recipe.seed, lambda _, fold: Retriever.load(trained[fold]))
    if validation:
        # No fold was trained on them, so any fold's retriever may rank them.
        rankers.append(Ranker(rankers[0].embedder, names_of(validation), 0, "held_out"))
    return rankers


def fold_retriever(recipe: PairsRecipe, seen: Sequence[Crop], fold: int, folder: Path) -> Path:
    """Train a fold's retriever, unless an earlier start of this run has finished it; returns its folder."""
    from reidr.retrieval.embedders.retriever import SETTINGS_FILE, save_retriever
    from reidr.training.retriever.train import train_retriever

    run = folder / f"fold-{fold}"
    prepare_folder(run)
    if not (run / "model" / SETTINGS_FILE).is_file():
        with progress(f"training the retriever of fold {fold}", recipe.training.epochs) as advance:
            network = train_retriever(recipe.training, seen, run, advance)
        sets = Counter(dataset_of(str(crop.person)) for crop in seen)
        # It knows the people of the other folds: whoever takes it for another recipe is told so.
        split = {"held_out_share": recipe.held_out_share, "seed": recipe.seed}
        facts = {"data": dict(sets), "recipe": split, "images": len(seen), "identities": len(names_of(seen))}
        save_retriever(network, run / "model", facts)
    return run / "model"


def names_of(crops: Sequence[Crop]) -> frozenset[str]:
    """The people on `crops`."""
    return frozenset(str(crop.person) for crop in crops if crop.person is not None)
