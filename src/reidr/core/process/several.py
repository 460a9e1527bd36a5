"""Processes that were started together (torchrun, accelerate, srun, mpirun): which of them this is, and who speaks.

What they say to each other needs torch: it is in `training.processes.team`, which sets the `Team` here. Run folders
and messages ask for it. Whatever has not joined a team is made for one process, and refuses to be one of several.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, TypeVar

from reidr.errors import InUseError

T = TypeVar("T")

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
NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # to meet the others
GRACE = 3.0  # seconds that the others keep still, so that the first is not ended before it has spoken
SHARED_COMMANDS = ("pairs", "sample", "train all", "train warmup", "train rl")
"""Commands whose work several processes share."""


class Launch(NamedTuple):
    """One of several processes that were started together."""

    processes: int
    rank: int
    variable: str


class Team(Protocol):
    """Several processes that work on one job: `count` of them, this one has number `rank`; 0 is the first."""

    rank: int
    count: int

    def from_first(self, make: Callable[[], T]) -> T:
        """What `make` gives in the first process, in all of them; raises InUseError in the others where it failed."""
        ...


_team: Team | None = None
_claim: Callable[[], bool] | None = None


def current_team() -> Team | None:
    """The team that this process works in; None where it works alone."""
    return _team


def set_team(team: Team | None) -> None:
    """Let run folders and messages know of a team, or that there is none any more."""
    global _team
    _team = team


def set_claim(claim: Callable[[], bool]) -> None:
    """From now on `claim` says, in one of the processes that have met, that it may say the sentence they end with."""
    global _claim
    _claim = claim


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
    """Raises InUseError where this is one of several processes that do not work as a team."""
    launch = launched_together()
    if launch is not None and _team is None:
        raise InUseError(
            f"{launch.processes} processes were started together ({launch.variable}={os.environ[launch.variable]}), "
            "and this works in one: start it without torchrun, accelerate, srun or mpirun, or with one process "
            f"(several can share the work of: reidr {', '.join(SHARED_COMMANDS)})"
        )


def refuse_to_share(command: str) -> None:
    """`refuse_several_processes` for a command, "train tune" for example, unless several can share its work."""
    if command in SHARED_COMMANDS:
        refuse_missing_launcher()
    else:
        refuse_several_processes()


def refuse_missing_launcher() -> None:
    """Raises InUseError where this is one of several processes whose launcher does not say how they meet."""
    launch = launched_together()
    missing = next((name for name in NEEDED if name not in os.environ), None)
    if launch is not None and missing is not None:
        raise InUseError(
            f"{launch.processes} processes were started together, but not by torchrun or accelerate launch "
            f"({missing} is not set): start one of these on each machine (docs/many-gpus.md)"
        )


def first_alone(make: Callable[[], T]) -> T:
    """What `make` gives: in a team the first process runs it, and the others wait for what it gave."""
    return make() if _team is None else _team.from_first(make)


def is_first() -> bool:
    """Whether this process writes and speaks: True for the first of several, and for one alone."""
    if _team is not None:
        return _team.rank == 0
    launch = launched_together()
    return launch is None or launch.rank == 0


def may_speak() -> bool:
    """Whether this process may say the sentence that it ends with: of several processes one says one.

    Before they have joined, all meet with the same obstacle, and the first speaks.
    """
    if _claim is not None:
        let_finish()
    if _claim is not None or is_first():
        return speaks_last()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # the launcher ends us when the first process has ended
    time.sleep(GRACE)
    return False


def speaks_last() -> bool:
    """Whether this process may say what all of them end with, at once; each may ask once."""
    return is_first() if _claim is None else _claim()


def let_finish() -> None:
    """From now on the launcher's signals, which follow when one of its processes has ended, do not end this one."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)


def keep_quiet() -> None:
    """Of several processes, all but the first print nothing on standard output, and no warnings of libraries."""
    if not is_first():
        warnings.simplefilter("ignore")
        # Never closed: it takes the place of a stream that lives as long as the process.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
