"""How many candidate pairs a recipe can draw: its mining, with a made-up ranking instead of an embedder's.

Everything that does not depend on features is done as `training/pairs` does it: folds and held-out people by hash, the
number of queries, positives and negatives of each, other cameras only, each pair once, balance over labels, data sets
and pairs of cameras. What depends on features is assumed: `MATCHES_FIRST` of a query's matches are ranked before
everybody else, and which other people are near is random.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from reidr.data.person_key import dataset_of
from reidr.data.synthetic.plan import plan_street
from reidr.training.common.identities import is_held_out
from reidr.training.pairs.balance import share_out
from reidr.training.pairs.folds import fold_of
from reidr.training.planning.data import PlannedData, Seen
from reidr.training.pretraining.streets import street_settings
from reidr.training.recipes.pairs import PairsRecipe
from reidr.training.recipes.pretraining import PretrainingRecipe

MATCHES_FIRST = 0.7
"""Share of a query's matches that a retriever ranks before all other people, on people it was not trained on."""
MUTUAL = 0.25
"""Share of hard negatives that are selected from both sides and kept once. With the retriever `nano` on a third of the
people, 28 % of Market-1501's and 8 % of CUHK03's were (2026-11-30); among positives, random choice repeats as many."""


@dataclass(frozen=True)
class Mining:
    """The settings of `PairsRecipe` that decide which pairs a query gives."""

    queries: int
    positives: int
    negatives: int
    negative_ranks: int
    selection: str
    seed: int


@dataclass(frozen=True)
class Drawn:
    """Training pairs: `possible` can be drawn, of which `asked` are wanted; `by_set`: what each data set gives."""

    asked: int
    possible: int
    by_set: dict[str, int]
    certain: bool

    @property
    def kept(self) -> int:
        """Pairs that the stage will write."""
        return min(self.asked, self.possible)


def drawable(recipe: PairsRecipe, data: Sequence[PlannedData], pretraining: PretrainingRecipe | None) -> Drawn:
    """The training pairs of a recipe; `data` are its data sets, of the pretraining where its pairs come from that."""
    crops = [crop for each in data for crop in each.crops]
    if recipe.source == "pretraining" and pretraining is not None:
        parts = [[crop for crop in crops if is_left_to_reasoning(crop[0], pretraining)]]
        if recipe.street or not crops:
            settings = street_settings(pretraining.street_people, pretraining.street_seed + 1)
            parts[0] += [("street:" + s.person.label, s.camera.label) for s in plan_street(settings).sightings]
    elif recipe.source == "retriever":
        # The shipped retrievers hold out a tenth of the people, of whom a share is kept for validation.
        unseen = [crop for crop in crops if is_held_out(crop[0], 0.1, 0)]
        parts = [[crop for crop in unseen if not is_held_out(crop[0], recipe.held_out_share, recipe.seed + 1)]]
    else:
        kept = [crop for crop in crops if not is_held_out(crop[0], recipe.held_out_share, recipe.seed)]
        folds = [fold_of(person, recipe.folds, recipe.seed) for person, _ in kept]
        parts = [[c for c, own in zip(kept, folds, strict=True) if own == fold] for fold in range(recipe.folds)]
    mining = Mining(**{each.name: getattr(recipe, each.name) for each in fields(Mining)})
    cells: Counter[tuple[str, str, bool]] = Counter()
    for part in parts:
        for name in sorted({dataset_of(person) for person, _ in part}):
            cells.update(draw(mining, name, tuple(crop for crop in part if dataset_of(crop[0]) == name)))
    room: Counter[str] = Counter()
    for name, cameras in {(name, cameras) for name, cameras, _ in cells}:
        room[name] += min(cells[name, cameras, True], cells[name, cameras, False])
    budgets = asked_of(recipe, crops)
    total = sum(budgets.values()) if isinstance(budgets, dict) else budgets
    given = (
        {n: min(room[n], budgets[n] // 2) for n in room} if isinstance(budgets, dict) else share_out(room, total // 2)
    )
    certain = all(each.found for each in data)
    return Drawn(total, 2 * sum(given.values()) if isinstance(budgets, dict) else 2 * room.total(),
                 {name: 2 * number for name, number in sorted(given.items())}, certain)  # fmt: skip


def asked_of(recipe: PairsRecipe, crops: Sequence[Seen]) -> int | dict[str, int]:
    """Training pairs that a recipe asks for: of all data sets, or of each by its images."""
    per_image: float | None = getattr(recipe, "pairs_per_image", None)
    if per_image is None:
        return recipe.pairs
    images = Counter(dataset_of(person) for person, _ in crops)
    return {name: round(number * per_image) for name, number in images.items()}


def is_left_to_reasoning(person: str, recipe: PretrainingRecipe) -> bool:
    """Whether pairs may be made of a person: not held out, and not shown to the vision encoder (`split_identities`)."""
    return not is_held_out(person, recipe.held_out_share, recipe.split_seed) and is_held_out(
        person, recipe.reasoning_share, recipe.split_seed + 1
    )


@lru_cache(maxsize=32)
def draw(recipe: Mining, name: str, crops: tuple[Seen, ...]) -> Counter[tuple[str, str, bool]]:
    """Pairs of one search, each once, counted by (data set, pair of cameras, label)."""
    random = np.random.default_rng(recipe.seed)
    people = np.unique([person for person, _ in crops], return_inverse=True)[1]
    cameras = np.unique([camera for _, camera in crops], return_inverse=True)[1]
    of_person: dict[int, list[int]] = {}
    for place, person in enumerate(people.tolist()):
        of_person.setdefault(person, []).append(place)
    queries = range(len(crops))
    if len(crops) > recipe.queries:
        queries = np.sort(random.choice(len(crops), recipe.queries, replace=False)).tolist()
    found: dict[tuple[int, int], bool] = {}
    for query in queries:
        matches = [place for place in of_person[int(people[query])] if cameras[place] != cameras[query]]
        others = others_near(recipe, len(matches))
        chosen = random.permutation(len(matches))[: recipe.positives]
        pairs = [(matches[int(place)], True) for place in chosen]
        strangers = random.integers(len(crops), size=3 * others)
        usable = [p for p in strangers.tolist() if people[p] != people[query] and cameras[p] != cameras[query]]
        pairs += [(place, False) for place in usable[:others] if random.random() >= MUTUAL]
        for place, label in pairs:
            found.setdefault((min(query, place), max(query, place)), label)
    counts: Counter[tuple[str, str, bool]] = Counter()
    for (a, b), label in found.items():
        low, high = sorted((int(cameras[a]), int(cameras[b])))
        counts[name, f"{low} {high}", label] += 1
    return counts


def others_near(recipe: Mining, matches: int) -> int:
    """Negatives of a query with so many matches: of other people among the first `negative_ranks` candidates."""
    free = recipe.negative_ranks
    if recipe.selection == "spread-over-ranks":
        free = max(0, free - round(MATCHES_FIRST * matches))
    # The nearest crops of other people show some of them several times; two crops each, on average.
    return min(recipe.negatives, (free + 1) // 2)
