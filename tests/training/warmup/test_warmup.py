"""Warm-up: what carries loss, the curriculum, health figures, both architectures, LoRA, and resuming bit for bit."""

from __future__ import annotations

import copy
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reidr.data.types import Crop
from reidr.errors import DataError, RecipeError
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.inference.sampling import Completion
from reidr.reasoning.models.architectures import find_architecture
from reidr.reasoning.models.checkpoint import save_taught
from reidr.reasoning.prompting.answers import decode
from reidr.reasoning.prompting.prompt import encode_pairs
from reidr.reasoning.types import Pair
from reidr.training.recipes.warmup import WarmupRecipe
from reidr.training.warmup.curriculum import Curriculum, choose_measured, hard_share
from reidr.training.warmup.examples import ForwardPass, WarmupModel
from reidr.training.warmup.objectives.objective import Loss
from reidr.training.warmup.objectives.registry import find_objective
from reidr.training.warmup.rationales import Rationale, health, read_rationale
from reidr.training.warmup.train import WarmupTrainer, warm_up

PLACE = Path(__file__).parents[2] / "reasoning" / "conftest.py"
SPEC = importlib.util.spec_from_file_location("reasoning_conftest_of_warmup", PLACE)
assert SPEC is not None
assert SPEC.loader is not None
TINY = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = TINY
SPEC.loader.exec_module(TINY)
taught, BUILDERS, SAME, DIFFERENT = TINY.taught, TINY.BUILDERS, TINY.SAME, TINY.DIFFERENT

SMALL: dict[str, Any] = {
    "steps": 4, "batch": 4, "regenerate": 3, "max_new_tokens": 8, "measure_every": 4, "measure_pairs": 4,
    "save_every": 2, "warmup_steps": 1, "learning_rate": 1e-3,
}  # fmt: skip


def people(count: int, seed: int = 0) -> list[Crop]:
    """Each person a colour, seen once by each of two cameras, one of them darker."""
    random = np.random.default_rng(seed)
    crops = []
    for person in range(count):
        colour = random.integers(60, 255, 3)
        for camera, light in (("1", 1.0), ("2", 0.8)):
            picture = Image.new("RGB", (64, 128), tuple(int(value * light) for value in colour))
            crops.append(Crop(f"s/{person}c{camera}", picture, f"s:{person}", f"s:{camera}"))
    return crops


def labelled_pairs(count: int = 6, seed: int = 0) -> list[Pair]:
    crops = people(count, seed)
    same = [Pair(crops[2 * i], crops[2 * i + 1], 0.5, True) for i in range(count)]
    different = [Pair(crops[2 * i], crops[(2 * i + 3) % len(crops)], 0.4, False) for i in range(count)]
    return same + different


def run(folder: Path, name: str = "qwen3_vl", **changes: Any) -> tuple[Any, Any, list[dict[str, Any]]]:
    model, processor = BUILDERS[name]()
    recipe = WarmupRecipe(**{**SMALL, **changes})
    taught, log = warm_up(recipe, labelled_pairs(), labelled_pairs(4, seed=9), (model, processor), folder)
    return taught, processor, log


def test_two_steps_and_two_more_are_four(tmp_path: Path, taught: Any) -> None:
    def start(folder: str, steps: int) -> tuple[Any, list[dict[str, Any]]]:
        recipe = WarmupRecipe(
            **SMALL | {"max_new_tokens": 40, "ema_decay": 0.9, "objectives": {"answer": 1.0, "order_consistency": 0.1}}
        )
        model = copy.deepcopy(taught.model)
        if steps < recipe.steps:
            trainer = WarmupTrainer(recipe, pairs, [], (model, taught.processor), tmp_path / folder)
            for step in range(steps):
                trainer.step(step)
            trainer.checkpoint.save(steps)
            return model, []
        return warm_up(recipe, pairs, [], (model, taught.processor), tmp_path / folder)

    pairs = labelled_pairs()
    whole, whole_log = start("whole", 4)
    (tmp_path / "parts").mkdir()
    start("parts", 2)
    parts, parts_log = start("parts", 4)
    # The rationales of the first round (steps 1 to 3) must have lived through the stop.
    assert whole_log[0]["parsable"] > 0
    assert "after_rationale_loss" in whole_log[2]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name
    timeless = [{key: value for key, value in line.items() if key != "seconds"} for line in whole_log[2:]]
    assert timeless == [{key: value for key, value in line.items() if key != "seconds"} for line in parts_log]


