"""The arithmetic of docs/memory.md: what one layer keeps, added up, against the peak of real steps at small width."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("peft")
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    module = importlib.import_module("training_memory")
    monkeypatch.setattr(module, "WARMUP_ROWS", 8)
    monkeypatch.setattr(module, "COMPLETION", 12)
    return module


@pytest.mark.parametrize(("kind", "stage"), [("qwen2_5_vl", "warmup"), ("qwen3_vl", "grpo")])
@pytest.mark.parametrize("recomputed", [False, True])
def test_layers_added_up_are_the_measured_peak(benchmark: Any, stage: str, recomputed: bool, kind: str) -> None:
    sizes = benchmark.Sizes(kind, 512, 1024, 5, 4, 2, 3000, False, 0, 40)
    loss = benchmark.warmup_loss if stage == "warmup" else benchmark.grpo_loss
    one, two = (benchmark.measure_step(sizes, layers, loss, recomputed) for layers in (1, 2))
    real = benchmark.measure_step(sizes, sizes.layers, loss, recomputed, contents=True)
    standing = one.standing + (sizes.layers - 1) * (two.standing - one.standing)
    assert standing == pytest.approx(real.standing, rel=0.01)
    added_up = benchmark.sum_of_layers(one, two, sizes.layers)
    assert added_up - standing == pytest.approx(real.peak - real.standing, rel=0.15)
    tokens = 8 * 40 if stage == "warmup" else 2 * (40 + 8 * 11)
    kept = (two.kept - one.kept) / tokens
    # Recomputed layers keep their input: one vector in bfloat16.
    assert (kept == pytest.approx(2 * sizes.hidden, rel=0.01)) is recomputed


def test_recomputing_is_what_makes_large_models_fit(benchmark: Any) -> None:
    """Real widths, one and two layers, added up: 80 GB hold a step with room only where layers are recomputed."""
    importlib.reload(benchmark)
    sizes = benchmark.MODELS["qwen2.5-vl-7b"]
    peaks = {}
    for recomputed in (False, True):
        one, two = (benchmark.measure_step(sizes, layers, benchmark.warmup_loss, recomputed) for layers in (1, 2))
        peaks[recomputed] = (benchmark.sum_of_layers(one, two, sizes.layers) + 2 * sizes.vision) / 1e9
    assert peaks[False] > 80
    assert peaks[True] < 30
