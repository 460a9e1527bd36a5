"""How many processes were started together (torchrun, accelerate, srun, mpirun), and the refusal of more than one."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

from reidr.errors import InUseError

# (how many there are, which of them this is), as launchers say it. Slurm's `SLURM_NTASKS` is not among them: a batch
# script that starts one process has it too; the number of tasks of a step is `SLURM_STEP_NUM_TASKS`.
LAUNCHERS = (
    ("WORLD_SIZE", "RANK"),
    ("LOCAL_WORLD_SIZE", "LOCAL_RANK"),
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
    ("MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"),
)
GRACE = 3.0  # seconds that the others keep still, so that the first is not ended before it has spoken


class Launch(NamedTuple):
    """One of several processes that were started together."""

    processes: int
    rank: int
    variable: str


def launched_together(environment: Mapping[str, str] | None = None) -> Launch | None:
    """Which of several processes this is, by the variables of their launcher; None where it is alone."""
    environment = os.environ if environment is None else environment
    for size_name, rank_name in LAUNCHERS:
        size, rank = number_of(environment.get(size_name)), number_of(environment.get(rank_name))
        if size > 1 or rank > 0:
            return Launch(max(size, rank + 1), rank, size_name if size > 1 else rank_name)
    return None


def number_of(text: str | None) -> int:
    """A launcher's number; 0 for none, or one that is not to be read."""
    return int(text) if text is not None and text.strip().isdecimal() else 0


def refuse_several_processes() -> None:
    """Raises InUseError where this is one of several processes: every command and stage here is made for one."""
    launch = launched_together()
    if launch is not None:
        raise InUseError(
            f"{launch.processes} processes were started together ({launch.variable}={os.environ[launch.variable]}), "
            "and ReID-R works in one: start it without torchrun, accelerate, srun or mpirun, or with one process"
        )


def speak_for_all() -> None:
    """`refuse_several_processes` for a command: the first process says the sentence, the others end without a word."""
    launch = launched_together()
    if launch is not None and launch.rank > 0:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)  # the launcher ends us when the first process has ended
        time.sleep(GRACE)
        sys.exit(1)
    refuse_several_processes()