def test_the_finished_model_is_the_moving_average(tmp_path: Path, taught: Any) -> None:
    recipe = WarmupRecipe(**SMALL | {"rationales": 0.0, "ema_decay": 0.15})
    trainer = WarmupTrainer(recipe, labelled_pairs(), [], (copy.deepcopy(taught.model), taught.processor), tmp_path)
    name = "lm_head.weight" if "lm_head.weight" in trainer.trained else next(iter(trainer.trained))
    average = trainer.trained[name].detach().clone()
    for step, decay in enumerate((1 / 10, 0.15, 0.15)):  # of (step + 1) / (step + 10) and 0.15 the smaller
        trainer.step(step)
        average = decay * average + (1 - decay) * trainer.trained[name].detach()
    assert not torch.allclose(trainer.trained[name], average, rtol=0, atol=1e-6)
    trainer.average.apply()
    torch.testing.assert_close(trainer.trained[name].detach(), average)


def test_the_two_orders_of_a_pair_are_drawn_together(tmp_path: Path, taught: Any) -> None:
    gaps = {}
    for weight in (0.0, 1000.0):
        recipe = WarmupRecipe(
            **SMALL
            | {
                "steps": 20,
                "warmup_steps": 0,
                "rationales": 0.0,
                "objectives": {"answer": 1.0, "order_consistency": weight},
            }
        )
        place = tmp_path / str(weight)
        place.mkdir()
        trainer = WarmupTrainer(recipe, labelled_pairs(), [], (copy.deepcopy(taught.model), taught.processor), place)
        records = [trainer.step(step) for step in range(recipe.steps)]
        if not gaps:
            # By hand, from both orders of the first step's pairs and the weights before it.
            before, crops = copy.deepcopy(taught.model), trainer.curriculum.crops
            yes, no = trainer.parts.words[:2]
            apart = []
            for pair in trainer.curriculum.draw(0):
                images = crops[pair.first].open(), crops[pair.second].open()
                with torch.no_grad():
                    logits = before(**encode_pairs(taught.processor, [images, images[::-1]], "score")).logits[:, -1]
                margins = logits[:, yes] - logits[:, no]
                apart.append(abs(float(margins[0] - margins[1])))
            assert records[0]["order_gap"] == pytest.approx(np.mean(apart), rel=0.02, abs=2e-3)
        gaps[weight] = np.mean([record["order_gap"] for record in records[-3:]])
    assert gaps[1000.0] < 0.5 * gaps[0.0]


@pytest.mark.parametrize("name", list(BUILDERS))
def test_it_learns_to_tell_pairs_apart(tmp_path: Path, name: str) -> None:
    model, processor = BUILDERS[name]()
    one, two, other = (
        Crop(f"s/{colour}{camera}", Image.new("RGB", (64, 128), colour), f"s:{colour}", f"s:{camera}")
        for colour, camera in (("red", "1"), ("red", "2"), ("blue", "2"))
    )
    pairs = [Pair(one, two, 0.5, True), Pair(one, other, 0.5, False)]
    recipe = WarmupRecipe(
        steps=40, batch=2, learning_rate=3e-3, rationales=0.0, learn_vision="all", measure_every=40, save_every=40,
        measure_pairs=2, max_new_tokens=8, hard_start=1.0, warmup_steps=5,
    )  # fmt: skip
    taught, log = warm_up(recipe, pairs, [], (model, processor), tmp_path)
    # Chance is log 2 = 0.69 with the form learnt alone.
    assert np.mean([line["direct_loss"] for line in log[-3:]]) < 0.3
    assert [line["direct_accuracy"] for line in log[-3:]] == [1.0] * 3
    # What the trainer saw is what a Reasoner sees from pixels.
    scores = Reasoner(taught, processor).score(pairs)
    assert [score > 0.5 for score in scores] == [pair.label for pair in pairs]


