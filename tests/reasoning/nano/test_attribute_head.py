"""The attribute head: what it tells, to whom, and that checkpoints with and without one load."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reidr.errors import ReIDError
from reidr.reasoning.nano.attribute_head import AttributeHead
from reidr.reasoning.nano.build import build_convolutional, with_attribute_head
from reidr.reasoning.nano.model import ConvolutionalForConditionalGeneration
from reidr.reasoning.prompting.prompt import encode_pairs
from reidr.retrieval.embedders.network import NetworkSettings, build_network
from reidr.training.pretraining.templates import vocabulary_corpus

READS = {"upper_color": ["blue", "not visible", "red"], "hat": ["cap", "none"]}


def attribute_head() -> AttributeHead:
    torch.manual_seed(0)
    return AttributeHead(6, 4, READS, 16, 6).eval()


def test_each_attribute_gets_its_own_values_and_all_tokens_of_a_crop_are_told_the_same() -> None:
    own, raw = attribute_head(), torch.randn(7, 10)
    assert [tuple(each.shape) for each in own(raw[None])] == [(1, 2), (1, 3)]
    told = own.token_update(own.probabilities(raw.split([4, 3])), [4, 3])
    assert told.shape == (7, 6)
    assert torch.equal(told[:4], told[:1].expand(4, -1))
    assert torch.equal(told[4:], told[4:5].expand(3, -1))
    assert not torch.allclose(told[0], told[4])


def test_what_is_told_is_the_probabilities_through_one_linear_map() -> None:
    own, raw = attribute_head(), torch.randn(4, 10)
    shares = torch.cat([each.softmax(-1) for each in own(raw[None])], dim=-1)[0].detach()
    assert shares[:2].sum() == pytest.approx(1.0)
    assert shares[2:].sum() == pytest.approx(1.0)
    by_hand = (own.to_tokens.weight @ shares + own.to_tokens.bias).detach()
    assert torch.allclose(own.token_update(own.probabilities([raw]), [4])[0], by_hand, atol=1e-6)


def test_pictures_of_several_sizes_are_read_as_each_by_itself() -> None:
    own, raw, sizes = attribute_head(), torch.randn(16, 10), [4, 3, 4, 5]
    together = own.token_update(own.probabilities(raw.split(sizes)), sizes).split(sizes)
    for part, told in zip(raw.split(sizes), together, strict=True):
        assert torch.allclose(own.token_update(own.probabilities([part]), [len(part)]), told, atol=1e-6)


@pytest.mark.parametrize("reads", [READS, None])
def test_a_model_with_or_without_a_reader_is_saved_and_loaded(
    tmp_path: Path, reads: dict[str, list[str]] | None
) -> None:
    torch.manual_seed(0)
    network = build_network(NetworkSettings(height=64, width=32, embedding=32, stripe_embedding=16))
    for _ in range(5):
        network(2 * torch.rand(8, 3, 64, 32) - 1)
    texts = vocabulary_corpus(np.random.default_rng(0), 300)
    model, processor = build_convolutional(texts, network.eval(), hidden=64, layers=2, vocabulary=400, reads=reads)
    model.eval().save_pretrained(tmp_path)
    loaded = ConvolutionalForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert (loaded.model.visual.attribute_head is None) == (reads is None)
    if reads is not None:
        assert loaded.model.visual.attribute_head.reads == {name: tuple(values) for name, values in reads.items()}
    pixels = np.random.default_rng(0).integers(0, 255, (2, 64, 32, 3), dtype=np.uint8)
    inputs = encode_pairs(processor, [(Image.fromarray(pixels[0]), Image.fromarray(pixels[1]))], "score")
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits, loaded(**inputs).logits)


def test_an_untrained_head_changes_no_output_and_is_added_once(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_network(NetworkSettings(height=64, width=32, embedding=32, stripe_embedding=16))
    for _ in range(5):
        network(2 * torch.rand(8, 3, 64, 32) - 1)
    texts = vocabulary_corpus(np.random.default_rng(0), 300)
    model, processor = build_convolutional(texts, network.eval(), hidden=64, layers=2, vocabulary=400)
    grown = with_attribute_head(model.eval(), READS).eval()
    pixels = np.random.default_rng(0).integers(0, 255, (2, 64, 32, 3), dtype=np.uint8)
    inputs = encode_pairs(processor, [(Image.fromarray(pixels[0]), Image.fromarray(pixels[1]))], "score")
    with torch.no_grad():
        assert torch.allclose(model(**inputs).logits, grown(**inputs).logits, atol=1e-5)
        torch.nn.init.normal_(grown.model.visual.attribute_head.to_tokens.weight)
        assert not torch.allclose(model(**inputs).logits, grown(**inputs).logits, atol=1e-2)
    with pytest.raises(ReIDError, match="has an attribute head already"):
        with_attribute_head(grown, READS)
