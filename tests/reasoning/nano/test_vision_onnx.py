"""The exported vision encoder is the model's own, with the preprocessing in the file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from small_nano import build_small_nano

from reidr.errors import WeightsError
from reidr.reasoning.nano.onnx_export import PREPROCESSING, VisionOfOneSize, export_vision_encoder, size_of


def prepared(processor, number, size):
    noise = np.random.default_rng(number).integers(0, 255, (number, *size, 3), dtype=np.uint8)
    return processor.image_processor([Image.fromarray(each) for each in noise], return_tensors="pt")


@pytest.mark.parametrize("number", [1, 3])
def test_pictures_of_one_size_give_what_the_whole_encoder_gives(number):
    model, processor = build_small_nano()
    vision = model.model.visual
    size = size_of(processor.image_processor)
    inputs = prepared(processor, number, size)
    grid = tuple(inputs["image_grid_thw"][0, 1:].tolist())
    pixels = torch.stack([vision.picture(each, grid) for each in inputs["pixel_values"].chunk(number)])
    assert pixels.shape[2:] == size
    with torch.no_grad():
        whole = vision(inputs["pixel_values"], inputs["image_grid_thw"]).pooler_output
        tokens = VisionOfOneSize(vision, *size)(pixels)
    assert tokens.shape[0] == number
    assert torch.allclose(tokens.flatten(0, 1), whole, atol=1e-6)


def test_a_vision_encoder_of_another_kind_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="cannot be exported"):
        export_vision_encoder(torch.nn.Linear(1, 1), None, tmp_path / "a.onnx")


@pytest.mark.slow
def test_the_exported_file_computes_the_same_for_any_number_of_crops(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    pytest.importorskip("onnxscript", reason="needs the extra 'onnx'")
    model, processor = build_small_nano()
    vision = model.model.visual
    export_vision_encoder(model, processor, tmp_path / "vision.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "vision.onnx"), providers=["CPUExecutionProvider"])
    told = json.loads(session.get_modelmeta().custom_metadata_map[PREPROCESSING])
    assert (told["height"], told["width"]) == size_of(processor.image_processor)
    assert told["mean"] == list(processor.image_processor.image_mean)
    for number in (1, 4):
        inputs = prepared(processor, number, (told["height"], told["width"]))
        grid = tuple(inputs["image_grid_thw"][0, 1:].tolist())
        pixels = torch.stack([vision.picture(each, grid) for each in inputs["pixel_values"].chunk(number)])
        (tokens,) = session.run(None, {"pixels": pixels.numpy()})
        with torch.no_grad():
            whole = vision(inputs["pixel_values"], inputs["image_grid_thw"]).pooler_output.numpy()
        assert tokens.shape[2] == sum(told["token_values"].values())
        assert np.abs(tokens.reshape(whole.shape) - whole).max() < 1e-4
