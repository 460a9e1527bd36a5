"""Sampling examples for the language model: describe a crop, answer a question about one, compare two.

All texts come from known attributes (`templates`). Identity labels are never a target: a comparison has the form of an
answer to the thinking prompt, but its answer word is random, and the loss asks for all three words equally. So the form
is learned and verdicts are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.reasoning.prompting.grammar import ANSWER_WORDS
from reidr.reasoning.prompting.prompt import DESCRIBE, render, render_crop
from reidr.reasoning.prompting.questions import QUESTIONS, answer_of
from reidr.reasoning.rationales.regions import UNSEEN
from reidr.training.common.identities import family_of
from reidr.training.pretraining.examples import Example
from reidr.training.pretraining.templates import ask, compare, describe
from reidr.training.recipes.pretraining import LanguageTraining

CANDIDATES = 12  # random crops, the most similar of which makes a pair of look-alikes


class ExampleSource:
    """Samples examples from crops with attributes; every family of data sets equally often, whatever its size."""

    def __init__(self, crops: Sequence[Crop], processor: Any, settings: LanguageTraining | None = None) -> None:
        """`crops` carry persons, cameras and joined attributes; `settings` give the shares of the kinds of examples.

        Raises DataError where nothing can be compared.
        """
        self.settings = LanguageTraining() if settings is None else settings
        self.crops = crops
        self.stop = str(processor.tokenizer.eos_token)
        self.compare_prompt = render(processor, "think")
        self.render = lambda text: render_crop(processor, text)
        self.families: dict[str, CropFamily] = {}
        for place, crop in enumerate(crops):
            if crop.person is not None and any(name in crop.attributes for name in QUESTIONS):
                self.families.setdefault(family_of(crop.person), CropFamily()).add(place, crop)
        self.families = {name: family for name, family in self.families.items() if family.across}
        if not self.families:
            raise DataError("pretraining needs persons with known attributes, some of them seen by two cameras")

    def draw(self, random: np.random.Generator) -> Example:
        """One example: a comparison, a description or a question."""
        names = sorted(self.families)
        family = self.families[names[int(random.integers(len(names)))]]
        kind = random.random()
        if kind < self.settings.comparisons:
            return self._comparison(family, random)
        if kind < self.settings.comparisons + self.settings.descriptions:
            place = family.places[int(random.integers(len(family.places)))]
            text = describe(self.crops[place].attributes, random) + self.stop
            return Example((place,), self.render(DESCRIBE), text)
        attribute, value, place = family.sampled_value(random)
        return Example((place,), self.render(ask(attribute, random)), answer_of(value) + self.stop)

    def _comparison(self, family: CropFamily, random: np.random.Generator) -> Example:
        first, second = family.pair(random)
        comparison = compare(self.crops[first].attributes, self.crops[second].attributes, random)
        word = ANSWER_WORDS[int(random.integers(len(ANSWER_WORDS)))]
        before = f"<think>{comparison}</think><answer>"
        text = f"{before}{word}</answer>{self.stop}"
        return Example((first, second), self.compare_prompt, text, ((len(before), len(before) + len(word)),))


class CropFamily:
    """The crops of one family of data sets, by person and by attribute value."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self.values: list[frozenset[tuple[str, str]]] = []
        self.by_person: dict[str, list[tuple[int, str | None]]] = {}
        self.by_value: dict[str, dict[str, list[int]]] = {}

    def add(self, place: int, crop: Crop) -> None:
        self.places.append(place)
        self.values.append(frozenset((name, value) for name, value in crop.attributes.items() if name in QUESTIONS))
        self.by_person.setdefault(str(crop.person), []).append((place, crop.camera))
        for name in QUESTIONS:
            if name in crop.attributes:
                self.by_value.setdefault(name, {}).setdefault(crop.attributes[name], []).append(place)

    @cached_property
    def across(self) -> list[str]:
        """Persons seen by two cameras or more."""
        return [person for person, own in self.by_person.items() if len({camera for _, camera in own}) > 1]

    @property
    def attributes(self) -> list[str]:
        """Attributes that take more than one value."""
        return [name for name, values in self.by_value.items() if len(values) > 1]

    def sampled_value(self, random: np.random.Generator) -> tuple[str, str, int]:
        """An attribute, one of its values, and the place of a crop that has it.

        All values of a person are equally likely: a model that always answers "no hat" is right most of the time and
        recognises nothing. "Not visible" is a property of a picture, not of a person, and keeps its own frequency.
        """
        attribute = self.attributes[int(random.integers(len(self.attributes)))]
        values = self.by_value[attribute]
        hidden, known = values.get(UNSEEN, []), sorted(value for value in values if value != UNSEEN)
        every = len(hidden) + sum(len(values[value]) for value in known)
        value = UNSEEN if random.random() < len(hidden) / every else known[int(random.integers(len(known)))]
        return attribute, value, values[value][int(random.integers(len(values[value])))]

    def pair(self, random: np.random.Generator) -> tuple[int, int]:
        """Two crops: of one person by two cameras (half of the time), any two, or look-alikes (a quarter each).

        Look-alikes: of some random crops the one that shares most attributes with the first. They differ in little;
        any two crops differ in nearly everything.
        """
        kind = random.random()
        if kind < 0.5:
            across = self.across
            own = self.by_person[across[int(random.integers(len(across)))]]
            first, camera = own[int(random.integers(len(own)))]
            others = [place for place, other in own if other != camera]
            return first, others[int(random.integers(len(others)))]
        number = 2 if kind < 0.75 else min(1 + CANDIDATES, len(self.places))
        first, *candidates = random.choice(len(self.places), number, replace=False).tolist()
        second = max(candidates, key=lambda candidate: self._shared(first, candidate))
        return self.places[first], self.places[second]

    def _shared(self, first: int, second: int) -> int:
        """How many attributes two crops (numbers within this set) have in common."""
        return len(self.values[first] & self.values[second])
