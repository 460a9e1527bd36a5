"""What this machine can train with: GPU, CUDA, driver, kernels and servers, and what will not work, a sentence each."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

GIB = 2**30
DRIVER_FILE = Path("/proc/driver/nvidia/version")
SMALL_GPU = 20 * GIB
"""Below this a 7B model's weights, 15.4 GiB in bfloat16, leave no room to train it."""


@dataclass(frozen=True)
class Accelerator:
    """What `accelerator_here` finds.

    Attributes:
        gpus: (name, bytes of memory) of each GPU that torch sees. cuda: the version torch is built for, None without.
            driver: the NVIDIA driver's version, None where there is none. bfloat16: whether all GPUs compute in it.
            packages: installed versions of what only a GPU needs, None for those that are absent.
    """

    gpus: tuple[tuple[str, int], ...]
    cuda: str | None
    driver: str | None
    bfloat16: bool
    packages: dict[str, str | None]


PACKAGES = ("vllm", "flash-attn", "causal-conv1d", "flash-linear-attention")


def accelerator_here() -> Accelerator:
    """Look at this machine; nothing is loaded but torch."""
    import torch

    number = torch.cuda.device_count() if torch.cuda.is_available() else 0
    facts = [torch.cuda.get_device_properties(place) for place in range(number)]
    gpus = tuple((str(each.name), int(each.total_memory)) for each in facts)
    # Ampere and newer; older ones emulate it so slowly that it is no support.
    bfloat16 = bool(facts) and all(each.major >= 8 for each in facts)
    versions = {name: installed_version(name) for name in PACKAGES}
    return Accelerator(gpus, torch.version.cuda, driver_version(), bfloat16, versions)


def installed_version(name: str) -> str | None:
    """The version of an installed package, without importing it."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def driver_version(file: Path = DRIVER_FILE) -> str | None:
    """The NVIDIA driver's version: from the kernel module, else from nvidia-smi; None where there is none."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        text = ""
    found = re.search(r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)?)\s", text)
    program = shutil.which("nvidia-smi")
    if found is None and program is not None:
        words = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
        try:
            answer = subprocess.run(words, capture_output=True, text=True, check=True, timeout=20).stdout  # noqa: S603
        except (OSError, subprocess.SubprocessError):
            return None
        found = re.search(r"(\d+\.\d+(?:\.\d+)?)", answer)
    return None if found is None else found[1]


def facts_of(here: Accelerator) -> list[str]:
    """One line for each kind of fact, as `reidr doctor` prints them."""
    lines = [f"GPU           {name}, {memory / GIB:.1f} GiB" for name, memory in here.gpus] or ["GPU           none"]
    lines.append(f"CUDA          torch is built {'without it' if here.cuda is None else f'for {here.cuda}'}")
    lines.append(f"driver        {here.driver or 'no NVIDIA driver'}")
    if here.gpus:
        lines.append(f"bfloat16      {'yes' if here.bfloat16 else 'no'}")
    lines += [f"{name:<13} {version or 'not installed'}" for name, version in here.packages.items() if len(name) < 13]
    return lines


def limits_of(here: Accelerator) -> list[str]:
    """What will not work here, or only slowly: a sentence each, with what to do."""
    found = []
    if not here.gpus and here.driver is not None and here.cuda is None:
        found.append(
            f"the machine has an NVIDIA driver ({here.driver}) and torch is built without CUDA, so the GPU is not "
            "used: install torch for CUDA (https://pytorch.org/get-started/locally)"
        )
    elif not here.gpus and here.cuda is not None:
        found.append(
            f"torch is built for CUDA {here.cuda} and sees no GPU: check the driver ({here.driver or 'none is loaded'})"
            " and CUDA_VISIBLE_DEVICES"
        )
    if not here.gpus:
        found.append(
            "no GPU: recipes of models with billions of parameters cannot be trained here; nano and lite can "
            "(`reidr plan RECIPE --gpu h100` plans for a GPU elsewhere)"
        )
        return found
    smallest = min(memory for _, memory in here.gpus)
    if smallest < SMALL_GPU:
        found.append(
            f"the GPU has {smallest / GIB:.1f} GiB: 7B and 8B models cannot be trained on it; `reidr plan RECIPE` says "
            "which can"
        )
    if not here.bfloat16:
        found.append(
            f"{here.gpus[0][0]} does not compute in bfloat16: LoRA recipes of large models will not work; they need a "
            "GPU of the Ampere generation or newer"
        )
    if len({name for name, _ in here.gpus}) > 1:
        found.append("the GPUs differ: training on all of them is as slow, and has as little memory, as the least one")
    if here.packages["vllm"] is None:
        found.append(
            "vLLM is not installed: no server for rollouts can be started from this environment. Sampling in the "
            "training process takes several times as long; install vLLM in an environment of its own and name it with "
            "--rollout-server"
        )
    if here.packages["flash-attn"] is None:
        found.append("flash-attn is not installed: attention is torch's own (sdpa), which gives the same results")
    if here.packages["causal-conv1d"] is None or here.packages["flash-linear-attention"] is None:
        found.append(
            "causal-conv1d and flash-linear-attention are not both installed: Qwen3.5 works, and its recurrent layers "
            "are computed many times slower"
        )
    return found
