"""Sampling examples for the language model: describe a crop, answer a question about one, compare two.

All texts come from known attributes (`templates`). Identity labels are never a target: a comparison has the form of an
answer to the thinking prompt, but its answer word is random, and the loss asks for all three words equally. So the form
is learned and verdicts are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.data.attributes import AND, EITHER
from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.reasoning.prompting.grammar import ANSWER_WORDS
from reidr.reasoning.prompting.prompt import DESCRIBE, render, render_crop
from reidr.reasoning.prompting.questions import QUESTIONS, answer_of
from reidr.reasoning.rationales.regions import UNSEEN, certain
from reidr.training.common.identities import family_of
from reidr.training.pretraining.examples import Example
from reidr.training.pretraining.templates import GRADES, ask, compare, describe
from reidr.training.pretraining.visible import VisibleCrops
from reidr.training.recipes.pretraining import LanguageTraining

ENDS = ("upper clothing", "lower clothing")  # regions of which the vision encoder says how alike they look
SAMPLE = 2000  # pairs by which likeness is graded
CANDIDATES = 12  # random crops, the most similar of which makes a pair of look-alikes


class ExampleSource:
    """Samples examples from crops with attributes; every family of data sets equally often, whatever its size."""

    def __init__(self, visible: VisibleCrops, processor: Any, settings: LanguageTraining | None = None) -> None:
        """`visible` are crops of persons and cameras; `settings` give the shares of the kinds of examples.

        Raises DataError where nothing can be compared.
        """
        self.settings = LanguageTraining() if settings is None else settings
        self.visible = visible
        self.stop = str(processor.tokenizer.eos_token)
        self.compare_prompt = render(processor, "think")
        self.render = lambda text: render_crop(processor, text)
        self.families: dict[str, CropFamily] = {}
        for place, (crop, known) in enumerate(zip(visible.crops, visible.known, strict=True)):
            if crop.person is not None and any(name in known for name in QUESTIONS):
                self.families.setdefault(family_of(crop.person), CropFamily()).add(place, crop, known)
        if not any(family.several for family in self.families.values()):
            raise DataError("pretraining needs persons of whom something is known, some of them with two crops")
        self.families = {name: family for name, family in self.families.items() if len(family.places) > 1}
        self.edges = self._edges_of_likeness()

    def draw(self, random: np.random.Generator) -> Example:
        """One example: a comparison, a description or a question."""
        names = sorted(self.families)
        family = self.families[names[int(random.integers(len(names)))]]
        kind = random.random()
        if kind < self.settings.comparisons:
            return self._comparison(family, random)
        if kind < self.settings.comparisons + self.settings.descriptions:
            place = family.places[int(random.integers(len(family.places)))]
            text = describe(self.visible.known[place], random) + self.stop
            return Example((place,), self.render(DESCRIBE), text)
        attribute, place = family.sampled_value(random)
        return Example(
            (place,), self.render(ask(attribute, random)), answer_of(self.visible.known[place][attribute]) + self.stop
        )

    def _comparison(self, family: CropFamily, random: np.random.Generator) -> Example:
        first, second = family.pair(random)
        known = self.visible.known
        comparison = compare(known[first], known[second], random, likeness=self.likeness(first, second))
        word = ANSWER_WORDS[int(random.integers(len(ANSWER_WORDS)))]
        before = f"<think>{comparison}</think><answer>"
        text = f"{before}{word}</answer>{self.stop}"
        return Example((first, second), self.compare_prompt, text, ((len(before), len(before) + len(word)),))

    def likeness(self, first: int, second: int) -> dict[str, int] | None:
        """How alike two crops look, region by region, as places of `templates.GRADES`; None where that is unknown."""
        cosines = self._cosines(first, second)
        if cosines is None:
            return None
        return {
            region: int(np.searchsorted(self.edges[region], cosine))
            for region, cosine in zip(ENDS, cosines, strict=True)
        }

    def _cosines(self, first: int, second: int) -> tuple[float, float] | None:
        """Cosines of the upper and of the lower parts of two crops."""
        upper, lower = self.visible.upper, self.visible.lower
        if upper is None or lower is None:
            return None
        return float(upper[first] @ upper[second]), float(lower[first] @ lower[second])

    def _edges_of_likeness(self) -> dict[str, NDArray[np.float64]]:
        """By region the cosines between grades: each is true of a quarter of the pairs that are compared."""
        random = np.random.default_rng(0)
        names = sorted(self.families)
        drawn = [self._cosines(*self.families[names[n % len(names)]].pair(random)) for n in range(SAMPLE)]
        cosines = np.array([each for each in drawn if each is not None]).reshape(-1, len(ENDS))
        quarters = np.linspace(0, 1, len(GRADES) + 1)[1:-1]
        return {
            region: np.quantile(cosines[:, place], quarters) if len(cosines) else np.empty(0)
            for place, region in enumerate(ENDS)
        }


class CropFamily:
    """The crops of one family of data sets, by person and by attribute value."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self.values: list[frozenset[tuple[str, str]]] = []
        self.by_person: dict[str, list[tuple[int, str | None]]] = {}
        self.by_value: dict[str, dict[str, list[int]]] = {}

    def add(self, place: int, crop: Crop, known: Mapping[str, str]) -> None:
        """One more crop, and what may be said of it."""
        self.places.append(place)
        self.values.append(frozenset((name, certain(value)) for name, value in known.items() if name in QUESTIONS))
        self.by_person.setdefault(str(crop.person), []).append((place, crop.camera))
        for name in QUESTIONS:
            if name in known and EITHER not in known[name]:
                first, *_ = certain(known[name]).split(AND)
                self.by_value.setdefault(name, {}).setdefault(first, []).append(place)

    @cached_property
    def several(self) -> list[str]:
        """Persons with two crops or more."""
        return [person for person, own in self.by_person.items() if len(own) > 1]

    @property
    def attributes(self) -> list[str]:
        """Attributes that take more than one value; where none does, all that are known."""
        return [name for name, values in self.by_value.items() if len(values) > 1] or list(self.by_value)

    def sampled_value(self, random: np.random.Generator) -> tuple[str, int]:
        """An attribute, and the place of a crop that has a value of it that was drawn before.

        All values of a person are equally likely: a model that always answers "no hat" is right most of the time and
        recognises nothing. "Not visible" is a property of a picture, not of a person, and keeps its own frequency.
        """
        attribute = self.attributes[int(random.integers(len(self.attributes)))]
        values = self.by_value[attribute]
        hidden, known = values.get(UNSEEN, []), sorted(value for value in values if value != UNSEEN)
        every = len(hidden) + sum(len(values[value]) for value in known)
        value = UNSEEN if random.random() < len(hidden) / every else known[int(random.integers(len(known)))]
        return attribute, values[value][int(random.integers(len(values[value])))]

    def pair(self, random: np.random.Generator) -> tuple[int, int]:
        """Two crops: of one person, by two cameras where there are two (half of the time), any two, or look-alikes (a
        quarter each).

        Look-alikes: of some random crops the one that shares most attributes with the first. They differ in little;
        any two crops differ in nearly everything.
        """
        kind = random.random()
        if kind < 0.5 and self.several:
            own = self.by_person[self.several[int(random.integers(len(self.several)))]]
            first, camera = own[int(random.integers(len(own)))]
            elsewhere = [place for place, other in own if other != camera]
            others = elsewhere or [place for place, _ in own if place != first]
            return first, others[int(random.integers(len(others)))]
        number = 2 if kind < 0.75 else min(1 + CANDIDATES, len(self.places))
        first, *candidates = random.choice(len(self.places), number, replace=False).tolist()
        second = max(candidates, key=lambda candidate: self._shared(first, candidate))
        return self.places[first], self.places[second]

    def _shared(self, first: int, second: int) -> int:
        """How many attributes two crops (numbers within this set) have in common."""
        return len(self.values[first] & self.values[second])
