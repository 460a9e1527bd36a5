"""Teach the language model of `nano` to read crops: describe one, answer a question about it, compare two.

All texts come from true attributes (`facts`). Identity labels are never a target: a comparison is written under the
thinking prompt and in its form, but its answer word is drawn by lot, and the loss asks for all three words alike: the
form is learned and verdicts are not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reidr.core.process.signals import note_step
from reidr.core.storage.files import torch_save
from reidr.core.storage.json_lines import append_json_lines, keep_json_lines
from reidr.data.synthetic.twins import MARK
from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.prompting.answers import answer_token_ids
from reidr.reasoning.prompting.grammar import ANSWER_WORDS
from reidr.reasoning.prompting.prompt import DESCRIBE, render, render_crop
from reidr.reasoning.prompting.questions import QUESTIONS, answer_of
from reidr.reasoning.rationales.regions import UNSEEN
from reidr.training.common.finite import check_finite
from reidr.training.common.identities import STREET, family_of
from reidr.training.pretraining.examples import Example, completion_loss, example_batch
from reidr.training.pretraining.templates import ask, compare, describe
from reidr.training.recipes.embedder_and_base import LanguageTraining
from reidr.training.retriever.train import learning_rate_at

Advance = Callable[[float], None]
TO_TOKENS_FACTOR = 20.0  # rate of `AttributeHead.to_tokens` beside the others': its message has to grow to the size of tokens to be heard
RIVALS = 12  # crops of which the most alike is taken for a pair of look-alikes


class ExampleSource:
    """Draws examples from crops with attributes: of each family of data sets alike, whatever its size."""

    def __init__(self, crops: Sequence[Crop], processor: Any, config: LanguageTraining | None = None) -> None:
        """`crops` carry persons, cameras and joined attributes; how many examples are comparisons, descriptions and
        questions is the lesson's. Raises DataError where nothing can be compared."""
        self.config = LanguageTraining() if config is None else config
        self.crops = crops
        self.stop = str(processor.tokenizer.eos_token)
        self.compare_prompt = render(processor, "think")
        self.render = lambda text: render_crop(processor, text)
        self.sets: dict[str, _Set] = {}
        for place, crop in enumerate(crops):
            if crop.person is not None and any(name in crop.attributes for name in QUESTIONS):
                self.sets.setdefault(family_of(crop.person), _Set()).add(place, crop)
        self.sets = {name: each for name, each in self.sets.items() if each.across}
        if not self.sets:
            raise DataError("base training needs persons with known attributes, some of them seen by two cameras")

    def draw(self, random: np.random.Generator) -> Example:
        """One example: a comparison, a description or a question."""
        names = sorted(self.sets)
        name = names[int(random.integers(len(names)))]
        own, descriptions = self.sets[name], self.config.descriptions
        if name == STREET and self.config.drawn_descriptions is not None:
            descriptions = self.config.drawn_descriptions
        kind = random.random()
        if kind < self.config.comparisons:
            return self._comparison(own, random)
        if kind < self.config.comparisons + descriptions:
            if self.config.described_by_value:
                *_, place = own.sampled_value(random)
            else:
                place = own.places[int(random.integers(len(own.places)))]
            text = describe(self.crops[place].attributes, random) + self.stop
            return Example((place,), self.render(DESCRIBE), text)
        attribute, value, place = own.sampled_value(random)
        return Example((place,), self.render(ask(attribute, random)), answer_of(value) + self.stop)

    def _comparison(self, own: _Set, random: np.random.Generator) -> Example:
        first, second = own.pair(random)
        facts = compare(self.crops[first].attributes, self.crops[second].attributes, random)
        word = ANSWER_WORDS[int(random.integers(len(ANSWER_WORDS)))]
        before = f"<think>{facts}</think><answer>"
        text = f"{before}{word}</answer>{self.stop}"
        return Example((first, second), self.compare_prompt, text, ((len(before), len(before) + len(word)),))


