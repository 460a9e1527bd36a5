"""Experiment A of README.md: trained on people told apart by some cues in one street, judged on other cues in another.

    python research/reinforcement/cue_shift.py --model runs/pretraining/model --run runs/cue-shift --seeds 0 1 2 3 4
    python research/reinforcement/experiment_tables.py A runs/cue-shift

Resumable: what a seed's arm has written to results.jsonl is not done again. Arms called D are judged by their direct
score, arms called B by their reasoned one; the warm-up, from which all start, by both.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from reidr.data.attribute_sources import STREET_COLOR
from reidr.data.attributes import common_attributes
from reidr.data.synthetic.person.palette import JACKET_COLORS, LOWER_COLORS, SHOES_COLORS
from reidr.data.synthetic.picture.crop import render_crop
from reidr.data.synthetic.plan import Sighting, plan_street
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.types import Crop
from reidr.evaluation.metrics.roc_area import roc_area
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.reasoned_score import BLANK, after_words, reasoned_logits
from reidr.reasoning.inference.sampling import continue_prompts, read_completions
from reidr.reasoning.models.checkpoint import load_model
from reidr.reasoning.models.processor import load_processor
from reidr.reasoning.prompting.answers import yes_probability
from reidr.reasoning.rationales.claims import check_claim, parse_claims
from reidr.training.pretraining.templates import compare
from reidr.training.warmup.examples import WarmupExample, WarmupModel
from reidr.training.warmup.rationales import Rationale, read_rationale

SEEN, UNSEEN = ("lower_color", "jacket_color"), ("hair_length", "lower_kind", "shoes_color")
CHOICES: dict[str, tuple[str, ...]] = {
    "lower_color": LOWER_COLORS,
    "jacket_color": JACKET_COLORS,
    "shoes_color": SHOES_COLORS,
    "lower_kind": ("trousers", "shorts"),
    "hair_length": ("short", "long"),
}
NOT_VISIBLE = "not visible"
NEEDED = {"jacket_color": ("upper_color",)}
"""What must be visible besides a cue for words to tell it: a jacket is named together with what it is worn over."""
READING, WARM, STEPS, PAIRS, GROUP, SHARE = 120, 90, 200, 16, 8, 0.209
RATE, WARM_RATE, KL, PRICE, TRUTH = 5e-5, 3e-4, 0.02, 0.02, 0.3
POLICY = 10.0
"""Weight of the policy gradient, a mean over tokens, beside the judge's cross-entropy, a mean over rationales."""
TOKENS = 110
TESTED = 0.4
"""Temperature of the rationales that are judged in tests; those of training are sampled at 1, to differ."""
LEAST_LEVERAGE, LEAST_AREA, LOOK = 0.2, 0.6, 25
"""The stop rules of README.md: of the warm-up's words, and the step by which held-out people are rewarded more."""


@dataclass(frozen=True)
class TwinPair:
    """Places of two crops, whether they show one person, the cue that was changed where they do not, and the person."""

    a: int
    b: int
    label: bool
    cue: str
    person: str


