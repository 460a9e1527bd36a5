"""Encoding each crop once per batch, however many pairs and orders it appears in."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image


def share_vision(model: Any, inputs: dict[str, Any], images: Sequence[Image.Image]) -> dict[str, Any]:
    """`inputs` with the pixels replaced by the vision encoder's output, computed once for each distinct picture.

    A query meets k candidates in two orders, so most pictures of a batch are repeats; in a small model the vision
    encoder
    is more than half of the work. Models whose `forward` takes no `mm_encoder_outputs` get their inputs back unchanged.

    Args:
        inputs: model inputs with `pixel_values` (patches, values) and `image_grid_thw` (pictures, 3).
        images: the pictures in the order of `image_grid_thw`.
    """
    if "mm_encoder_outputs" not in inspect.signature(model.forward).parameters:
        return inputs
    places: dict[tuple[tuple[int, int], bytes], int] = {}
    index = [places.setdefault((image.size, image.tobytes()), len(places)) for image in images]
    first = [index.index(place) for place in range(len(places))]
    grid = inputs["image_grid_thw"]
    patches: tuple[torch.Tensor, ...] = inputs["pixel_values"].split(grid.prod(dim=1).tolist())
    output = model.get_image_features(torch.cat([patches[i] for i in first]), grid[first], return_dict=True)
    output.pooler_output = [output.pooler_output[place] for place in index]
    if "deepstack_features" in output:
        output.deepstack_features = [[layer[place] for place in index] for layer in output.deepstack_features]
    rest = {name: value for name, value in inputs.items() if name != "pixel_values"}
    return rest | {"mm_encoder_outputs": {"image": output}}