class _Set:
    """The crops of one family of data sets, by person and by attribute value."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self.values: list[frozenset[tuple[str, str]]] = []
        self.by_person: dict[str, list[tuple[int, str | None]]] = {}
        self.by_value: dict[str, dict[str, list[int]]] = {}
        self.by_id: dict[str, int] = {}

    def add(self, place: int, crop: Crop) -> None:
        self.by_id[crop.id] = place
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

    @cached_property
    def twins(self) -> list[tuple[int, int]]:
        """Crops and their twins, with one thing changed (`data.street.twins`)."""
        found = ((self.by_id.get(name.removesuffix(MARK)), place) for name, place in self.by_id.items())
        return [(original, place) for original, place in found if original is not None and original != place]

    @property
    def attributes(self) -> list[str]:
        """Attributes that take more than one value."""
        return [name for name, values in self.by_value.items() if len(values) > 1]

    def sampled_value(self, random: np.random.Generator) -> tuple[str, str, int]:
        """An attribute, one of its values, and a crop that has it.

        Every value alike: a reader who always says "no hat" is right most of the time and reads nothing. "Not visible"
        is no value of a person but what happens to a picture: it is drawn as often as it happens. (Drawn as a value, it
        was a third of what was taught about photographed people's hats, which hardly any picture hides, and a fifth
        about their bags; docs/lab.md.)
        """
        attribute = self.attributes[int(random.integers(len(self.attributes)))]
        values = self.by_value[attribute]
        hidden, known = values.get(UNSEEN, []), sorted(value for value in values if value != UNSEEN)
        every = len(hidden) + sum(len(values[value]) for value in known)
        value = UNSEEN if random.random() < len(hidden) / every else known[int(random.integers(len(known)))]
        return attribute, value, values[value][int(random.integers(len(values[value])))]

    def pair(self, random: np.random.Generator) -> tuple[int, int]:
        """Two crops: of one person by two cameras (half of the time), of any two, or of look-alikes (a quarter each).

        Look-alikes: of some crops drawn by lot the one that shares most with the first; or, where there are twins, half
        of the time a crop and its twin. What differs between them is little, and to be found by looking; any two crops
        differ in nearly everything.
        """
        kind = random.random()
        if kind >= 0.875 and self.twins:
            first, second = self.twins[int(random.integers(len(self.twins)))]
            return (first, second) if random.random() < 0.5 else (second, first)
        if kind < 0.5:
            across = self.across
            own = self.by_person[across[int(random.integers(len(across)))]]
            first, camera = own[int(random.integers(len(own)))]
            others = [place for place, other in own if other != camera]
            return first, others[int(random.integers(len(others)))]
        number = 2 if kind < 0.75 else min(1 + RIVALS, len(self.places))
        first, *rivals = random.choice(len(self.places), number, replace=False).tolist()
        second = max(rivals, key=lambda rival: self._shared(first, rival))
        return self.places[first], self.places[second]

    def _shared(self, first: int, second: int) -> int:
        """How many attributes two crops (numbers within this set) have in common."""
        return len(self.values[first] & self.values[second])


def train_language_model(
    recipe: LanguageTraining,
    source: ExampleSource,
    run: Path,
    model: Any,
    seen: CropFeatures,
    advance: Advance | None = None,
) -> list[dict[str, float]]:
    """Train the connector and the language model in place for `recipe.steps` steps; returns the logged losses.

    `seen` holds the crops in the order of the source's. Writes `checkpoint.pt` every `recipe.save_every` steps and one
    JSON line per 25 steps to `log.jsonl` in `run`; called again it goes on from the last checkpoint, with the same
    examples.
    """
    model.train()
    visual = model.model.visual
    for part in (visual.vision_encoder, *(() if visual.attribute_head is None else visual.attribute_head.looking)):
        part.requires_grad_(False)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    to_tokens = [] if visual.attribute_head is None else list(visual.attribute_head.to_tokens.parameters())
    told = {id(parameter) for parameter in to_tokens}
    groups = [
        {"params": [parameter for parameter in parameters if id(parameter) not in told], "factor": 1.0},
        {"params": to_tokens, "factor": TO_TOKENS_FACTOR},
    ]
    optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=0.05, betas=(0.9, 0.98))
    path, first = run / "checkpoint.pt", 0
    if path.exists():
        state = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        first = int(state["step"])
    note_step(run, "step", first)
    keep_json_lines(run / "log.jsonl", lambda record: record["step"] <= first)
    if advance is not None:
        advance(first)
    words = answer_token_ids(seen.processor.tokenizer)
    log: list[dict[str, float]] = []
    started, recent = time.perf_counter(), []
    for step in range(first, recipe.steps):
        # A generator per step: a resumed run draws what the whole run would have drawn.
        random = np.random.default_rng((recipe.seed, step))
        for group in optimiser.param_groups:
            group["lr"] = (
                group["factor"] * recipe.learning_rate * learning_rate_at(step, recipe.steps, recipe.warmup_steps)
            )
        examples = [source.draw(random) for _ in range(recipe.batch)]
        optimiser.zero_grad(set_to_none=True)
        total = 0.0
        # Sequences of like length go together, the gradients add up.
        kinds = [len(example.crops) for example in examples]
        for kind in sorted(set(kinds)):
            chosen = [example for example, own in zip(examples, kinds, strict=True) if own == kind]
            inputs, labels = example_batch(seen, chosen)
            loss = completion_loss(model(**inputs).logits, labels, words, recipe.length_power).sum() / recipe.batch
            loss.backward()
            total += float(loss.detach())
        check_finite({"loss": total}, f"step {step + 1}")
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        recent.append(total)
        if advance is not None:
            advance(1)
        if (step + 1) % 25 == 0 or step + 1 == recipe.steps:
            record = {"step": step + 1, "loss": round(float(np.mean(recent)), 4)}
            record["seconds"] = round(time.perf_counter() - started, 1)
            recent = []
            log.append(record)
            append_json_lines(run / "log.jsonl", [record])
        if (step + 1) % recipe.save_every == 0 or step + 1 == recipe.steps:
            torch_save({"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}, path)
            note_step(run, "step", step + 1)
    model.eval()
    return log
