"""Every stage is refused before its work where another process is in its folder, or several that cannot share it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reidr.errors import InUseError, RecipeError
from reidr.training.grpo.stage import rl_stage
from reidr.training.pairs.stage import pairs_stage
from reidr.training.pretraining.stage import pretraining_stage
from reidr.training.retriever.stage import retriever_stage
from reidr.training.sampling.stage import sample_stage
from reidr.training.warmup.stage import warmup_stage

STAGES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "retriever": (retriever_stage, ({},)),
    "pretraining": (pretraining_stage, ({},)),
    "pairs": (pairs_stage, ({},)),
    "warmup": (warmup_stage, ({},)),
    "sample": (sample_stage, ({},)),
    "rl": (rl_stage, ({},)),
}
HOLDER = """
import sys, time
from pathlib import Path
from reidr.core.storage.lock import FolderLock
Path(sys.argv[1]).mkdir()
lock = FolderLock.take(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(100)
"""


@pytest.fixture(autouse=True)
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    for name in (f"{folder}.stage" for folder in ("retriever", "sampling", "grpo", "pretraining", "pairs", "warmup")):
        monkeypatch.setattr(f"reidr.training.{name}.stage_values", never)


@pytest.mark.parametrize("name", list(STAGES))
def test_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    stage, rest = STAGES[name]
    with pytest.raises(InUseError, match="4 processes were started together"):
        stage("nano", tmp_path / "run", *rest)
    assert not (tmp_path / "run").exists()


@pytest.mark.whole
def test_a_folder_in_use(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "run")], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        for stage, rest in STAGES.values():
            with pytest.raises(InUseError, match=f"in use by process {holder.pid} on host"):
                stage("nano", tmp_path / "run", *rest)
    finally:
        holder.kill()
        holder.wait()


def test_a_refused_recipe_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(RecipeError, match="no such recipe"):
        pairs_stage("absent", tmp_path / "run", {})
    assert not (tmp_path / "run").exists()
