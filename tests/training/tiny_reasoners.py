"""Tiny models for the tests of training, made by the builders of tests/reasoning."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import torch


def neighbour(name: str) -> Any:
    """A module of tests/reasoning."""
    spec = importlib.util.spec_from_file_location(
        f"reasoning_{name}", Path(__file__).parent.parent / "reasoning" / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


TINY = neighbour("conftest")
OTHERS = neighbour("other_architectures")


def lively(architecture: str) -> tuple[Any, Any]:
    """A tiny random model whose answers differ."""
    if architecture == "nano":
        return neighbour("small_nano").build_small_nano()  # type: ignore[no-any-return]
    if architecture in OTHERS.OTHERS:
        return OTHERS.lively(OTHERS.OTHERS[architecture])  # type: ignore[no-any-return]
    model, processor = TINY.BUILDERS[architecture]()
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.12)
    return model, processor
