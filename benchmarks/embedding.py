"""Crops a second and core that a trained retriever embeds: plain eager, ours, ONNX Runtime and OpenVINO in one run.

    python benchmarks/embedding.py                                  lite at 192 x 96, every case, one JSON line each
    python benchmarks/embedding.py lite/fast
    RETRIEVER=runs/my/model python benchmarks/embedding.py own/fast   a trained folder, at its own input size

`eager` is the network as PyTorch users run it: float32, channels first, as many crops in a batch as `Retriever` gets
(128), a second pass for mirror images; `eager-16` with batches of 16, which suit the caches better. `reference` and
`fast` are `Retriever.embed_pictures` of either precision. `onnx` is `OnnxEmbedder`, `openvino` the same exported file.
Every case is measured in turns with `eager` in one process, so `times_eager` holds on a busy machine too. One thread;
times are processor seconds, the least of several. Crops are of the network's input size: decoding is not counted.
"""

from __future__ import annotations

import copy
import os
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from measure import main
from numpy.typing import NDArray
from PIL import Image

KINDS = ("eager", "eager-16", "reference", "fast", "onnx", "openvino")
CASES = [f"{source}/{kind}" for source in ("lite", "own") for kind in KINDS]
CROPS, REPEATS = 128, 5
NEEDED = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("onnx", "onnxscript", "openvino")}
Embed = Callable[[], NDArray[np.float32]]


def run_case(name: str) -> dict[str, Any]:
    """Facts of one case, beside `eager` in the same process."""
    import torch

    from reidr.core.process.memory import keep_freed_memory
    from reidr.retrieval.embedders.retriever import Retriever

    torch.set_num_threads(1)
    keep_freed_memory()  # as our commands do; all cases profit, `eager` most
    source, kind = name.split("/")
    if source == "own" and not os.environ.get("RETRIEVER"):
        return {"skipped": "RETRIEVER names no folder of a trained retriever"}
    absent = [package for package in NEEDED.get(kind, ()) if find_spec(package) is None]
    if absent:
        return {"skipped": f"{' and '.join(absent)} not installed"}
    retriever = Retriever.load(os.environ["RETRIEVER"] if source == "own" else source)
    height, width = retriever.input_size
    pixels = drawn_pixels(height, width)
    pictures = [Image.fromarray(each) for each in pixels]
    eager = eager_embedder(retriever, pixels, CROPS)
    with tempfile.TemporaryDirectory() as folder:
        work: dict[str, Callable[[], Embed]] = {
            "eager": lambda: eager,
            "eager-16": lambda: eager_embedder(retriever, pixels, 16),
            "reference": lambda: lambda: retriever.embed_pictures(pictures),
            "fast": lambda: bound(retriever.computed_fast(), pictures),
            "onnx": lambda: bound(onnx_embedder(retriever, Path(folder)), pictures),
            "openvino": lambda: openvino_embedder(retriever, pixels, Path(folder)),
        }
        measured = work[kind]()
        times, plain = [], []
        for _ in range(REPEATS):
            plain.append(seconds_of(eager)[0])
            seconds, rows = seconds_of(measured)
            times.append(seconds)
        wanted = retriever.embed_pictures(pictures)
    return {
        "size": f"{height}x{width}",
        "crops_a_second": round(CROPS / min(times), 1),
        "times_eager": round(min(plain) / min(times), 2),
        "least_cosine": round(float(np.einsum("ij,ij->i", rows, wanted).min()), 6),
    }


def drawn_pixels(height: int, width: int) -> NDArray[np.uint8]:
    """(CROPS, height, width, 3) crops of drawn people."""
    from reidr.data.synthetic.settings import StreetSettings
    from reidr.data.synthetic.street import render_street
    from reidr.retrieval.embedders.preprocess import decode

    with tempfile.TemporaryDirectory() as folder:
        settings = StreetSettings(seed=1, cameras=3, test_people=24, cameras_per_person=3, crops_per_camera=2)
        street = render_street(Path(folder) / "street", settings)
        return decode((*street.query, *street.gallery)[:CROPS], height, width)


def seconds_of(work: Embed) -> tuple[float, NDArray[np.float32]]:
    """Processor seconds of one call, and what it gave."""
    began = time.process_time()
    rows = work()
    return time.process_time() - began, rows


def bound(embedder: Any, pictures: list[Image.Image]) -> Embed:
    """An embedder with its pictures."""
    return lambda: embedder.embed_pictures(pictures)


def eager_embedder(retriever: Any, pixels: NDArray[np.uint8], batch: int) -> Embed:
    """The plain network: nothing folded, nothing rearranged."""
    import torch
    from torch.nn.functional import normalize

    from reidr.retrieval.embedders.preprocess import normalise

    settings = retriever.settings
    network = copy.deepcopy(retriever.network).to(memory_format=torch.contiguous_format)

    def embed() -> NDArray[np.float32]:
        found = []
        with torch.inference_mode():
            for start in range(0, len(pixels), batch):
                part = normalise(pixels[start : start + batch], settings.mean, settings.std).contiguous()
                rows = normalize(network(part), dim=1)
                if settings.flip:
                    rows = normalize(rows + normalize(network(part.flip(3)), dim=1), dim=1)
                found.append(rows)
        return np.asarray(torch.cat(found).numpy())

    return embed


def onnx_embedder(retriever: Any, folder: Path) -> Any:
    """The exported network in ONNX Runtime, as `--retriever person.onnx` runs it."""
    from reidr.retrieval.embedders.onnx import OnnxEmbedder, export_onnx

    export_onnx(retriever, folder / "network.onnx")
    return OnnxEmbedder.load(folder / "network.onnx")


def openvino_embedder(retriever: Any, pixels: NDArray[np.uint8], folder: Path) -> Embed:
    """The exported network in OpenVINO, one thread, with the arithmetic it chooses."""
    import openvino
    import torch
    from torch.nn.functional import normalize

    from reidr.retrieval.embedders.onnx import export_onnx
    from reidr.retrieval.embedders.preprocess import normalise

    export_onnx(retriever, folder / "network.onnx")
    core = openvino.Core()
    model = core.compile_model(core.read_model(str(folder / "network.onnx")), "CPU", {"INFERENCE_NUM_THREADS": 1})
    settings = retriever.settings

    def embed() -> NDArray[np.float32]:
        part = normalise(pixels, settings.mean, settings.std).contiguous()
        rows = normalize(torch.from_numpy(model(part.numpy())[0]), dim=1)
        if settings.flip:
            mirrored = normalize(torch.from_numpy(model(part.flip(3).contiguous().numpy())[0]), dim=1)
            rows = normalize(rows + mirrored, dim=1)
        return np.asarray(rows.numpy())

    return embed


if __name__ == "__main__":
    main(__file__, CASES, run_case)
