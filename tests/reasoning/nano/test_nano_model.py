"""`nano`'s own architecture: what the vision encoder sees is the picture, and everything else is Qwen3-VL's path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from reidr.data.types import Crop
from reidr.errors import ReIDError, WeightsError
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.models.processor import load_processor
from reidr.reasoning.nano.build import build_convolutional
from reidr.reasoning.nano.model import (
    LOOK,
    ConvolutionalForConditionalGeneration,
    check_takes_vision_features,
    colours_and_texture,
)
from reidr.reasoning.prompting.prompt import encode_pairs
from reidr.reasoning.types import Pair
from reidr.retrieval.embedders.network import NetworkSettings, build_network

READS = {"upper colors": ("red", "blue"), "headwear": ("none", "hat"), "shoes": ("boots", "sneakers", "sandals")}
SENTENCES = ["Upper clothing: red in A, blue in B: differ.", "Upper clothing: same in both.", "Shoes cannot be seen."]


def build(merge: int) -> tuple[ConvolutionalForConditionalGeneration, Any]:
    torch.manual_seed(0)
    settings = NetworkSettings(
        height=64, width=32, embedding=32, stripe_embedding=16, attributes=READS, attribute_width=16
    )
    network = build_network(settings)
    for _ in range(20):  # batch norms that know the range of what they see; untaught ones let nothing through
        network(2 * torch.rand(8, 3, 64, 32) - 1)
    network.eval()
    return build_convolutional(SENTENCES, network, hidden=64, layers=2, vocabulary=300, merge=merge)


@pytest.fixture(scope="module", params=[1, 2])
def parts(request: pytest.FixtureRequest) -> tuple[ConvolutionalForConditionalGeneration, Any]:
    return build(request.param)


def pictures(sizes: list[tuple[int, int]]) -> list[Image.Image]:
    """Noise in two colours of its own for each picture: plain noise looks alike to an untaught network."""
    random = np.random.default_rng(0)
    made = []
    for width, height in sizes:
        noise = random.integers(0, 80, (height, width, 3))
        noise[: height // 2] += random.integers(0, 175, 3)
        noise[height // 2 :] += random.integers(0, 175, 3)
        made.append(Image.fromarray(noise.astype(np.uint8)))
    return made


def test_the_vision_encoder_gets_back_the_very_pixels_that_were_cut_into_patches(
    parts: tuple[ConvolutionalForConditionalGeneration, Any],
) -> None:
    model, processor = parts
    (image,) = pictures([(32, 64)])
    inputs = processor.image_processor([image], return_tensors="pt")
    _, rows, columns = inputs["image_grid_thw"][0].tolist()
    seen = model.model.visual.picture(inputs["pixel_values"], (rows, columns))
    settings = NetworkSettings()
    wanted = (torch.tensor(np.asarray(image)).permute(2, 0, 1) / 255 - torch.tensor(settings.mean).view(3, 1, 1)) / (
        torch.tensor(settings.std).view(3, 1, 1)
    )
    assert seen.shape == (3, 64, 32)
    assert torch.allclose(seen, wanted, atol=1e-4)


def test_pictures_of_mixed_sizes_are_seen_as_if_each_were_alone(
    parts: tuple[ConvolutionalForConditionalGeneration, Any],
) -> None:
    model, processor = parts
    images = pictures([(32, 64), (64, 64), (32, 64), (30, 90)])
    together = processor.image_processor(images, return_tensors="pt")
    with torch.no_grad():
        tokens = model.get_image_features(**together, return_dict=True).pooler_output
        for image, found in zip(images, tokens, strict=True):
            alone = processor.image_processor([image], return_tensors="pt")
            wanted = model.get_image_features(**alone, return_dict=True).pooler_output[0]
            assert found.shape == wanted.shape
            assert torch.allclose(found, wanted, atol=1e-4)


def test_saved_and_loaded_by_the_auto_classes_it_says_the_same(
    parts: tuple[ConvolutionalForConditionalGeneration, Any], tmp_path: Path
) -> None:
    model, processor = parts
    model.eval().save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert type(loaded) is ConvolutionalForConditionalGeneration
    first, second = pictures([(32, 64), (40, 80)])
    batch = encode_pairs(load_processor(tmp_path), [(first, second)], "score")
    with torch.no_grad():
        assert torch.equal(model(**batch).logits, loaded.eval()(**batch).logits)


def test_training_mode_leaves_the_vision_encoders_batch_norms_alone(
    parts: tuple[ConvolutionalForConditionalGeneration, Any],
) -> None:
    model, processor = parts
    model.train()
    assert model.model.language_model.training
    assert not model.model.visual.vision_encoder.training
    before = model.model.visual.vision_encoder.necks[0].running_mean.clone()
    model(**encode_pairs(processor, [tuple(pictures([(32, 64), (32, 64)]))], "score"))  # type: ignore[list-item]
    assert torch.equal(before, model.model.visual.vision_encoder.necks[0].running_mean)
    model.eval()


def test_a_crop_is_told_about_the_other_crop_of_its_own_prompt_only() -> None:
    model, processor = build(2)
    a, b, c, d = pictures([(32, 64)] * 4)

    def logits(pairs: list[tuple[Image.Image, Image.Image]]) -> torch.Tensor:
        with torch.no_grad():
            return model.eval()(**encode_pairs(processor, pairs, "score")).logits[:, -1]

    together = logits([(a, b), (c, d)])
    assert torch.allclose(together, torch.cat([logits([(a, b)]), logits([(c, d)])]), atol=1e-5)
    # Person A's tokens know person B: causal attention alone could not tell them.
    first = encode_pairs(processor, [(a, b)], "score")
    second = encode_pairs(processor, [(a, c)], "score")
    place = int((first["input_ids"][0] == processor.image_token_id).nonzero()[0])
    with torch.no_grad():
        hidden = [model.model(**batch).last_hidden_state[0, place] for batch in (first, second)]
    assert float((hidden[0] - hidden[1]).abs().max()) > 1e-6


def test_two_equal_crops_have_cosines_of_one_in_both_directions() -> None:
    model, processor = build(2)
    (image,) = pictures([(32, 64)])
    inputs = processor.image_processor([image], return_tensors="pt")
    with torch.no_grad():
        keys = model.get_image_features(**inputs, return_dict=True).pooler_output[0][None, :, 64:]
    _, whole, stripe, recognised = keys.split(model.model.comparison.sizes, dim=-1)
    assert torch.allclose((whole * whole).sum(-1), torch.ones(whole.shape[:2]), atol=1e-5)
    assert torch.allclose((stripe * stripe).sum(-1), torch.ones(stripe.shape[:2]), atol=1e-5)
    agreement = model.model.visual.attributes.agreement(recognised[:, 0], recognised[:, 0])
    with torch.no_grad():
        both = (model.model.comparison(keys, other, agreement) for other in (keys, keys.clone()))
        assert torch.equal(*both)


def test_a_comparison_knows_how_far_the_recognised_attributes_agree() -> None:
    model, processor = build(2)
    a, b = pictures([(32, 64), (32, 64)])
    comparison = model.model.comparison
    torch.nn.init.normal_(comparison.out[0].weight)
    inputs = processor.image_processor([a, b], return_tensors="pt")
    with torch.no_grad():
        tokens = model.get_image_features(**inputs, return_dict=True).pooler_output
        one, two = (each[None, :, 64:] for each in tokens)
        told = [comparison(one, two, torch.full((1, len(READS)), level)) for level in (-1.0, 0.0, 1.0, 4.0, 400.0)]
    assert len({float(each.sum()) for each in told}) == 4
    assert torch.equal(told[-2], told[-1])  # no family counts for more than a factor of e⁴


@pytest.mark.parametrize("lacking", [{"attributes": {}}, {"stripes": 0}])
def test_a_network_without_attributes_or_stripes_is_refused(lacking: dict[str, Any]) -> None:
    settings = NetworkSettings(height=64, width=32, embedding=32, stripe_embedding=16, attributes=READS)
    network = build_network(settings.model_copy(update=lacking))
    with pytest.raises(WeightsError, match="a stripe or more, and recognise attributes"):
        build_convolutional(SENTENCES, network, hidden=64, layers=1, vocabulary=300)


def test_the_reasoner_scores_thinks_and_tells_with_it() -> None:
    reasoner = Reasoner(*build(2))
    crops = [Crop(str(place), image) for place, image in enumerate(pictures([(32, 64), (40, 80), (64, 64)]))]
    pairs = [Pair(crops[0], crops[1]), Pair(crops[0], crops[2])]
    scores = reasoner.score(pairs)
    # Shared vision, batches and both orders change nothing.
    alone = [reasoner.score([pair])[0] for pair in pairs]
    assert scores == pytest.approx(alone, abs=1e-5)
    assert reasoner.score([pair.swapped() for pair in pairs]) == pytest.approx(scores, abs=1e-5)
    assert len(reasoner.think(pairs)) == 2
    told = reasoner.ask_about_crops(crops, ["What colour are the shoes?"] * 3, max_new_tokens=4)
    assert [type(text) for text in told] == [str] * 3


def test_a_stray_opening_mark_in_the_text_does_not_mix_pictures_up() -> None:
    model, processor = build(2)
    a, b = pictures([(32, 64), (32, 64)])
    batch = encode_pairs(processor, [(a, b)], "score", prefix="<|vision_start|>")
    with torch.no_grad():
        assert torch.isfinite(model(**batch).logits).all()


def test_looks_are_the_plain_numbers_of_each_cell() -> None:
    picture = torch.rand(2, 3, 12, 8, generator=torch.Generator().manual_seed(0))
    found = colours_and_texture(picture, 3, 2)  # cells of 4 x 4 pixels
    assert found.shape == (2, 3, 2, LOOK)
    for number, row, column in np.ndindex(2, 3, 2):
        cell = picture[number, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        quarters = [cell[:, y : y + 2, x : x + 2].mean(dim=(1, 2)) for y in (0, 2) for x in (0, 2)]
        # Colour by colour: the four quarters of red, of green, of blue.
        wanted = [float(quarter[color]) for color in range(3) for quarter in quarters]
        wanted += [float(cell[color].std(correction=0)) for color in range(3)]
        assert found[number, row, column, :15] / 2 == pytest.approx(wanted, abs=1e-5)
    stripes = torch.zeros(1, 3, 8, 8)
    stripes[:, :, ::2] = 1.0  # every second row: the brightness changes downwards and never sideways
    down, side = colours_and_texture(stripes, 1, 1)[0, 0, 0, -2:].tolist()
    assert down == pytest.approx(2 * 2 * 7 / 8)
    assert side == 0.0
    assert colours_and_texture(stripes.transpose(2, 3), 1, 1)[0, 0, 0, -2:].tolist() == [side, down]


def test_a_transformers_that_drops_what_is_seen_is_refused() -> None:
    """transformers 5.17 took unknown keywords without a word: a base was taught blind, and every step of it ran."""

    def deaf(input_ids: Any = None, **rest: Any) -> None: ...

    with pytest.raises(ReIDError, match=r"shows nano no pictures; pip install 'transformers>=5\.19"):
        check_takes_vision_features(deaf)