class World:
    """Crops of one street, and pairs of them: positives across cameras, negatives with one thing changed."""

    def __init__(self, seed: int, people: int) -> None:
        settings = StreetSettings(
            seed=seed, train_people=people, cameras_per_person=2, crops_per_camera=1, distractors=0, junk=0
        )
        self.crops: list[Crop] = []
        self.by_person: dict[str, list[Sighting]] = {}
        for each in plan_street(settings).sightings:
            self.by_person.setdefault(each.person.label, []).append(each)
        self.random = np.random.default_rng((seed, 5))

    def pairs(self, number: int, cues: Sequence[str], persons: Sequence[str]) -> list[TwinPair]:
        """`number` pairs of these persons, labels in turn, cues in turn."""
        found: list[TwinPair] = []
        tried = 0
        while len(found) < number and tried < 20 * number:
            person = persons[tried % len(persons)]
            cue, label = cues[len(found) // 2 % len(cues)], len(found) % 2 == 0
            tried += 1
            pair = self._pair(person, cue, label)
            if pair is not None:
                found.append(pair)
        return found

    def _pair(self, person: str, cue: str, label: bool) -> TwinPair | None:
        own = self.by_person[person]
        if len(own) < 2:
            return None
        first, second = (own[int(place)] for place in self.random.choice(len(own), 2, replace=False))
        shown, other = first, second if label else self.changed(second, cue)
        if other is None:
            return None
        crops = [self._crop(each) for each in (shown, other)]
        needed = (cue, *NEEDED.get(cue, ()))
        if any(crop.attributes.get(name, NOT_VISIBLE) == NOT_VISIBLE for crop in crops for name in needed):
            return None
        self.crops += crops
        return TwinPair(len(self.crops) - 2, len(self.crops) - 1, label, "" if label else cue, person)

    def changed(self, sighting: Sighting, cue: str) -> Sighting | None:
        """The sighting with another value of `cue`; None where there is nothing to change."""
        if cue == "hair_length":
            other = "long" if sighting.person.hair_length == "short" else "short"
            return replace(sighting, person=replace(sighting.person, hair_length=other))
        now = getattr(sighting.outfit, cue)
        if now == "none":
            return None
        words = STREET_COLOR.get
        possible = [value for value in CHOICES[cue] if words(value, value) != words(now, now)]
        return replace(
            sighting, outfit=replace(sighting.outfit, **{cue: possible[int(self.random.integers(len(possible)))]})
        )

    def _crop(self, sighting: Sighting) -> Crop:
        drawn = render_crop(
            sighting.person, sighting.outfit, sighting.view, sighting.camera, int(self.random.integers(2**31))
        )
        return Crop(f"{len(self.crops)}-{self.random.integers(2**31)}", drawn.image, attributes=dict(drawn.attributes))


@dataclass
class Task:
    """All crops with their features, and the pairs by use."""

    crops: list[Crop]
    warm: list[TwinPair]
    train: list[TwinPair]
    watched: list[TwinPair]
    tests: dict[str, list[TwinPair]]


def task_of(people: int, pairs: int, tested: int) -> Task:
    """The pairs of both streets, crops of one list."""
    first, second = World(700, people), World(701, people // 3)
    names = sorted(first.by_person)
    cut = [int(share * len(names)) for share in (0.3, 0.8, 0.85)]
    warm = first.pairs(pairs // 3, SEEN, names[: cut[0]])
    train = first.pairs(pairs, SEEN, names[cut[0] : cut[1]])
    watched = first.pairs(min(200, tested), SEEN, names[cut[1] : cut[2]])
    tests = {
        f"{kind} S0": first.pairs(tested, cues, names[cut[2] :]) for kind, cues in (("seen", SEEN), ("unseen", UNSEEN))
    }
    offset = len(first.crops)
    for kind, cues in (("seen", SEEN), ("unseen", UNSEEN)):
        own = second.pairs(tested, cues, sorted(second.by_person))
        tests[f"{kind} S1"] = [replace(pair, a=pair.a + offset, b=pair.b + offset) for pair in own]
    return Task(first.crops + second.crops, warm, train, watched, tests)


class Arm:
    """One model in training: what it can do, and how its scores are read.

    Attributes:
        speaker: whose words it judges; itself, unless its words were never to change.
    """

    def __init__(self, base: Any, features: CropFeatures, crops: Sequence[Crop], seed: int) -> None:
        self.speaker = self
        self.base = copy.deepcopy(base).eval()
        for part in (self.base.model.visual.vision_encoder,):
            part.requires_grad_(False)
        self.features = features.with_model(self.base)
        self.model = WarmupModel(self.base, self.features)
        self.crops, self.seed, self.draws = crops, seed, 0
        self.parameters = [each for each in self.base.parameters() if each.requires_grad]

    def optimiser(self, rate: float) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters, lr=rate, weight_decay=0.05, betas=(0.9, 0.98))

    def write(
        self, pairs: Sequence[TwinPair], each: int, swapped: bool = False, temperature: float = 1.0
    ) -> list[list[Rationale | None]]:
        """`each` rationales of every pair."""
        text = self.model.texts["think"]
        written: list[list[Rationale | None]] = []
        for start in range(0, len(pairs), 64):
            some = pairs[start : start + 64]
            rows = [(text, (pair.b, pair.a) if swapped else (pair.a, pair.b)) for pair in some]
            self.draws += 1
            settings = Thinking(TOKENS, temperature, self.seed * 100_003 + self.draws)
            sampled = continue_prompts(self.features.adapter, self.features.prompts(rows), [each] * len(rows), settings)
            own = [read_rationale(self.features, one) for one in read_completions(self.features.adapter, sampled)]
            written += [own[place : place + each] for place in range(0, len(own), each)]
        return written

    def judged(self, rationales: Sequence[Rationale | None]) -> NDArray[np.float64]:
        """P(same) from the words alone; 0.5 of what cannot be read."""
        words = [each.reasoning for each in rationales if each is not None]
        found = np.full(len(rationales), 0.5)
        if words:
            distinct = list(dict.fromkeys(words))
            own = dict(
                zip(distinct, yes_probability(reasoned_logits(self.features.adapter, distinct)[None]), strict=True)
            )
            found[[each is not None for each in rationales]] = [own[each] for each in words]
        return found

    def direct(self, pairs: Sequence[TwinPair]) -> NDArray[np.float64]:
        """P(same) right after the pictures, mean of both orders."""
        sums = np.zeros(len(pairs))
        for swapped in (False, True):
            for start in range(0, len(pairs), 128):
                some = [self.example(pair, swapped) for pair in pairs[start : start + 128]]
                with torch.no_grad():
                    logits = self.model.answer_logits(self.model.hidden(some), some)[:, self.model.words[:2]]
                sums[start : start + 128] += logits.softmax(1)[:, 0].numpy() / 2
        return sums

    def reasoned(self, pairs: Sequence[TwinPair]) -> tuple[NDArray[np.float64], float, float]:
        """(P(same) of the words alone, mean of two rationales in each order; leverage; share that could be read)."""
        table, read = [], []
        for swapped in (False, True):
            written = self.speaker.write(pairs, 2, swapped, TESTED)
            said = [one for own in written for one in own]
            table.append(self.judged(said).reshape(len(pairs), 2))
            read += [one is not None for one in said]
        each = np.concatenate(table, axis=1)
        p = each.mean(axis=1)
        return p, float(each.var(axis=1, ddof=1).mean() / (p * (1 - p)).mean()), float(np.mean(read))

    def example(self, pair: TwinPair, swapped: bool) -> WarmupExample:
        places = (pair.b, pair.a) if swapped else (pair.a, pair.b)
        return WarmupExample(self.model.texts["score"], places, (), 0, pair.label)

    def after(self, pair: TwinPair, rationale: Rationale, blank: bool) -> WarmupExample:
        places = (self.model.blank, self.model.blank) if blank else (pair.a, pair.b)
        ids = rationale.ids[: rationale.answer]
        return WarmupExample(self.model.texts["think"], places, ids, rationale.answer, pair.label)

    def answer_loss(self, examples: Sequence[WarmupExample]) -> Tensor:
        """Mean cross-entropy of the right word."""
        logits = self.model.answer_logits(self.model.hidden(examples), examples)
        wanted = torch.tensor([self.model.answer_word(each.label) for each in examples])
        return functional.cross_entropy(logits, wanted)

    def word_log_probabilities(
        self, pairs: Sequence[TwinPair], rationales: Sequence[Rationale], whole: bool
    ) -> tuple[Tensor, Tensor]:
        """(N, length) log-probabilities of the rationales' tokens with the pictures in view, and their mask."""
        text = self.model.texts["think"]
        ids = [each.ids if whole else each.ids[: each.answer] for each in rationales]
        examples = [
            WarmupExample(text, (pair.a, pair.b), own, 0, pair.label) for pair, own in zip(pairs, ids, strict=True)
        ]
        hidden = self.model.hidden(examples)
        longest = max(map(len, ids))
        tokens = torch.zeros(len(ids), longest, dtype=torch.long)
        mask = torch.zeros(len(ids), longest)
        rows = torch.zeros(len(ids), longest, dtype=torch.long)
        for row, (example, own) in enumerate(zip(examples, ids, strict=True)):
            start = self.model.prompt_length(example) - 1
            tokens[row, : len(own)], mask[row, : len(own)] = torch.tensor(own), 1.0
            rows[row, : len(own)] = torch.arange(start, start + len(own))
        picked = hidden[torch.arange(len(ids))[:, None], rows]
        logits = self.base.lm_head(picked).float()
        return -functional.cross_entropy(logits.transpose(1, 2), tokens, reduction="none") * mask, mask

    def step(self, optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        optimiser.step()


def drawn(pairs: Sequence[TwinPair], random: np.random.Generator) -> list[TwinPair]:
    """The pairs of a step, half of each label."""
    same = [pair for pair in pairs if pair.label]
    other = [pair for pair in pairs if not pair.label]
    half = PAIRS // 2
    return [same[int(i)] for i in random.integers(len(same), size=half)] + [
        other[int(i)] for i in random.integers(len(other), size=half)
    ]


def made_up(arm: Arm, pair: TwinPair, random: np.random.Generator, regions: int = 7) -> Rationale:
    """A comparison made from what is true of the two crops, in varied wording; the right word stands after it.

    Of all seven regions, so that what was changed is among them.
    """
    tokenizer = arm.features.processor.tokenizer
    a, b = (common_attributes(arm.crops[place].attributes) for place in (pair.a, pair.b))
    words = compare(a, b, random, regions=regions)
    ids = tokenizer.encode(after_words(words), add_special_tokens=False)
    ending = tokenizer.encode(f"</answer>{tokenizer.eos_token}", add_special_tokens=False)
    return Rationale((*ids, arm.model.answer_word(pair.label), *ending), len(ids), words)


def read(arm: Arm, pairs: Sequence[TwinPair], steps: int) -> float:
    """Learn to read before judging: the verdict from true words alone, and to write such words from the pictures.

    Words are about the warm-up's people and its cues. Returns the last step's cross-entropy of the verdict.
    """
    optimiser, random, last = arm.optimiser(WARM_RATE), np.random.default_rng((arm.seed, 4)), 0.0
    for _ in range(steps):
        own = drawn(pairs, random)
        said = [made_up(arm, pair, random) for pair in own]
        loss = arm.answer_loss([arm.after(pair, one, blank=True) for pair, one in zip(own, said, strict=True)])
        last = float(loss.detach())
        arm.step(optimiser, loss + imitation(arm, own, random))
    return last


def imitation(arm: Arm, pairs: Sequence[TwinPair], random: np.random.Generator) -> Tensor:
    """Cross-entropy per token of whole completions with true words: without it the answer word, which everything else
    trains, soon stands in the place of every word.

    Of five regions, as the model learned to write before: of seven it would not come to an end within `TOKENS`.
    """
    now, mask = arm.word_log_probabilities(pairs, [made_up(arm, pair, random, regions=5) for pair in pairs], whole=True)
    return -now.sum() / mask.sum()


def made_up_areas(arm: Arm, tests: dict[str, list[TwinPair]]) -> dict[str, float]:
    """How well the judge reads true words about each test's pairs: what a speaker without errors would reach."""
    random, found = np.random.default_rng((arm.seed, 6)), {}
    for name, pairs in tests.items():
        p = arm.judged([made_up(arm, pair, random) for pair in pairs])
        found[name] = round(roc_area(p, np.array([pair.label for pair in pairs])), 4)
    return found


def warm_up(arm: Arm, pairs: Sequence[TwinPair], steps: int = WARM) -> None:
    """Verdicts directly, after rationales, and from the words alone; a leash on the words."""
    optimiser, random = arm.optimiser(WARM_RATE), np.random.default_rng((arm.seed, 1))
    start = Arm(arm.base, arm.features, arm.crops, arm.seed)
    for _ in range(steps):
        own = drawn(pairs, random)
        written = [(pair, one[0]) for pair, one in zip(own, arm.write(own, 1), strict=True) if one[0] is not None]
        loss = arm.answer_loss([arm.example(pair, swapped) for pair in own for swapped in (False, True)])
        loss = loss + imitation(arm, own, random)
        if written:
            kept, said = [pair for pair, _ in written], [one for _, one in written if one is not None]
            for blank in (False, True):
                loss = loss + arm.answer_loss(
                    [arm.after(pair, one, blank) for pair, one in zip(kept, said, strict=True)]
                )
            loss = loss + 2.0 * leash(arm, start, kept, said)
        arm.step(optimiser, loss)


def leash(arm: Arm, start: Arm, pairs: Sequence[TwinPair], said: Sequence[Rationale]) -> Tensor:
    """Estimate of KL(arm | start) per token on the arm's own words (Schulman's k3)."""
    now, mask = arm.word_log_probabilities(pairs, said, whole=False)
    with torch.no_grad():
        before, _ = start.word_log_probabilities(pairs, said, whole=False)
    difference = before - now
    return ((difference.exp() - difference - 1) * mask).sum() / mask.sum()


def supervised(
    arm: Arm, pairs: Sequence[TwinPair], random: np.random.Generator, optimiser: Any, _: Arm
) -> dict[str, float]:
    own = drawn(pairs, random)
    loss = arm.answer_loss([arm.example(pair, swapped) for pair in own for swapped in (False, True)])
    arm.step(optimiser, loss)
    return {"loss": float(loss.detach())}


def tossed(
    arm: Arm, pairs: Sequence[TwinPair], random: np.random.Generator, optimiser: Any, start: Arm
) -> dict[str, float]:
    """GRPO with the sampled answer word, pictures in view: the first edition's."""
    own = drawn(pairs, random)
    rows = [
        (pair, one) for pair, group in zip(own, arm.write(own, GROUP), strict=True) for one in group if one is not None
    ]
    if not rows:
        return {"reward": 0.0}
    yes = arm.model.words[0]
    rewards = [1.0 if (one.ids[one.answer] == yes) == pair.label else -1.0 for pair, one in rows]
    return policy_step(arm, start, optimiser, rows, rewards, whole=True)


def bottleneck(
    arm: Arm, pairs: Sequence[TwinPair], random: np.random.Generator, optimiser: Any, start: Arm
) -> dict[str, float]:
    """Reward P(right | words) - a price per claim + truth on seen cues; the judge learns on the sampled words."""
    own = drawn(pairs, random)
    rows = [
        (pair, one) for pair, group in zip(own, arm.write(own, GROUP), strict=True) for one in group if one is not None
    ]
    if not rows:
        return {"reward": 0.0}
    p = arm.judged([one for _, one in rows])
    right = [float(value) if pair.label else 1 - float(value) for (pair, _), value in zip(rows, p, strict=True)]
    rewards = [good + extra(arm, pair, one) for good, (pair, one) in zip(right, rows, strict=True)]
    judge = arm.answer_loss([arm.after(pair, one, blank=True) for pair, one in rows[:: max(1, len(rows) // 48)]])
    return policy_step(arm, start, optimiser, rows, rewards, whole=False, more=judge) | {"right": float(np.mean(right))}


def extra(arm: Arm, pair: TwinPair, rationale: Rationale) -> float:
    """The price of the claims, and 0.3 times the share of true minus false ones among those about seen cues."""
    claims = parse_claims(rationale.reasoning)
    marks = [
        check_claim(claim, arm.crops[pair.a].attributes, arm.crops[pair.b].attributes)
        for claim in claims
        if {"lower colors", "jacket colors"} & {*claim.a, *claim.b}
    ]
    truth = (marks.count("confirmed") - marks.count("contradicted")) / len(marks) if marks else 0.0
    return TRUTH * truth - PRICE * len(claims)


def told_true(arm: Arm, pairs: Sequence[TwinPair], said: Sequence[Rationale]) -> float:
    """The share of the claims about anything that attributes can judge which is true."""
    marks = [
        check_claim(claim, arm.crops[pair.a].attributes, arm.crops[pair.b].attributes)
        for pair, one in zip(pairs, said, strict=True)
        for claim in parse_claims(one.reasoning)
    ]
    told = [mark for mark in marks if mark != "untestable"]
    return told.count("confirmed") / max(1, len(told))


def policy_step(
    arm: Arm,
    start: Arm,
    optimiser: Any,
    rows: Sequence[tuple[TwinPair, Rationale]],
    rewards: Sequence[float],
    *,
    whole: bool,
    more: Tensor | None = None,
) -> dict[str, float]:
    """REINFORCE, leave-one-out within each pair's rationales, and the leash."""
    groups: dict[tuple[int, int], list[int]] = {}
    for row, (pair, _) in enumerate(rows):
        groups.setdefault((pair.a, pair.b), []).append(row)
    advantage = np.zeros(len(rows))
    for own in groups.values():
        values = np.array([rewards[row] for row in own])
        if len(own) > 1:
            advantage[own] = values - (values.sum() - values) / (len(own) - 1)
    pairs, said = [pair for pair, _ in rows], [one for _, one in rows]
    now, mask = arm.word_log_probabilities(pairs, said, whole)
    with torch.no_grad():
        before, _ = start.word_log_probabilities(pairs, said, whole)
    difference = before - now
    kl = ((difference.exp() - difference - 1) * mask).sum() / mask.sum()
    loss = -POLICY * (torch.from_numpy(advantage).float()[:, None] * now).sum() / mask.sum() + KL * kl
    arm.step(optimiser, loss if more is None else loss + more)
    return {
        "reward": float(np.mean(rewards)),
        "claims true": told_true(arm, pairs, said),
        "kl": float(kl.detach()),
        "claims": float(np.mean([len(parse_claims(one.reasoning)) for one in said])),
    }


def judge_only(
    arm: Arm, pairs: Sequence[TwinPair], random: np.random.Generator, optimiser: Any, start: Arm
) -> dict[str, float]:
    """The speaker stays the warm-up's; only the judging of words is learned (words come from `start`)."""
    own = drawn(pairs, random)
    rows = [
        (pair, one) for pair, group in zip(own, start.write(own, 3), strict=True) for one in group if one is not None
    ]
    if not rows:
        return {"loss": 0.0}
    loss = arm.answer_loss([arm.after(pair, one, blank=True) for pair, one in rows])
    arm.step(optimiser, loss)
    return {"loss": float(loss.detach())}


def imitate(
    arm: Arm, pairs: Sequence[TwinPair], random: np.random.Generator, optimiser: Any, start: Arm
) -> dict[str, float]:
    """STaR: the words that led to the right answer are imitated, and the judge learns on all of them."""
    own = drawn(pairs, random)
    rows = [(pair, one) for pair, group in zip(own, arm.write(own, 3), strict=True) for one in group if one is not None]
    if not rows:
        return {"right": 0.0}
    p = arm.judged([one for _, one in rows])
    good = [row for row, value in zip(rows, p, strict=True) if (value > 0.5) == row[0].label]
    loss = arm.answer_loss([arm.after(pair, one, blank=True) for pair, one in rows])
    if good:
        now, mask = arm.word_log_probabilities([pair for pair, _ in good], [one for _, one in good], whole=False)
        loss = loss - now.sum() / mask.sum()
    arm.step(optimiser, loss)
    return {"right": len(good) / len(rows)}


Step = Callable[[Arm, Sequence[TwinPair], np.random.Generator, Any, Arm], dict[str, float]]
ARMS: dict[str, tuple[Step, str]] = {
    "D-SFT-100": (supervised, "all"),
    "D-SFT-20.9": (supervised, "random"),
    "D-GRPO-20.9": (tossed, "hard"),
    "B-judge-100": (judge_only, "all"),
    "B-STaR-100": (imitate, "all"),
    "B-RL-20.9": (bottleneck, "hard"),
    "B-RL-20.9-random": (bottleneck, "random"),
}


def shares(arm: Arm, pairs: Sequence[TwinPair]) -> dict[str, list[TwinPair]]:
    """All pairs, a fifth at random, and a fifth that the warm-up's words get neither always right nor always wrong."""
    random = np.random.default_rng((arm.seed, 2))
    number = round(SHARE * len(pairs))
    some = [pairs[int(place)] for place in random.permutation(len(pairs))[: 3 * number]]
    p = arm.judged([one for own in arm.write(some, 4) for one in own]).reshape(len(some), 4)
    right = np.array([(p[row] if pair.label else 1 - p[row]) > 0.5 for row, pair in enumerate(some)]).mean(axis=1)
    order = np.argsort(np.abs(right - 0.5) + 1e-6 * random.random(len(some)))
    return {
        "all": list(pairs),
        "random": [pairs[int(place)] for place in random.permutation(len(pairs))[:number]],
        "hard": [some[int(place)] for place in order[:number]],
    }


def measured(arm: Arm, tests: dict[str, list[TwinPair]], readings: Sequence[str]) -> dict[str, Any]:
    """The areas of each test by each reading ("direct", "reasoned"), and the leverage of the latter."""
    found: dict[str, Any] = {}
    for name, pairs in tests.items():
        label = np.array([pair.label for pair in pairs])
        scores: dict[str, NDArray[np.float64]] = {}
        found[name] = {}
        if "direct" in readings:
            scores["direct"] = arm.direct(pairs)
        if "reasoned" in readings:
            scores["reasoned"], leverage, readable = arm.reasoned(pairs)
            found[name] |= {"leverage": round(leverage, 4), "readable": round(readable, 4)}
        found[name] |= {reading: round(roc_area(values, label), 4) for reading, values in scores.items()}
        found[f"{name} scores"] = {reading: np.round(values, 4).tolist() for reading, values in scores.items()}
    return found


def words_carry(line: dict[str, Any]) -> bool:
    """Whether the warm-up passes the stop rules: its words decide, and say something of the unseen cues."""
    own = line["unseen S0"]
    return bool(own["leverage"] >= LEAST_LEVERAGE and own["reasoned"] >= LEAST_AREA)


def right(arm: Arm, pairs: Sequence[TwinPair]) -> float:
    """Mean P(right word | words) of pairs of people from whom nothing is learned, one rationale each."""
    p = arm.judged([one for own in arm.speaker.write(pairs, 1) for one in own])
    return float(np.mean([value if pair.label else 1 - value for value, pair in zip(p, pairs, strict=True)]))


def train(name: str, arm: Arm, pairs: Sequence[TwinPair], warm: Arm, task: Task, steps: int) -> dict[str, Any]:
    """Train one arm; its curve, and where a reinforcement of words was stopped because nothing was gained."""
    step, _ = ARMS[name]
    rate = RATE if "RL" in name or "GRPO" in name else WARM_RATE
    optimiser, random = arm.optimiser(rate), np.random.default_rng((arm.seed, 3))
    watched = name.startswith("B-RL") and bool(task.watched)
    before, stopped, log = right(arm, task.watched) if watched else 0.0, None, []
    for number in range(1, steps + 1):
        log.append(step(arm, pairs, random, optimiser, warm))
        if watched and number == LOOK and right(arm, task.watched) <= before:
            stopped = number
            break
    return {"curve": curve_of(log)} | ({} if stopped is None else {"stopped": stopped})


def curve_of(log: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Means over twenty steps of all that was logged."""
    names = sorted({key for each in log for key in each})
    return [
        {key: round(float(np.mean([each[key] for each in log[at : at + 20] if key in each] or [np.nan])), 4)
         for key in names}
        for at in range(0, len(log), 20)
    ]  # fmt: skip


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted.add_argument("--model", type=Path, required=True)
    wanted.add_argument("--run", type=Path, required=True)
    wanted.add_argument("--seeds", type=int, nargs="+", default=[0])
    wanted.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    wanted.add_argument("--people", type=int, default=2000)
    wanted.add_argument("--pairs", type=int, default=6000)
    wanted.add_argument("--tested", type=int, default=1000)
    wanted.add_argument("--reading", type=int, default=READING, help="steps of reading true words before the warm-up")
    wanted.add_argument("--warm", type=int, default=WARM, help="steps of the warm-up")
    wanted.add_argument("--steps", type=int, default=STEPS)
    wanted.add_argument(
        "--go-on", action="store_true", help="train the arms although the warm-up's words carry nothing"
    )
    asked = wanted.parse_args()
    asked.run.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    task = task_of(asked.people, asked.pairs, asked.tested)
    base = load_model(str(asked.model), local_files_only=True, device="cpu", dtype=torch.float32)
    features = features_of(base, load_processor(str(asked.model)), task, asked.run / "features.pt")
    tests = {
        name: {"person": [pair.person for pair in pairs], "label": [pair.label for pair in pairs]}
        for name, pairs in task.tests.items()
    }
    (asked.run / "tests.json").write_text(json.dumps(tests))
    for seed in asked.seeds:
        run_seed(asked, task, base, features, seed)


def features_of(base: Any, processor: Any, task: Task, kept: Path) -> CropFeatures:
    """What the frozen vision encoder gives for all crops and the grey picture, kept in a file."""
    pictures = [*(crop.open for crop in task.crops), lambda: BLANK]
    if not kept.exists():
        features = CropFeatures(base, processor, pictures, learning="connector")
        torch.save(
            {"shapes": [tuple(each) for each in features.shapes], "kept": [each[0] for each in features._kept]}, kept
        )
        return features
    features, stored = CropFeatures(base, processor, [], learning="connector"), torch.load(kept, weights_only=True)
    if len(stored["shapes"]) != len(pictures):
        raise SystemExit(f"{kept} is of other crops; choose another --run")
    features.shapes = [tuple(each) for each in stored["shapes"]]
    features._kept = [(each,) for each in stored["kept"]]
    return features


def run_seed(asked: argparse.Namespace, task: Task, base: Any, features: CropFeatures, seed: int) -> None:
    """Warm-up and arms of one seed, as far as they are not done."""
    results = asked.run / "results.jsonl"
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    done = {line["arm"]: line for line in lines if line["seed"] == seed}
    warm, path = Arm(base, features, task.crops, seed), asked.run / f"warm-{seed}.pt"
    if path.exists():
        warm.base.load_state_dict(torch.load(path, weights_only=True))
    else:
        torch.manual_seed(seed)
        read(warm, task.warm, asked.reading)
        warm_up(warm, task.warm, asked.warm)
        torch.save(warm.base.state_dict(), path)
    if "warm-up" not in done:
        done["warm-up"] = {"seed": seed, "arm": "warm-up", **measured(warm, task.tests, ("direct", "reasoned"))}
        done["warm-up"]["true words"] = made_up_areas(warm, task.tests)
        write(results, done["warm-up"])
    if not words_carry(done["warm-up"]) and not asked.go_on:
        print(f"seed {seed}: the warm-up's words carry too little (README.md, stop rules): mend the words, or --go-on")
        return
    left = [name for name in asked.arms if name not in done]
    own = shares(warm, task.train) if left else {}
    for name in left:
        torch.manual_seed(seed)
        began, arm = time.time(), Arm(warm.base, features, task.crops, seed)
        if name.startswith("B-judge"):
            arm.speaker = warm
        found = train(name, arm, own[ARMS[name][1]], warm, task, asked.steps)
        readings = ("direct",) if name.startswith("D") else ("reasoned",)
        line = {"seed": seed, "arm": name, "seconds": round(time.time() - began), **found}
        write(results, line | measured(arm, task.tests, readings))


def write(path: Path, line: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print({key: value for key, value in line.items() if "scores" not in key}, flush=True)


if __name__ == "__main__":
    main()
