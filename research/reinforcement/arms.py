"""What experiments B and C share: arms that start from one warm-up, and how each is measured.

An arm is trained by the package's own stages (`warm_up`, `reinforce`), in a folder of its own, so that an interrupted
one goes on where it was. Its tests are searches: every query with its first ten by the retriever.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reidr.core.progress import progress
from reidr.data.join import join_training
from reidr.data.load import load_dataset
from reidr.data.protocols.trial import find_protocol, trials
from reidr.data.types import Crop
from reidr.evaluation.experiment.candidate_scoring import candidate_pairs
from reidr.evaluation.experiment.experiment import embed_trial
from reidr.evaluation.metrics.roc_area import roc_area
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.inference.direct_score import score_seen_pairs
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.reasoned_score import BLANK, reasoned_logits
from reidr.reasoning.inference.sampling import Completion, continue_prompts, read_completions
from reidr.reasoning.models.checkpoint import load_model, save_taught
from reidr.reasoning.models.processor import load_processor
from reidr.reasoning.prompting.answers import yes_probability
from reidr.reasoning.prompting.grammar import ANSWERS, try_parse
from reidr.reasoning.prompting.prompt import render
from reidr.reasoning.rationales.claims import check_claim, parse_claims
from reidr.reasoning.rationales.statements import what_is_known
from reidr.reasoning.rationales.support import supports
from reidr.reasoning.types import Pair
from reidr.retrieval.embedders.retriever import Retriever
from reidr.training.common.identities import hold_out_identities
from reidr.training.grpo.rewards.registry import RewardWeights
from reidr.training.grpo.rewards.total import total_rewards
from reidr.training.grpo.stage import reinforce
from reidr.training.grpo.statistics import leverage
from reidr.training.recipes.grpo import ReinforcementRecipe
from reidr.training.recipes.warmup import WarmupRecipe
from reidr.training.tuning.searches import as_search
from reidr.training.warmup.train import warm_up

FIRST, ROWS, TOKENS = 10, 32, 110
SHARE = 0.209
EXACT = {"format": 0.2, "identity": 0.0, "calibration": 0.0, "cues": 0.3, "likelihood": 1.0}
"""The first edition's rewards with the tossed word's two (identity and its honesty) replaced by the exact one."""
TOSSED = {"format": 0.2, "identity": 1.0, "calibration": 0.5, "cues": 0.3}
GROUP = 8
HELD_OUT = (0.1, 0)
"""Share and seed by which all that ships holds training people out."""


@dataclass(frozen=True)
class Size:
    """How long arms are trained: `steps` updates of `pairs` pairs, `group` rollouts each; and with which rates."""

    steps: int = 40
    pairs: int = 8
    group: int = GROUP
    rate: float = 2e-5
    supervised_rate: float = 3e-5
    tokens: int = TOKENS


@dataclass(frozen=True)
class Start:
    """The warm-up from which arms start, and the seed of one repetition."""

    folder: Path
    seed: int

    def load(self) -> tuple[Any, Any]:
        """A model of its own and its processor."""
        model = load_model(str(self.folder), local_files_only=True, device="cpu", dtype=torch.float32)
        return model, load_processor(str(self.folder))


@dataclass(frozen=True, eq=False)
class Test:
    """Pairs of every query with its first candidates; `pairs` have distance and label."""

    name: str
    pairs: list[Pair]

    def described(self) -> dict[str, list[Any]]:
        """What tables need to know of each pair."""
        return {
            "person": [str(pair.query.person) for pair in self.pairs],
            "query": [pair.query.id for pair in self.pairs],
            "label": [bool(pair.label) for pair in self.pairs],
            "distance": [round(float(pair.distance or 0.0), 5) for pair in self.pairs],
        }


def training_people(folder: Path) -> tuple[tuple[Crop, ...], tuple[Crop, ...]]:
    """Crops of the training people of a data set that all that ships was trained on, and of those held out of all."""
    return hold_out_identities(join_training([load_dataset(folder)]), *HELD_OUT)


def test_of(name: str, folder: Path, retriever: Retriever, queries: int | None, *, held_out: bool) -> Test:
    """The standard search of a data set, or of its held-out training people; `queries`: at most so many, drawn once."""
    dataset = load_dataset(folder)
    if held_out:
        people = training_people(folder)[1]
        dataset = as_search(dataset.name, people, len(people), 0)
    (trial,) = trials(dataset, find_protocol("standard"), 0, queries=queries)
    embedded, gallery, trial = embed_trial(trial, retriever, None, progress)
    ranked = gallery.search(embedded, FIRST, excluded=trial.excluded)
    return Test(name, candidate_pairs(trial, ranked, FIRST)[0])


def supervised(start: Start, pairs: Sequence[Pair], folder: Path, size: Size, kl: float = 0.0) -> Any:
    """Cross-entropy of the right word, directly and after the model's own rationales; as many pairs as a RL step has.

    `kl`: weight of the divergence from the start on its own rationales.
    """
    recipe = WarmupRecipe(
        objectives={"answer": 1.0, **({"kl": kl} if kl else {})}, steps=size.steps, batch=size.pairs, rationales=1.0,
        hard_start=1.0, hard_end=1.0, learning_rate=size.supervised_rate, warmup_steps=5, regenerate=5,
        max_new_tokens=size.tokens, measure_every=size.steps, save_every=max(1, size.steps // 2), seed=start.seed,
    )  # fmt: skip
    trained, _ = warm_up(recipe, pairs, [], start.load(), folder)
    return trained


def reinforced(
    start: Start, pairs: Sequence[Pair], folder: Path, size: Size, rewards: dict[str, float], **changes: Any
) -> Any:
    """GRPO; `changes` are the recipe's."""
    recipe = ReinforcementRecipe(
        rewards=RewardWeights(**(dict.fromkeys(RewardWeights.model_fields, 0.0) | rewards)),
        steps=size.steps, pairs=size.pairs, num_generations=size.group, backward_rows=size.pairs * size.group,
        learning_rate=size.rate, max_new_tokens=size.tokens, save_every=max(1, size.steps // 2), seed=start.seed,
        **changes,
    )  # fmt: skip
    trained, _ = reinforce(recipe, pairs, *start.load(), folder)
    return trained


def shuffled(completions: Sequence[str], label: Sequence[bool], probability: Any, **_: Any) -> list[float]:
    """A reward for recipes (`arms:shuffled`): what `EXACT` gives, dealt out anew within each group of `GROUP`."""
    weights = RewardWeights(**(dict.fromkeys(RewardWeights.model_fields, 0.0) | EXACT))
    totals = np.array([each.total for each in total_rewards(completions, label, weights, probability=probability)])
    random = np.random.default_rng(sum(map(len, completions)))
    groups = totals.reshape(-1, GROUP)
    return [float(value) for own in groups for value in random.permutation(own)]


class Measurer:
    """Measures models that share one frozen vision encoder on the same tests."""

    def __init__(self, start: Start, tests: Sequence[Test], rationales: int) -> None:
        """`rationales` of each pair, sampled."""
        self.tests, self.rationales = tests, rationales
        model, processor = start.load()
        self.crops: dict[str, Crop] = {}
        for test in tests:
            for pair in test.pairs:
                for crop in (pair.query, pair.candidate):
                    self.crops.setdefault(f"{test.name}/{crop.id}", crop)
        self.place = {name: number for number, name in enumerate(self.crops)}
        openers: list[Callable[[], Any]] = [crop.open for crop in self.crops.values()]
        with progress("looking at crops", len(openers) + 1) as advance:
            self.features = CropFeatures(
                model, processor, [*openers, lambda: BLANK], dtype=torch.float32, advance=advance
            )

    def measure(self, model: Any, seed: int) -> dict[str, Any]:
        """Of each test its areas, its leverages and its words, and the scores of all pairs by each reading."""
        features, found = self.features.with_model(model.eval()), {}
        for test in self.tests:
            own, scores = self.of_test(features, test, seed)
            label = np.array([pair.label for pair in test.pairs])
            areas = {name: round(roc_area(values, label), 4) for name, values in scores.items()}
            found[test.name] = {**areas, **{name: round(value, 4) for name, value in own.items()}}
            found[f"{test.name} scores"] = {name: np.round(values, 4).tolist() for name, values in scores.items()}
        return found

    def of_test(
        self, features: CropFeatures, test: Test, seed: int
    ) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
        """Numbers of the words, and the scores "direct", "one", "mean" (of all rationales) and "reasoned"."""
        places = [
            (self.place[f"{test.name}/{pair.query.id}"], self.place[f"{test.name}/{pair.candidate.id}"])
            for pair in test.pairs
        ]
        direct = score_seen_pairs(features, features.adapter.model, places)
        written = written_about(features, places, self.rationales, seed)
        seen = table_of([each.probability for each in written], self.rationales)
        parsed = [try_parse(each.text) for each in written]
        distinct = list(dict.fromkeys(each.reasoning for each in parsed if each))
        read = dict(zip(distinct, yes_probability(reasoned_logits(features.adapter, distinct)[None]), strict=True))
        alone = table_of([None if each is None else float(read[each.reasoning]) for each in parsed], self.rationales)
        means = [np.where(np.isfinite(table).any(axis=1), mean_known(table), 0.5) for table in (seen, alone)]
        one = np.where(np.isfinite(seen[:, 0]), seen[:, 0], 0.5)
        groups = np.repeat(np.arange(len(places)), self.rationales).tolist()
        numbers = words_of(test.pairs, parsed, self.rationales) | {
            "leverage": leverage(known(seen), groups),
            "leverage reasoned": leverage(known(alone), groups),
            "flips": float(np.mean([len({value > 0.5 for value in row if np.isfinite(value)}) > 1 for row in seen])),
        }
        return numbers, {"direct": direct, "one": one, "mean": means[0], "reasoned": means[1]}


def written_about(features: CropFeatures, places: Sequence[tuple[int, int]], each: int, seed: int) -> list[Completion]:
    """`each` rationales of every pair, at temperature 1, those of one pair together."""
    text, found = render(features.processor, "think"), []
    for start in range(0, len(places), ROWS):
        rows = [(text, own) for own in places[start : start + ROWS]]
        settings = Thinking(TOKENS, 1.0, seed * 100_003 + start)
        sampled = continue_prompts(features.adapter, features.prompts(rows), [each] * len(rows), settings)
        found += read_completions(features.adapter, sampled)
    return found


def table_of(values: Sequence[float | None], columns: int) -> NDArray[np.float64]:
    """(pairs, columns) of values in a row, NaN for None."""
    return np.array([np.nan if value is None else value for value in values]).reshape(-1, columns)


def mean_known(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) the mean of what is known of each row; 0 of nothing."""
    total: NDArray[np.float64] = np.nansum(table, axis=1) / np.maximum(np.isfinite(table).sum(axis=1), 1)
    return total


def known(table: NDArray[np.float64]) -> list[float | None]:
    """All values in a row, None for NaN."""
    return [float(value) if np.isfinite(value) else None for value in table.ravel()]


def words_of(pairs: Sequence[Pair], parsed: Sequence[Any], each: int) -> dict[str, float]:
    """Shares of rationales that can be read and that support the right verdict, claims of one, and claims true."""
    about = [pair for pair in pairs for _ in range(each)]
    kind = what_is_known([crop for pair in pairs for crop in (pair.query, pair.candidate)])
    readable = [(pair, one) for pair, one in zip(about, parsed, strict=True) if one is not None]
    marks = [
        check_claim(claim, pair.query.attributes, pair.candidate.attributes, per_crop=kind == "per crop")
        for pair, one in readable
        if kind != "nothing"
        for claim in parse_claims(one.reasoning)
    ]
    told = [mark for mark in marks if mark != "untestable"]
    number = max(1, len(readable))
    numbers = {
        "parsable": len(readable) / max(1, len(parsed)),
        "claims": sum(len(parse_claims(one.reasoning)) for _, one in readable) / number,
        "borne out": sum(supports("same" if pair.label else "different", one.reasoning) for pair, one in readable)
        / number,
        "follows": sum(supports(ANSWERS[one.answer], one.reasoning) for _, one in readable) / number,
    }
    return numbers | ({"true": told.count("confirmed") / len(told)} if told else {})


def non_trivial(start: Start, pairs: Sequence[Pair], number: int, rollouts: int = 8) -> list[Pair]:
    """`number` of these pairs: those that the start's own words get neither always right nor always wrong come first.

    Of three times as many, drawn by the seed, those are taken whose share of right words is nearest to one half.
    """
    random = np.random.default_rng((start.seed, 2))
    some = [pairs[int(place)] for place in random.permutation(len(pairs))[: 3 * number]]
    model, processor = start.load()
    crops = {crop.id: crop for pair in some for crop in (pair.query, pair.candidate)}
    place = {name: row for row, name in enumerate(crops)}
    features = CropFeatures(model.eval(), processor, [crop.open for crop in crops.values()], dtype=torch.float32)
    written = written_about(features, [(place[p.query.id], place[p.candidate.id]) for p in some], rollouts, start.seed)
    words = np.array([((one := try_parse(each.text)) is not None and one.answer) or "" for each in written])
    right = words.reshape(-1, rollouts) == np.array([["yes" if pair.label else "no"] for pair in some])
    order = np.argsort(np.abs(right.mean(axis=1) - 0.5) + 1e-6 * random.random(len(some)))
    return balanced([some[int(row)] for row in order], number)


def balanced(pairs: Sequence[Pair], number: int) -> list[Pair]:
    """The first `number` of these pairs, half of each label as far as there are so many."""
    half = [[pair for pair in pairs if bool(pair.label) is label][: max(1, number // 2)] for label in (True, False)]
    return half[0] + half[1]


class Results:
    """One line for each seed and arm in results.jsonl; what is there is not done again."""

    def __init__(self, folder: Path, tests: Sequence[Test]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.path = folder, folder / "results.jsonl"
        described = {test.name: test.described() for test in tests}
        kept = folder / "tests.json"
        if kept.exists() and json.loads(kept.read_text(encoding="utf-8")) != described:
            raise SystemExit(f"{kept} names other pairs than this call; choose another --run")
        kept.write_text(json.dumps(described), encoding="utf-8")

    def has(self, seed: int, arm: str) -> bool:
        """Whether this arm is done."""
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        return any((line["seed"], line["arm"]) == (seed, arm) for line in map(json.loads, lines))

    def take(self, start: Start, arm: str, train: Callable[[Path], Any], measurer: Measurer) -> None:
        """Train and measure an arm, unless it is done."""
        if self.has(start.seed, arm):
            return
        began, folder = time.time(), self.folder / f"{start.seed}-{arm}"
        model = train(folder)
        line = {"seed": start.seed, "arm": arm, **measurer.measure(model, start.seed)}
        line["seconds"] = round(time.time() - began)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print({key: value for key, value in line.items() if "scores" not in key}, flush=True)


def save(model: Any, start: Start, folder: Path) -> None:
    """Keep an arm's weights beside its results."""
    save_taught(model, load_processor(str(start.folder)), start.folder, folder)