def test_the_loss_is_that_of_the_pixel_path(tmp_path: Path, taught: Any) -> None:
    """Both orders, both tasks: the mean cross-entropy of the right word, from whole forward passes in a plain loop."""
    recipe = WarmupRecipe(**SMALL | {"rationales": 1.0, "max_new_tokens": 40, "seed": 3})
    model, processor = copy.deepcopy(taught.model), taught.processor
    trainer = WarmupTrainer(recipe, labelled_pairs(), [], (model, processor), tmp_path)
    before = copy.deepcopy(model).requires_grad_(False)
    record = trainer.step(0)
    crops, direct, after = trainer.curriculum.crops, [], []
    for number, pair in enumerate(trainer.curriculum.draw(0)):
        images = crops[pair.first].open(), crops[pair.second].open()
        word = trainer.parts.words[0 if pair.label else 1]
        for shown in (images, images[::-1]):
            logits = before(**encode_pairs(processor, [shown], "score")).logits[0, -1]
            direct.append(float(-logits.log_softmax(0)[word]))
        rationale = trainer.rationales.current.get(f"0 {number}")
        if rationale is not None:
            text = decode(processor.tokenizer, list(rationale.ids[: rationale.answer]))
            assert text.endswith("<answer>")
            logits = before(**encode_pairs(processor, [images], "think", text)).logits[0, -1]
            after.append(float(-logits.log_softmax(0)[word]))
    assert after
    assert record["direct_loss"] == pytest.approx(np.mean(direct), rel=0.01)
    assert record["after_rationale_loss"] == pytest.approx(np.mean(after), rel=0.01)
    assert record["loss"] == pytest.approx((np.mean(direct) + np.mean(after)) / 2, rel=0.01)


def test_a_rationale_is_cut_before_its_answer_where_no_objective_needs_its_words(tmp_path: Path, taught: Any) -> None:
    for objectives in ({"answer": 1.0}, {"answer": 1.0, "kl": 1.0}):
        recipe = WarmupRecipe(**SMALL | {"objectives": objectives})
        model = copy.deepcopy(taught.model)
        trainer = WarmupTrainer(recipe, labelled_pairs(), [], (model, taught.processor), tmp_path)
        ids = taught.processor.tokenizer.encode(DIFFERENT + "<|im_end|>")
        rationale = read_rationale(trainer.parts.features, Completion(tuple(ids), (), DIFFERENT, (0.0, 1.0, 0.0), True))
        assert rationale is not None
        trainer.rationales.current = {"0 0": rationale}
        groups = trainer.examples(0, trainer.curriculum.draw(0))
        (example,) = groups["after_rationale"]
        shown = taught.processor.tokenizer.decode(list(example.ids))
        assert shown == (
            DIFFERENT + "<|im_end|>" if "kl" in objectives else DIFFERENT.partition("<answer>")[0] + "<answer>"
        )
        assert ("rationale_words" in groups) == ("kl" in objectives)


class YesLogit:
    """An objective from outside the package: it lowers the logit of "yes" in direct answers."""

    kinds = frozenset(("direct",))

    def __init__(self, recipe: WarmupRecipe, model: WarmupModel) -> None:
        self.yes = model.words[0]

    def __call__(self, forward: ForwardPass) -> Loss:
        total = forward.answer_logits[:, self.yes].sum()
        return Loss(total, len(forward.group), {"yes_loss": float(total.detach()) / len(forward.group)})


