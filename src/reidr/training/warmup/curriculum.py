"""Which pairs a warm-up step learns from: random ones first, the mined hard ones later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reidr.data.person_key import dataset_of
from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.reasoning.types import Pair
from reidr.training.recipes.warmup import WarmupRecipe


@dataclass(frozen=True)
class Drawn:
    """A training pair: places of its crops in `Curriculum.crops`, in the order shown, and its label.

    `label`: True for one person. `hard`: mined, not random.
    """

    first: int
    second: int
    label: bool
    hard: bool

    def places(self, swapped: bool = False) -> tuple[int, int]:
        """The crops as A and B, or as B and A."""
        return (self.second, self.first) if swapped else (self.first, self.second)


def hard_share(recipe: WarmupRecipe, step: int) -> float:
    """Share of mined pairs at `step`: from `hard_start` in a straight line to `hard_end`, reached at `ramp`."""
    done = min(1.0, step / max(1.0, recipe.ramp * recipe.steps))
    return recipe.hard_start + (recipe.hard_end - recipe.hard_start) * done


class Curriculum:
    """Draws the pairs of each step; a step's pairs depend on recipe, pairs and step alone.

    Attributes:
        crops: every crop of the pairs, once; places in `Drawn` count these.
    """

    def __init__(self, recipe: WarmupRecipe, pairs: Sequence[Pair]) -> None:
        """`pairs` are the mined ones, labelled; random pairs are made of their crops.

        Raises:
            DataError: a pair without a label, no pair of one label, or nobody seen by two cameras.
        """
        if any(pair.label is None for pair in pairs):
            raise DataError("warm-up needs labelled pairs; one of them has no label")
        places: dict[str, int] = {}
        self.crops: list[Crop] = []
        self.hard: dict[bool, list[Drawn]] = {True: [], False: []}
        for pair in pairs:
            for crop in (pair.query, pair.candidate):
                if crop.id not in places:
                    places[crop.id] = len(self.crops)
                    self.crops.append(crop)
            label = bool(pair.label)
            self.hard[label].append(Drawn(places[pair.query.id], places[pair.candidate.id], label, True))
        for label, name in ((True, "one person"), (False, "two persons")):
            if not self.hard[label]:
                raise DataError(f"none of the {len(pairs)} pairs shows {name}; warm-up needs both kinds")
        self.recipe = recipe
        self.people: dict[str, list[int]] = {}
        self.sets: dict[str, list[int]] = {}
        for place, crop in enumerate(self.crops):
            self.people.setdefault(str(crop.person), []).append(place)
            self.sets.setdefault(dataset_of(crop.person), []).append(place)
        self.several = [
            person for person, own in self.people.items() if len({self.crops[place].camera for place in own}) > 1
        ]
        if not self.several:
            raise DataError("none of the pairs' people is seen by two cameras; warm-up learns across cameras only")

    def draw(self, step: int) -> list[Drawn]:
        """The pairs of a step: labels take turns, hard ones with probability `hard_share`, order of A and B random."""
        random = np.random.default_rng((self.recipe.seed, step))
        share = hard_share(self.recipe, step)
        drawn = []
        for number in range(self.recipe.batch):
            label = number % 2 == 0
            if random.random() < share:
                own = self.hard[label]
                pair = own[int(random.integers(len(own)))]
            else:
                pair = self._random(label, random)
            if random.random() < 0.5:
                pair = Drawn(pair.second, pair.first, pair.label, pair.hard)
            drawn.append(pair)
        return drawn

    def with_pairs(self, pairs: Sequence[Pair]) -> tuple[list[Crop], list[tuple[int, int]]]:
        """`crops` and after them those of further `pairs`, and each pair's two places in that list."""
        crops, places = list(self.crops), {crop.id: place for place, crop in enumerate(self.crops)}
        for pair in pairs:
            for crop in (pair.query, pair.candidate):
                if crop.id not in places:
                    places[crop.id] = len(crops)
                    crops.append(crop)
        return crops, [(places[pair.query.id], places[pair.candidate.id]) for pair in pairs]

    def _random(self, label: bool, random: np.random.Generator) -> Drawn:
        """Two crops of different cameras of one data set, of one person or of two."""
        if label:
            own = self.people[self.several[int(random.integers(len(self.several)))]]
        else:
            own = self.sets[dataset_of(self.crops[int(random.integers(len(self.crops)))].person)]
        for _ in range(1000):
            first, second = (own[int(place)] for place in random.integers(len(own), size=2))
            a, b = self.crops[first], self.crops[second]
            if a.camera != b.camera and (a.person == b.person) is label:
                return Drawn(first, second, label, False)
        raise DataError("no two people of one data set are seen by different cameras; random pairs cannot be drawn")


def choose_measured(pairs: Sequence[Pair], most: int, seed: int) -> list[Pair]:
    """At most `most` of the labelled pairs, as many of each label, sampled by `seed`."""
    random = np.random.default_rng(seed)
    by_label = [[pair for pair in pairs if pair.label is label] for label in (True, False)]
    number = min(most // 2, *(len(group) for group in by_label))
    return [group[int(place)] for group in by_label for place in random.permutation(len(group))[:number]]
