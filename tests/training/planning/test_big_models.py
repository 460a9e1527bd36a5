"""The prepared run for a lent GPU, at tiny size on a CPU: its cases, its table, its page, and that it ends in time."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "big_models.py"


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("big_models", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def tiny(script: Any) -> Any:
    return script.Setting("Qwen/Qwen2.5-VL-7B-Instruct", True, (16, 4))


def test_the_plan_of_the_warm_up_is_near_what_is_measured(script: Any) -> None:
    found = script.run_case("warmup-ours", tiny(script))
    assert abs(found["memory_error"]) < 0.15
    assert found["seconds"] > 0
    assert found["planned_seconds"] > 0


def test_scoring_gives_pairs_a_second(script: Any) -> None:
    found = script.run_case("scoring", tiny(script))
    assert found["pairs_a_second"] == pytest.approx(16 / found["seconds"], rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["grpo-ours", "grpo-trl"])
def test_a_step_of_grpo_is_measured_by_both_trainers(script: Any, case: str) -> None:
    found = script.run_case(case, tiny(script))
    assert found["seconds"] > 0
    assert found["bytes"] > 10**6
    if case == "grpo-ours":
        assert abs(found["memory_error"]) < 0.15


def test_what_was_measured_is_written_after_every_case_and_time_is_kept(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def child(name: str, words: list[str], seconds: float) -> dict[str, Any]:
        done.append((name, (tmp_path / "big_models.json").exists()))
        assert seconds < 120
        assert "--tiny" in words
        return {"seconds": 1.5, "bytes": 2**31, "planned_bytes": 2**30, "memory_error": -0.5, "planned_seconds": 3.0}

    monkeypatch.setattr(script, "run_child", child)
    result = script.run_all(tiny(script), 120, tmp_path, cases=("warmup-ours", "grpo-ours"))
    assert done == [("warmup-ours", False), ("grpo-ours", True)]
    assert json.loads((tmp_path / "big_models.json").read_text(encoding="utf-8")) == result
    assert "| warmup-ours | 2.00 GiB | 1.00 GiB | 1.50 s | 3.00 s | plan's memory -50.0% |" in script.table(result)
    skipped = script.run_all(tiny(script), 10, tmp_path, cases=("scoring",))
    assert skipped["cases"] == {"scoring": {"skipped": "no time was left"}}
    assert "no time was left" in script.table(skipped)


def test_the_table_goes_between_the_marks_of_the_page(script: Any, tmp_path: Path) -> None:
    here = {"processor": "a CPU", "torch": "1", "trl": "2", "date": "2026-11-30", "commit": "abc"}
    result = {"model": "M", "tiny": True, "machine": here, "cases": {"scoring": {"failed": "out of memory"}}}
    page = tmp_path / "page.md"
    page.write_text(f"before\n{script.BEGIN}\nold\n{script.END}\nafter\n", encoding="utf-8")
    script.write_page(result, page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "out of memory" in text
    assert script.BEGIN in script.PAGE.read_text(encoding="utf-8")
    page.write_text("nothing", encoding="utf-8")
    with pytest.raises(SystemExit, match="no marks"):
        script.write_page(result, page)


def test_a_child_that_fails_or_hangs_is_said(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "__file__", "no such script")
    assert "failed" in script.run_child("scoring", [], 60)
    monkeypatch.setattr(script.sys, "executable", "/bin/sh")
    monkeypatch.setattr(script, "__file__", "-c")
    monkeypatch.setattr(script.subprocess, "run", too_long)
    assert script.run_child("scoring", [], 7) == {"failed": "not done after 7 s"}


def too_long(*_: Any, **__: Any) -> Any:
    import subprocess

    raise subprocess.TimeoutExpired("x", 7)