def test_an_objective_from_outside_by_module_and_class(tmp_path: Path) -> None:
    sys.modules["own_objectives"] = sys.modules[__name__]
    _, _, log = run(tmp_path, objectives={"own_objectives:YesLogit": 1.0}, rationales=0.0, steps=6, save_every=6)
    assert log[-1]["yes_loss"] < log[0]["yes_loss"]
    assert log[0]["loss"] == log[0]["yes_loss"]
    assert "direct_loss" not in log[0]


def test_an_unknown_objective_is_named_with_those_there_are(tmp_path: Path) -> None:
    for name in ("answr", "reidr.training.warmup.objectives.answer.Answer"):
        with pytest.raises(RecipeError, match=f"no objective '{name}'.*answer, reasoned, order_consistency, kl"):
            find_objective(name)
    missing = {"reidr.nowhere:Answer": "cannot import", "reidr.training.warmup.train:Missing": "has no Missing"}
    for name, why in missing.items():
        with pytest.raises(RecipeError, match=f"objective {name}: .*{why}"):
            find_objective(name)
    with pytest.raises(RecipeError, match="negative"):
        WarmupRecipe.from_values({"objectives": {"answer": -1.0}}, "test")


def test_a_completion_out_of_form_is_not_read(taught: Any, tmp_path: Path) -> None:
    trainer = WarmupTrainer(WarmupRecipe(**SMALL), labelled_pairs(), [], (taught.model, taught.processor), tmp_path)
    assert read_rationale(trainer.parts.features, Completion((1, 2), (), "yes", None, True)) is None
    taught.model.requires_grad_(True)


AGREES = "The top agrees: red in both. The shoes agree: white in both. The hair agrees: black in both."
ONE_DIFFERS = "The top differs: red in A, blue in B. The shoes agree: white in both. Same hair: black."
TWICE = "The top differs: red in A, blue in B. Different top: A has a red top, B has a blue top."
NOTHING = "Nothing can be told."


def words(reasoning: str) -> Rationale:
    return Rationale((1, 2, 3), 1, reasoning)


def test_words_support_a_label_and_not_an_answer() -> None:
    agrees, differs, twice = words(AGREES), words(ONE_DIFFERS), words(TWICE)
    # `twice` supports "two persons" (one region differs), but says it twice: not to be imitated.
    rationales = (agrees, differs, twice, words(NOTHING))
    chosen = [each.worth_imitating(label) for label in (True, False) for each in rationales]
    assert chosen == [True, True, False, False, False, True, False, False]


@pytest.mark.parametrize(("keep", "imitate"), [(0.0, 2.0), (3.0, 0.0), (3.0, 2.0)])
def test_the_objectives_on_rationale_words_are_as_by_hand(
    tmp_path: Path, taught: Any, keep: float, imitate: float
) -> None:
    """KL from the starting model on all words but the answers, cross-entropy on those that support the label."""
    weights = {"kl": keep, "imitation": imitate}
    recipe = WarmupRecipe(**SMALL | {"objectives": {name: weight for name, weight in weights.items() if weight}})
    model, processor = copy.deepcopy(taught.model), taught.processor
    trainer = WarmupTrainer(recipe, labelled_pairs(), [], (model, processor), tmp_path)
    before = copy.deepcopy(model).requires_grad_(False)
    with torch.no_grad():
        model.lm_head.weight.mul_(1.1)  # or there would be no divergence yet
    pairs, rationales = trainer.curriculum.draw(0)[:3], []
    for text in (SAME, DIFFERENT, DIFFERENT):
        ids = processor.tokenizer.encode(text + "<|im_end|>")
        found = read_rationale(trainer.parts.features, Completion(tuple(ids), (), text, (0.0, 1.0, 0.0), True))
        assert found is not None
        rationales.append(found)
    examples = [
        trainer.parts.rationale_example(pair, each, whole=True) for pair, each in zip(pairs, rationales, strict=True)
    ]
    # Labels take turns, so the last says two persons of one: its words are kept and not imitated.
    assert [example.supported for example in examples] == [True, True, False]
    expected, count = torch.zeros(()), sum(len(example.ids) - 1 for example in examples)
    for pair, rationale, example in zip(pairs, rationales, examples, strict=True):
        images = tuple(trainer.curriculum.crops[place].open() for place in pair.places())
        text = decode(processor.tokenizer, list(rationale.ids))
        inputs = encode_pairs(processor, [images], "think", text)
        own, starting = (each(**inputs).logits[0].log_softmax(-1) for each in (model, before))
        first = inputs["input_ids"].shape[1] - len(rationale.ids)
        for place, token in enumerate(rationale.ids):
            if place != rationale.answer:
                now, then = own[first + place - 1], starting[first + place - 1]
                expected = expected + keep * (then.exp() * (then - now)).sum() / count
                if example.supported:
                    expected = expected - imitate * now[token] / count
    (wanted,) = torch.autograd.grad(expected, [model.lm_head.weight])
    model.zero_grad(set_to_none=True)
    record = trainer.backward("rationale_words", examples, 1.0)
    torch.testing.assert_close(model.lm_head.weight.grad, wanted, rtol=0.05, atol=1e-3)
    told = keep * record.get("kl_divergence", 0.0) + imitate * record.get("imitation_loss", 0.0)
    assert told == pytest.approx(float(expected.detach()), rel=0.02)


