"""The vision encoder of a convolutional reasoner as an ONNX file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from reidr.errors import WeightsError
from reidr.reasoning.nano.model import ConvolutionalVision
from reidr.retrieval.embedders.onnx import write_onnx

PREPROCESSING = "reidr.vision_preprocessing"
"""Name of the metadata that says how a crop becomes pixels, and what the values of a token are."""
CROP = (64, 128)  # width and height of a usual crop, by which the size of the file's input is chosen


class VisionOfOneSize(nn.Module):
    """The vision encoder for pictures of one size: (N, 3, height, width) → (N, tokens, values), as `connect` gives."""

    def __init__(self, vision: ConvolutionalVision, height: int, width: int) -> None:
        super().__init__()
        self.vision = vision
        self.grid = (height // vision.config.patch_size, width // vision.config.patch_size)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, height, width) normalised pixels → tokens. Of one size there are no lists of sizes to go by."""
        vision = self.vision
        raw = vision.tokens(pixels, self.grid)
        cell, whole, stripe, colours, place, recognised = raw.split(vision.sizes, dim=-1)
        key = vision.cell_key(torch.cat([cell, colours, place], dim=-1))
        tokens = vision.connector(torch.cat([cell, whole, stripe, colours, place], dim=-1))
        tokens = tokens + vision.attributes(recognised, [raw.shape[1]])
        ends = (nn.functional.normalize(whole, dim=-1), nn.functional.normalize(stripe, dim=-1))
        return torch.cat([tokens, key, *ends, recognised], dim=-1)


def export_vision_encoder(model: Any, processor: Any, path: Path) -> None:
    """Write the vision encoder of a loaded reasoner to `path`, for any number of crops of its usual size.

    The metadata `reidr.vision_preprocessing` says the size, the mean and deviation, and which values of a token are
    what.

    Raises:
        WeightsError: the reasoner's vision encoder is no `ConvolutionalVision`. MissingExtraError: onnx or onnxscript
            is not installed.
    """
    vision = getattr(getattr(model, "model", None), "visual", None)
    if not isinstance(vision, ConvolutionalVision):
        raise WeightsError(
            f"the vision encoder of {type(model).__name__} cannot be exported; only those of nano and of reasoners "
            "built like it can. For others use their makers' exporters (Optimum)"
        )
    height, width = size_of(processor.image_processor)
    images = processor.image_processor
    of_config = vision.config
    metadata = {
        "height": height,
        "width": width,
        "resample": "bicubic",
        "channels": "rgb",
        "mean": list(images.image_mean),
        "std": list(images.image_std),
        "token_values": {
            "language_model": of_config.out_hidden_size,
            "cell_key": of_config.key_size,
            "whole_body_embedding": vision.sizes[1],
            "stripe_embedding": vision.sizes[2],
            "attribute_probabilities": vision.attributes.size,
        },
    }
    network = VisionOfOneSize(vision, height, width).eval()
    with without_fast_path(), torch.inference_mode(False):
        write_onnx(network, torch.zeros(2, 3, height, width), path, "tokens", {PREPROCESSING: json.dumps(metadata)})


def size_of(images: Any) -> tuple[int, int]:
    """Height and width in pixels to which the image processor brings a usual crop."""
    _, rows, columns = images(Image.new("RGB", CROP), return_tensors="pt")["image_grid_thw"][0].tolist()
    return rows * images.patch_size, columns * images.patch_size


@contextmanager
def without_fast_path() -> Iterator[None]:
    """PyTorch's fused transformer layer has no counterpart in ONNX; the plain one computes the same."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
