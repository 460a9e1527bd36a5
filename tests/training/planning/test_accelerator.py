"""What `reidr doctor` says of a machine's GPUs, and what will not work there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from reidr.training.planning.accelerator import (
    GIB,
    PACKAGES,
    Accelerator,
    accelerator_here,
    driver_version,
    facts_of,
    limits_of,
)

NOTHING: dict[str, str | None] = dict.fromkeys(PACKAGES)
GOOD = Accelerator((("NVIDIA H100", 80 * GIB),), "12.8", "570.86", True, dict.fromkeys(PACKAGES, "1.0"))


def test_a_good_machine_has_no_limits() -> None:
    assert limits_of(GOOD) == []
    lines = facts_of(GOOD)
    assert lines[0] == "GPU           NVIDIA H100, 80.0 GiB"
    assert "driver        570.86" in lines
    assert "vllm          1.0" in lines
    assert "bfloat16      yes" in lines


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gpus": (), "cuda": None, "driver": None}, "no GPU: recipes of models with billions"),
        ({"gpus": (), "cuda": None}, "torch is built without CUDA"),
        ({"gpus": (), "driver": None}, "sees no GPU"),
        ({"gpus": (("NVIDIA T4", 15 * GIB),)}, "15.0 GiB: 7B and 8B models cannot"),
        ({"bfloat16": False}, "does not compute in bfloat16"),
        ({"gpus": (("A", 80 * GIB), ("B", 80 * GIB))}, "the GPUs differ"),
        ({"packages": GOOD.packages | {"vllm": None}}, "no server for rollouts"),
        ({"packages": GOOD.packages | {"flash-attn": None}}, "sdpa"),
        ({"packages": GOOD.packages | {"causal-conv1d": None}}, "Qwen3.5 works"),
    ],
)
def test_each_limit_is_one_sentence_of_its_own(changes: dict[str, Any], words: str) -> None:
    limits = limits_of(replace(GOOD, **changes))
    assert sum(words in limit for limit in limits) == 1
    assert len(limits) == (2 if changes.get("gpus") == () and not words.startswith("no GPU") else 1)


def test_the_machine_is_looked_at_through_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    card = SimpleNamespace(name="NVIDIA V100", total_memory=32 * GIB, major=7)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda place: card)
    here = accelerator_here()
    assert here.gpus == (("NVIDIA V100", 32 * GIB),) * 2
    assert not here.bfloat16


def test_the_driver_is_read_from_the_kernel_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "version"
    file.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Thu Jan 23 2025\n", encoding="utf-8")
    assert driver_version(file) == "570.86.15"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert driver_version(tmp_path / "absent") is None
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 535.104\n", encoding="utf-8")
    program.chmod(0o755)
    assert driver_version(tmp_path / "absent") == "535.104"
