"""Models as ONNX files for other programs, each compared with the model that it is of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from reidr.errors import MissingExtraError, WeightsError

PICTURES = 3


def export_retriever(name: str, path: Path) -> float:
    """Write the retriever `name` to `path`; returns the greatest difference between their unit vectors on noise.

    Raises WeightsError for what is no network of ours, MissingExtraError without onnx, onnxscript and onnxruntime.
    """
    from reidr.retrieval.embedders.onnx import OnnxEmbedder, export_onnx
    from reidr.retrieval.embedders.registry import load_embedder
    from reidr.retrieval.embedders.retriever import Retriever

    check_runtime()
    retriever = load_embedder(name)
    if not isinstance(retriever, Retriever):
        raise WeightsError(f"{name}: is no trained network of this package, so there is nothing to export")
    export_onnx(retriever, path)
    pictures = noise()
    ours, theirs = retriever.embed_pictures(pictures), OnnxEmbedder.load(path).embed_pictures(pictures)
    return float(np.abs(ours - theirs).max())


def export_vision(name: str, path: Path) -> float:
    """Write the vision encoder of the reasoner `name`; returns the greatest difference between their tokens on noise.

    Raises as `export_retriever`.
    """
    check_runtime()
    import onnxruntime
    import torch

    from reidr.reasoning.models.checkpoint import find_checkpoint, load_model
    from reidr.reasoning.models.processor import load_processor, with_crop_size
    from reidr.reasoning.nano.onnx_export import export_vision_encoder, size_of

    folder, _ = find_checkpoint(name)
    model = load_model(folder, local_files_only=True, device="cpu", dtype=torch.float32)
    processor = with_crop_size(load_processor(folder))
    export_vision_encoder(model, processor, path)
    images = processor.image_processor
    height, width = size_of(images)
    prepared = images([picture.resize((width, height)) for picture in noise()], return_tensors="pt")
    with torch.inference_mode():
        vision = model.model.visual
        whole = vision(prepared["pixel_values"], prepared["image_grid_thw"]).pooler_output.numpy()
        patches = prepared["pixel_values"].chunk(PICTURES)
        grid = (height // images.patch_size, width // images.patch_size)
        pixels = torch.stack([vision.picture(each, grid) for each in patches]).numpy()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (tokens,) = session.run(None, {"pixels": np.ascontiguousarray(pixels)})
    return float(np.abs(tokens.reshape(whole.shape) - whole).max())


def check_runtime() -> None:
    """Raise MissingExtraError where an exported file could not be compared with its model."""
    from importlib.util import find_spec

    if find_spec("onnxruntime") is None:
        raise MissingExtraError("export to ONNX needs onnxruntime; install with: pip install 'reidr[onnx]'")


def noise() -> list[Image.Image]:
    """Pictures on which models are compared."""
    values = np.random.default_rng(0).integers(0, 255, (PICTURES, 128, 64, 3), dtype=np.uint8)
    return [Image.fromarray(picture) for picture in values]
