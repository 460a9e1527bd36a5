"""Several processes that were started together are refused where they cannot share the work, in one voice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reidr.core.process.several import LAUNCHERS, launched_together
from reidr.core.run import Run
from reidr.errors import InUseError

COMMAND = [sys.executable, "-m", "reidr.cli.main"]


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        ({"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}, None),
        ({"WORLD_SIZE": "8", "RANK": "0"}, (8, 0)),
        ({"WORLD_SIZE": "8", "RANK": "5", "LOCAL_RANK": "1"}, (8, 5)),
        ({"LOCAL_RANK": "3"}, (4, 3)),
        ({"WORLD_SIZE": "many", "RANK": ""}, None),
        # A batch script of four tasks that starts one process itself, and the same by srun.
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, None),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4"}, (4, 0)),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "2"}, (3, 2)),
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}, (2, 1)),
        ({"PMI_SIZE": "2", "PMI_RANK": "0"}, (2, 0)),
    ],
)
def test_what_launchers_say(environment: dict[str, str], found: tuple[int, int] | None) -> None:
    launch = launched_together(environment)
    assert (None if launch is None else launch[:2]) == found


def test_a_stage_refuses_before_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InUseError, match=r"2 processes were started together \(WORLD_SIZE=2\)"):
        Run(tmp_path / "run", "train", {})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("words", [["train", "rl"], ["find", "a.jpg", "--in", "b"], ["evaluate", "x"], ["pairs"]])
def test_the_first_speaks_and_the_others_are_silent(tmp_path: Path, words: list[str]) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in {n for pair in LAUNCHERS for n in pair}}
    ranks = [
        subprocess.Popen(
            [*COMMAND, *words], cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**clean, "WORLD_SIZE": "2", "RANK": str(rank), "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for rank in range(2)
    ]  # fmt: skip
    begun = time.monotonic()
    said = ranks[0].communicate(timeout=60)
    assert time.monotonic() - begun < 20
    assert said[0] == ""
    assert said[1].startswith("reidr: 2 processes were started together")
    assert said[1].count("\n") == 1
    assert ranks[0].returncode == 1
    ranks[1].terminate()  # as a launcher does
    assert ranks[1].communicate(timeout=60) == ("", "")
    assert ranks[1].returncode != 0
    assert list(tmp_path.iterdir()) == []
