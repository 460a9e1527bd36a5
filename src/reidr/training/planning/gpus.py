"""GPUs that a plan can be made for: their memory and speed, by data sheet, or as this machine shows them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from reidr.errors import ReIDError

GIB = 2**30
RESERVED = 1.0 * GIB
"""What CUDA, its libraries and the desktop take before the first tensor."""
FRAGMENTATION = 0.06
"""Share that torch's allocator holds beyond what the tensors need: it rounds up and keeps pieces that fit nowhere."""


@dataclass(frozen=True)
class Processor:
    """A GPU, or the CPU of this machine.

    Attributes:
        name: as `--gpu` takes it. title: its whole name. memory: bytes that torch can see of it. tera: 10^12 operations
            a second of dense matrix products in bfloat16 (on a CPU in float32, measured). bandwidth: bytes a second of
            its memory. source: of these numbers. bfloat16: whether it computes in it. gpu: False for a CPU.
    """

    name: str
    title: str
    memory: int
    tera: float
    bandwidth: float
    source: str
    bfloat16: bool = True
    gpu: bool = True

    @property
    def usable(self) -> int:
        """Bytes for tensors."""
        if not self.gpu:
            return int(self.memory * 0.9)
        return int((self.memory - RESERVED) / (1 + FRAGMENTATION))


def _sheet(name: str, title: str, speeds: tuple[float, float, float], source: str, bfloat16: bool = True) -> Processor:
    gib, tera, gigabytes = speeds
    return Processor(name, title, int(gib * GIB), tera, gigabytes * 1e9, source, bfloat16)


TABLE = (
    _sheet("b200", "NVIDIA B200", (178.0, 2250, 8000), "NVIDIA HGX B200 data sheet"),
    _sheet("h200", "NVIDIA H200", (139.8, 989, 4800), "NVIDIA H200 data sheet"),
    _sheet("h100", "NVIDIA H100 80GB (SXM)", (79.1, 989, 3350), "NVIDIA H100 data sheet"),
    _sheet("h100-pcie", "NVIDIA H100 80GB (PCIe)", (79.1, 756, 2000), "NVIDIA H100 data sheet"),
    _sheet("a100-80gb", "NVIDIA A100 80GB", (79.1, 312, 2039), "NVIDIA A100 data sheet"),
    _sheet("a100-40gb", "NVIDIA A100 40GB", (39.4, 312, 1555), "NVIDIA A100 data sheet"),
    _sheet("l40s", "NVIDIA L40S", (44.4, 362, 864), "NVIDIA L40S data sheet"),
    _sheet("l4", "NVIDIA L4", (22.0, 121, 300), "NVIDIA L4 data sheet"),
    _sheet("a10g", "NVIDIA A10G", (22.1, 70, 600), "NVIDIA A10 data sheet, AWS g5"),
    _sheet("rtx6000-ada", "NVIDIA RTX 6000 Ada", (47.4, 364, 960), "NVIDIA RTX 6000 Ada data sheet"),
    _sheet("rtxpro6000", "NVIDIA RTX PRO 6000 Blackwell", (94.9, 503, 1792), "NVIDIA RTX Blackwell PRO paper"),
    _sheet("rtx5090", "NVIDIA GeForce RTX 5090", (31.3, 209, 1792), "NVIDIA RTX Blackwell architecture paper"),
    _sheet("rtx4090", "NVIDIA GeForce RTX 4090", (23.5, 165, 1008), "NVIDIA Ada architecture paper"),
    _sheet("rtx3090", "NVIDIA GeForce RTX 3090", (23.6, 71, 936), "NVIDIA Ampere GA102 architecture paper"),
    _sheet("v100-32gb", "NVIDIA V100 32GB", (31.7, 125, 900), "NVIDIA V100 data sheet", bfloat16=False),
    _sheet("t4", "NVIDIA T4", (14.6, 65, 320), "NVIDIA T4 data sheet", bfloat16=False),
)
"""Memory is what torch reports (`get_device_properties`), which is less than the name says; speeds are dense bfloat16
(float16 where there is none), without sparsity."""


def find_processor(name: str | None) -> Processor:
    """The GPU of that name; for None the one of this machine, or its CPU.

    Raises ReIDError where no GPU has that name.
    """
    if name is None:
        return processor_here()
    wanted = name.lower().replace("_", "-")
    found = next((each for each in TABLE if each.name == wanted), None)
    if found is None:
        names = [each.name for each in TABLE]
        alike = get_close_matches(wanted, names, 1)
        hint = f"did you mean {alike[0]}? " if alike else ""
        raise ReIDError(f"--gpu {name}: not in the table; {hint}there are {', '.join(names)}")
    return found


def processor_here() -> Processor:
    """The first GPU of this machine, with the speed that it shows in a moment of work; without one, the CPU."""
    import torch

    if torch.cuda.is_available():
        facts = torch.cuda.get_device_properties(0)
        half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return Processor(
            "here", facts.name, facts.total_memory, tera_here("cuda", 4096, half), bandwidth_here("cuda", 2**28),
            "measured on this machine", bfloat16=half is torch.bfloat16,
        )  # fmt: skip
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 8 * GIB
    title = f"the CPU of this machine ({os.cpu_count()} cores), as it has no GPU"
    speeds = tera_here("cpu", 1024, torch.float32), bandwidth_here("cpu", 2**25)
    return Processor("cpu", title, memory, *speeds, "measured on this machine", gpu=False)


def tera_here(device: str, side: int, dtype: Any) -> float:
    """10^12 operations a second of products of square matrices, the best of three."""
    import torch

    matrix = torch.ones(side, side, device=device, dtype=dtype)
    return 2e-12 * side**3 / best_seconds(lambda: torch.mm(matrix, matrix), device)


def bandwidth_here(device: str, size: int) -> float:
    """Bytes read and written a second by copying `size` bytes, the best of three."""
    import torch

    block = torch.ones(size, device=device, dtype=torch.uint8)
    return 2 * size / best_seconds(block.clone, device)


def best_seconds(work: Callable[[], Any], device: str, repeats: int = 3) -> float:
    """The shortest time of some runs of `work`, after one to warm up."""
    import torch

    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return max(min(times[1:]), 1e-9)