def test_health() -> None:
    texts = [SAME, SAME, DIFFERENT, "yes", SAME.replace("yes", "insufficient")]
    completions = [Completion((0,) * (place + 1), (), text, None, True) for place, text in enumerate(texts)]
    found = health(completions, [True, False, False, True, True])
    # Parsable: all but "yes" (4 of 5). Right: the first and the third (2 of 5). "yes" 2 of 4, "insufficient" 1 of 4.
    assert found == {
        "parsable": 0.8, "tokens": 3.0, "distinct": 0.8, "thinking_accuracy": 0.4, "answered_yes": 0.5,
        "answered_insufficient": 0.25,
    }  # fmt: skip


def test_hard_share() -> None:
    recipe = WarmupRecipe(steps=100, hard_start=0.2, hard_end=0.8, ramp=0.5)
    # From 0.2 to 0.8 over the first 50 steps: 0.5 half way, and 0.8 from step 50 on.
    assert [hard_share(recipe, step) for step in (0, 25, 50, 99)] == pytest.approx([0.2, 0.5, 0.8, 0.8])


def test_curriculum_goes_from_random_to_hard_and_stays_balanced() -> None:
    recipe = WarmupRecipe(steps=100, batch=16, ramp=0.5)
    curriculum = Curriculum(recipe, labelled_pairs())
    crops = curriculum.crops
    for step in (0, 10, 50, 99):
        drawn = curriculum.draw(step)
        assert drawn == curriculum.draw(step)
        assert sum(pair.label for pair in drawn) == 8
        for pair in drawn:
            first, second = crops[pair.first], crops[pair.second]
            assert (first.person == second.person) is pair.label
            assert first.camera != second.camera
        assert step or not any(pair.hard for pair in drawn)
        assert step < 50 or all(pair.hard for pair in drawn)
    assert curriculum.draw(1) != curriculum.draw(2)


def test_random_pairs_stay_within_a_data_set() -> None:
    pairs = labelled_pairs()
    other = [
        Pair(*(Crop("t" + c.id, c.image, "t" + str(c.person), "t" + str(c.camera)) for c in (p.query, p.candidate)),
             distance=0.1, label=p.label) for p in labelled_pairs(3, seed=5)
    ]  # fmt: skip
    curriculum = Curriculum(WarmupRecipe(steps=50, batch=32, hard_end=0.0), pairs + other)
    names = [
        tuple(str(curriculum.crops[place].person)[0] for place in (pair.first, pair.second))
        for step in range(5)
        for pair in curriculum.draw(step)
    ]
    assert set(names) == {("s", "s"), ("t", "t")}


