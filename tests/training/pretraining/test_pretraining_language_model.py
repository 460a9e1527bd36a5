"""Pretraining: attributes are learned and form is learned, verdicts are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reidr.data.attributes import common_attributes
from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.nano.build import build_convolutional
from reidr.reasoning.prompting.answers import answer_token_ids
from reidr.reasoning.prompting.grammar import ANSWER_WORDS, parse_completion
from reidr.reasoning.prompting.prompt import DESCRIBE, encode_crops, encode_pairs, render
from reidr.reasoning.rationales.regions import UNSEEN
from reidr.retrieval.embedders.network import NetworkSettings, build_network
from reidr.training.pretraining.example_source import CropFamily, ExampleSource
from reidr.training.pretraining.examples import FREE, Example, completion_loss, example_batch
from reidr.training.pretraining.language_model import train_language_model
from reidr.training.pretraining.templates import GRADES, vocabulary_corpus
from reidr.training.pretraining.visible import VisibleCrops
from reidr.training.recipes.pretraining import LanguageTraining, PretrainingRecipe

COLORS = {"red": (200, 30, 30), "blue": (30, 30, 200), "green": (30, 160, 30), "white": (230, 230, 230)}


def crops() -> list[Crop]:
    """Four persons, two cameras each: one colour above, another below."""
    made = []
    for person, (upper, lower) in enumerate([("red", "blue"), ("blue", "green"), ("green", "white"), ("white", "red")]):
        for camera in ("1", "2"):
            picture = np.zeros((64, 32, 3), dtype=np.uint8)
            picture[:32], picture[32:] = COLORS[upper], COLORS[lower]
            attributes = {"upper_color": upper, "lower_color": lower, "lower_kind": "trousers", "hat": "none"}
            image = Image.fromarray(picture)
            made.append(Crop(f"s/{person}-{camera}", image, f"s:{person}", f"s:{camera}", attributes=attributes))
    return made


READS = {"upper colors": tuple(COLORS), "lower colors": tuple(COLORS), "headwear": ("none", "hat")}


def known(own: list[Crop]) -> VisibleCrops:
    """All that is known may be said; nothing is known of how alike they look."""
    return VisibleCrops(own, [common_attributes(crop.attributes) for crop in own])


@pytest.fixture(scope="module")
def parts() -> tuple[Any, Any]:
    return fresh()


def fresh() -> tuple[Any, Any]:
    torch.manual_seed(0)
    network = build_network(
        NetworkSettings(height=64, width=32, embedding=32, stripe_embedding=16, attributes=READS, attribute_width=16)
    )
    for _ in range(20):  # batch norms that know the range of what they see; untaught ones let nothing through
        network(2 * torch.rand(8, 3, 64, 32) - 1)
    network.eval()
    texts = vocabulary_corpus(np.random.default_rng(0), 300)
    return build_convolutional(texts, network, hidden=64, layers=2, vocabulary=400)


def look(model: Any, processor: Any, dtype: torch.dtype = torch.float32) -> CropFeatures:
    openers = [crop.open for crop in crops()]
    return CropFeatures(model, processor, openers, learning="connector", dtype=dtype)


def test_a_batch_of_looked_at_crops_gives_the_logits_of_the_pixel_path(parts: tuple[Any, Any]) -> None:
    model, processor = parts
    source, seen = ExampleSource(known(crops()), processor), look(model, processor)
    text = "<think>Both have a red top.</think><answer>yes</answer>"
    pair = Example((0, 3), source.compare_prompt, text)
    inputs, labels = example_batch(seen, [pair])
    images = [crop.open() for crop in crops()]
    with torch.no_grad():
        found = model(**inputs).logits[0]
        wanted = model(**encode_pairs(processor, [(images[0], images[3])], "think", prefix=text)).logits[0]
    assert torch.allclose(found, wanted, atol=1e-4)
    alone, _ = example_batch(seen, [Example((2,), source.render(DESCRIBE), "")])
    with torch.no_grad():
        found = model(**alone).logits[0]
        wanted = model(**encode_crops(processor, [images[2]], [DESCRIBE])).logits[0]
    assert torch.allclose(found, wanted, atol=1e-4)
    # Only the completion is learned.
    said = processor.tokenizer.decode([token for token in labels[0].tolist() if token != -100])
    assert said == text


def test_comparisons_follow_the_grammar_and_their_word_says_nothing_of_the_label(parts: tuple[Any, Any]) -> None:
    _, processor = parts
    source, random = ExampleSource(known(crops()), processor), np.random.default_rng(0)
    counts = {same: dict.fromkeys(ANSWER_WORDS, 0) for same in (True, False)}
    people = [crop.person for crop in crops()]
    for _ in range(5000):
        example = source.draw(random)
        if len(example.crops) == 2:
            a, b = example.crops
            parsed = parse_completion(example.completion.removesuffix(source.stop))
            counts[people[a] == people[b]][parsed.answer] += 1
            ((start, end),) = example.free
            assert example.completion[start:end] == parsed.answer
    for words in counts.values():
        shares = np.array(list(words.values())) / sum(words.values())
        assert np.abs(shares - 1 / 3).max() < 0.1


def test_the_loss_cannot_tell_one_answer_word_from_another(parts: tuple[Any, Any]) -> None:
    model, processor = parts
    seen, prompt = look(model, processor), render(processor, "think")
    words = answer_token_ids(processor.tokenizer)
    gradients = []
    for word in ("yes", "no"):
        before = "<think>Both have a red top.</think><answer>"
        example = Example((0, 2), prompt, f"{before}{word}", ((len(before), len(before) + len(word)),))
        inputs, labels = example_batch(seen, [example])
        assert int((labels == FREE).sum()) == 1
        logits = model(**inputs).logits.detach().requires_grad_(True)
        completion_loss(logits, labels, words).sum().backward()
        gradients.append(logits.grad)
    assert torch.equal(*gradients)
    # By hand: after <answer>, the mean of -log of each word's probability, so that the three end up alike.
    place = labels.shape[1] - 2
    found = torch.softmax(logits[0, place].detach(), -1)[list(words)].log().mean().neg()
    only = torch.full_like(labels, -100)
    only[0, -1] = FREE
    assert completion_loss(logits.detach(), only, words)[0] == pytest.approx(float(found), rel=1e-5)


def test_what_pictures_hide_is_asked_as_often_as_it_happens(parts: tuple[Any, Any]) -> None:
    _, processor = parts
    hats = ["none"] * 84 + ["hat"] * 6 + [UNSEEN] * 10
    own_crops = [
        Crop(f"{place}", Path("x.jpg"), f"s:{place // 2}", f"s:{place % 2}", attributes={"headwear": hat})
        for place, hat in enumerate(hats)
    ]
    own, random = ExampleSource(known(own_crops), processor).families["s"], np.random.default_rng(0)
    drawn = [own.sampled_value(random) for _ in range(2000)]
    assert {attribute for attribute, _ in drawn} == {"headwear"}
    for value, share in (("none", 0.45), ("hat", 0.45), (UNSEEN, 0.1)):
        assert np.mean([hats[place] == value for _, place in drawn]) == pytest.approx(share, abs=0.04)
    hidden = [replace(crop, attributes={"headwear": UNSEEN}) for crop in own_crops]
    mixed = [*hidden, *(replace(crop, id=f"o{crop.id}", attributes={"carried": "nothing"}) for crop in own_crops)]
    mixed.append(replace(own_crops[0], attributes={"headwear": UNSEEN, "carried": UNSEEN}))
    asked = ExampleSource(known(mixed), processor).families["s"]
    assert asked.attributes == ["carried"]  # that nobody's hat is seen is no question


def test_values_that_are_only_likely_or_stand_with_another_count_as_themselves() -> None:
    own = CropFamily()
    values = ["black", "black and white", "probably black", "probably white and red", "white"]
    for place, value in enumerate(values):
        own.add(place, crops()[place], {"upper colors": value})
    own.add(5, crops()[5], {"upper colors": "red", "lower garment": "trousers / jeans"})
    # By the first of several: who asks for black gets a top that is black too.
    # What is open is no answer, and so not asked about: every value is asked about as often as any other.
    assert own.by_value == {"upper colors": {"black": [0, 1, 2], "white": [3, 4], "red": [5]}}
    assert own.values[2] == own.values[0]


def test_an_answer_says_what_may_be_said(parts: tuple[Any, Any]) -> None:
    _, processor = parts
    people = [{"upper colors": "probably red"}, {"upper colors": "black and white"}] * 2
    own_crops = [replace(crop, attributes={}) for crop in crops()[:4]]
    only_questions = LanguageTraining(comparisons=0, descriptions=0)
    source = ExampleSource(VisibleCrops(own_crops, people), processor, only_questions)
    random = np.random.default_rng(0)
    said = {source.draw(random).completion.removesuffix(source.stop) for _ in range(40)}
    assert said == {"Probably red.", "Black and white."}


def unit(angle: float) -> list[float]:
    return [float(np.cos(angle)), float(np.sin(angle))]


def test_grades_of_likeness_are_quarters_of_the_pairs_that_are_compared(parts: tuple[Any, Any]) -> None:
    _, processor = parts
    random = np.random.default_rng(1)
    own_crops = [
        Crop(f"{place}", Path("x.jpg"), f"s:{place // 2}", f"s:{place % 2}", attributes={"sleeves": "long"})
        for place in range(80)
    ]
    upper, lower = (
        np.array([unit(angle) for angle in random.uniform(0, np.pi, 80)], dtype=np.float32) for _ in range(2)
    )
    visible = VisibleCrops(own_crops, [dict(crop.attributes) for crop in own_crops], upper, lower)
    source = ExampleSource(visible, processor)
    drawn = [source.families["s"].pair(random) for _ in range(2000)]
    for region, rows in (("upper clothing", upper), ("lower clothing", lower)):
        grades = np.array([source.likeness(*pair)[region] for pair in drawn])  # type: ignore[index]
        assert np.bincount(grades, minlength=len(GRADES)) / len(grades) == pytest.approx(0.25, abs=0.05)
        cosines = np.array([float(rows[a] @ rows[b]) for a, b in drawn])
        for grade in range(1, len(GRADES)):  # the more alike, the higher the grade
            assert cosines[grades == grade].min() >= cosines[grades == grade - 1].max()
    # The same of both orders, and of a crop with itself the highest.
    assert source.likeness(3, 8) == source.likeness(8, 3)
    assert source.likeness(3, 3) == {"upper clothing": 3, "lower clothing": 3}
    # What is graded is said; where nothing is known of it, nothing is.
    said = [source.draw(random).completion for _ in range(300)]
    assert any("much alike" in text for text in said)
    plain = ExampleSource(VisibleCrops(own_crops, visible.known), processor)
    assert plain.likeness(3, 8) is None
    assert not any("alike" in plain.draw(random).completion for _ in range(300))


def recipe(steps: int, save_every: int = 100) -> PretrainingRecipe:
    return PretrainingRecipe(steps=steps, batch=6, save_every=save_every, warmup_steps=1, learning_rate=3e-3)


def test_two_and_two_steps_are_four(tmp_path: Path) -> None:
    whole, processor = fresh()
    source = ExampleSource(known(crops()), processor)
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    train_language_model(recipe(4, 2), source, tmp_path / "whole", whole, look(whole, processor))
    stopped, _ = fresh()

    def stop(_: float) -> None:
        if (tmp_path / "parts" / "checkpoint.pt").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_language_model(recipe(4, 2), source, tmp_path / "parts", stopped, look(stopped, processor), stop)
    resumed, _ = fresh()
    train_language_model(recipe(4, 2), source, tmp_path / "parts", resumed, look(resumed, processor))
    for (name, one), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_it_learns_to_say_what_it_sees_and_leaves_the_vision_encoder_alone(tmp_path: Path) -> None:
    model, processor = fresh()
    before = {name: each.clone() for name, each in model.model.visual.vision_encoder.state_dict().items()}
    connector = model.model.visual.connector[0].weight.detach().clone()
    log = train_language_model(
        recipe(50), ExampleSource(known(crops()), processor), tmp_path, model, look(model, processor)
    )
    assert log[-1]["loss"] < 0.6 * log[0]["loss"]
    assert all(torch.equal(before[name], each) for name, each in model.model.visual.vision_encoder.state_dict().items())
    assert not torch.equal(connector, model.model.visual.connector[0].weight)


def test_look_alikes_share_most_of_what_is_known() -> None:
    own = CropFamily()
    random = np.random.default_rng(0)
    for place in range(60):
        names = ("upper colors", "lower colors", "headwear", "carried", "sleeves")
        values = {name: str(random.integers(3)) for name in names}
        own.add(place, Crop(f"s/{place}", Path("none.png"), f"s:{place // 2}", f"s:{place % 2}"), values)
    apart = [len(own.values[a] & own.values[b]) for a, b in (own.pair(random) for _ in range(2000))]
    # Any two share 5/3 values on average; the most alike of twelve 3 or more: a quarter of all pairs are such.
    assert np.mean(apart) > 5 / 3 + 0.25
    assert np.mean(np.array(apart) >= 3) > 0.3


@pytest.mark.parametrize("attributes", [{}, {"glasses": "no"}])
def test_crops_of_which_nothing_can_be_said_are_refused(attributes: dict[str, str]) -> None:
    _, processor = fresh()
    nobody = [Crop(name, Path("x.jpg"), "s:1", "s:1", attributes=attributes) for name in ("a", "b")]
    with pytest.raises(DataError, match="persons of whom something is known"):
        ExampleSource(known(nobody), processor)
    once = [Crop("a", Path("x.jpg"), "s:1", "s:1", attributes={"sleeves": "long"})]
    with pytest.raises(DataError, match="some of them with two crops"):
        ExampleSource(known(once), processor)
    strangers = [Crop(name, Path("x.jpg"), None, "s:1", attributes={"sleeves": "long"}) for name in ("a", "b")]
    with pytest.raises(DataError, match="some of them with two crops"):
        ExampleSource(known(strangers), processor)
