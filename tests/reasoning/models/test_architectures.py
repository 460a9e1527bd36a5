"""The table of architectures: one line adds one, and an unknown one is refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from other_architectures import OTHERS, lively

from reidr.errors import WeightsError
from reidr.reasoning.backends.local import Engine
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.models.architectures import ARCHITECTURES, adapt, find_architecture
from reidr.reasoning.models.transformers_model import TransformersModel
from reidr.reasoning.types import Pair

OUTSIDE = '''
import torch
from reidr.reasoning.models.transformers_model import FixedSizeModel


class Mirrored(FixedSizeModel):
    """InternVL that is shown every crop mirrored, by nothing but the protocol's common part."""

    @staticmethod
    def vision_parts(model):
        return (model.model.multi_modal_projector,)

    def tiles(self, images):
        tiles = self.processor.image_processor(list(images), crop_to_patches=False, return_tensors="pt")
        return tiles["pixel_values"].flip(-1)

    def picture_text(self, shape):
        return "<img>" + "<IMG_CONTEXT>" * 4 + "</img>"
'''


def test_an_architecture_from_outside_the_package_needs_one_file_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pairs: list[Pair]
) -> None:
    (tmp_path / "my_architecture.py").write_text(OUTSIDE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    model, processor = lively(OTHERS["internvl"])
    plain = Engine(Reasoner(model, processor)).score(pairs)
    monkeypatch.setitem(ARCHITECTURES, "internvl", "my_architecture:Mirrored")
    mirrored = Engine(Reasoner(model, processor)).score(pairs)
    assert np.isfinite(mirrored).all()
    assert np.abs(mirrored - plain).max() > 1e-3


def test_every_line_of_the_table_names_an_adapter() -> None:
    for model_type in ARCHITECTURES:
        assert issubclass(find_architecture(model_type), TransformersModel)


def test_an_unknown_architecture_is_refused_with_what_to_do() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=8, **size))
    with pytest.raises(WeightsError, match=r"no adapter for models of type 'llama'.*ARCHITECTURES"):
        adapt(model, None)


def test_a_line_that_names_nothing_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARCHITECTURES, "mine", "reidr.reasoning.models.qwen:Nobody")
    with pytest.raises(WeightsError, match="Nobody"):
        find_architecture("mine")