def test_bad_pairs_are_named() -> None:
    pairs = labelled_pairs()
    recipe = WarmupRecipe()
    with pytest.raises(DataError, match="no label"):
        Curriculum(recipe, [*pairs, Pair(pairs[0].query, pairs[0].candidate)])
    with pytest.raises(DataError, match="two persons"):
        Curriculum(recipe, [pair for pair in pairs if pair.label])
    with pytest.raises(RecipeError, match="learn_vision"):
        WarmupRecipe.from_values({"lora_rank": 4, "learn_vision": "all"}, "test")


@pytest.mark.parametrize("name", list(BUILDERS))
def test_lora_changes_the_language_model_only(tmp_path: Path, name: str) -> None:
    untaught, processor = BUILDERS[name]()
    start = untaught.state_dict()
    untaught.save_pretrained(tmp_path / "base")
    processor.save_pretrained(tmp_path / "base")
    taught, processor, _ = run(tmp_path, name, lora_rank=4, steps=2)
    whole = copy.deepcopy(taught).merge_and_unload().state_dict()
    changed = {key for key, value in whole.items() if not torch.equal(value, start[key])}
    assert whole.keys() == start.keys()
    assert changed
    assert all("language_model" in key and "_proj" in key for key in changed)
    save_taught(taught, processor, tmp_path / "base", tmp_path / "model")
    again = Reasoner.load(tmp_path / "model")
    pairs = labelled_pairs()[:2]
    np.testing.assert_allclose(again.score(pairs), Reasoner(taught, processor).score(pairs), atol=1e-6)


def test_the_objective_features_draws_people_together(tmp_path: Path) -> None:
    _, _, log = run(
        tmp_path, objectives={"features": 1.0}, steps=12, batch=8, hard_start=1.0, measure_every=12, save_every=12
    )
    assert log[-1]["loss"] < log[0]["loss"]
    assert log[-1]["cosine_same"] - log[-1]["cosine_different"] > log[0]["cosine_same"] - log[0]["cosine_different"]
    assert {"held_out_parsable", "held_out_direct_area"} <= log[-1].keys()


def test_held_out_pairs_are_measured_and_not_learned(tmp_path: Path) -> None:
    _, _, log = run(tmp_path)
    assert [line["step"] for line in log] == [1, 2, 3, 4]
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1]) == log[-1]
    assert "held_out_direct_accuracy" in log[-1]
    assert "held_out_direct_accuracy" not in log[0]
    chosen = choose_measured(labelled_pairs(4, seed=9), 4, 0)
    assert sorted(bool(pair.label) for pair in chosen) == [False, False, True, True]


@pytest.mark.parametrize("architecture", ["smolvlm", "internvl"])
@pytest.mark.parametrize("changes", [{}, {"learn_vision": "all"}, {"lora_rank": 2}], ids=["language", "all", "lora"])
def test_models_outside_the_qwen_family_are_warmed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, changes: dict[str, Any]
) -> None:
    monkeypatch.syspath_prepend(str(PLACE.parent))
    from other_architectures import OTHERS, lively

    model, processor = lively(OTHERS[architecture])
    vision_parts = find_architecture(model.config.model_type).vision_parts(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    vision = {id(parameter) for part in vision_parts for parameter in part.parameters()}
    names = {name for name, parameter in model.named_parameters() if id(parameter) in vision}
    recipe = WarmupRecipe(**SMALL | {"steps": 1} | changes)
    trained, log = warm_up(recipe, labelled_pairs(), labelled_pairs(4, seed=9), (model, processor), tmp_path)
    assert np.isfinite(log[0]["loss"])
    trained = trained.merge_and_unload() if changes.get("lora_rank") else trained
    moved = {name for name, value in trained.state_dict().items() if not torch.equal(value, before[name])}
    assert moved - names
    assert bool(moved & names) is (changes.get("learn_vision") == "all")
