"""How processes that were started together meet, by `torchrun` or `accelerate launch`, on one machine or several.

A stage that is marked with `across_processes` joins them to a team (`team.py`) and parts them again.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, TypeVar

from reidr.core.process.several import (
    launched_together,
    let_finish,
    refuse_missing_launcher,
    set_claim,
    set_team,
)
from reidr.core.process.signals import end_although_stuck, interrupt_when_told, is_command, what_is_kept
from reidr.errors import InUseError, OtherProcessError, ReIDError
from reidr.training.processes.team import Processes

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE = timedelta(days=7)  # for the first process, which may be writing, measuring or tuning while others wait
GRADIENT_PATIENCE = timedelta(hours=2)  # for the others in a step: nobody samples longer than that
LOST = ("gloo", "nccl", "connection closed by peer", "connection reset by peer", "broken pipe")

_inside = False  # a stage that several processes share
_met: Processes | None = None  # they meet once, and share one stage after the other


def across_processes(stage: Callable[P, R]) -> Callable[P, R]:
    """A stage whose work several processes share. Alone it is called as it is.

    Raises InUseError where processes that were started together cannot find each other, OtherProcessError where one of
    the others has ended.
    """

    @wraps(stage)
    def shared(*arguments: P.args, **options: P.kwargs) -> R:
        if _inside or launched_together() is None:
            return stage(*arguments, **options)
        with joined():
            return stage(*arguments, **options)

    return shared


@contextmanager
def joined() -> Iterator[Processes]:
    """Work as a team: the processes that were started together meet, and each says in which of them something failed.

    Raises as `across_processes`.
    """
    global _inside, _met
    if _met is None:
        _met = join()
        set_claim(_met.claim_last_word)
        if is_command(sys.argv):
            if not _met.is_first:
                interrupt_when_told()
            end_although_stuck()
        atexit.register(leave)
    team, _inside = _met, True
    set_team(team)
    try:
        yield team
    except BaseException as error:
        atexit.unregister(leave)
        if isinstance(error, RuntimeError) and is_loss(error):
            if is_command(sys.argv):
                let_finish()
            raise OtherProcessError(
                f"another of the {team.count} processes that share this job has ended, so none of them can go on; "
                f"{what_is_kept()}"
            ) from error
        if isinstance(error, ReIDError) and not isinstance(error, OtherProcessError) and not team.is_first:
            error.args = (f"process {team.rank + 1} of {team.count} (host {socket.gethostname()}): {error}",)
        raise
    finally:
        _inside = False
        set_team(None)


def join() -> Processes:
    """Meet the other processes by what their launcher has told all of them.

    Raises InUseError where it told nothing, or there are too few GPUs; RecipeError, MissingExtraError for a kind of
    sharding that does not work.
    """
    refuse_missing_launcher()
    import torch
    import torch.distributed as dist
    import torch.distributed.nn  # imported while a group is there, its functions' defaults keep that for good

    from reidr.training.processes.kinds import refuse_sharding

    refuse_sharding()
    # Every process loads the whole checkpoint: accelerate's way of loading it in one would leave the others' vision
    # features, which are computed before the weights are shared out, without weights.
    os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    gpu = torch.cuda.is_available()
    if gpu:
        refuse_shared_gpus(torch.cuda.device_count())
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    store, rank, count = next(dist.rendezvous("env://", timeout=GRADIENT_PATIENCE))
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if gpu else "gloo", store=store, rank=rank, world_size=count, timeout=GRADIENT_PATIENCE
    )
    return Processes(rank, count, dist.new_group(backend="gloo", timeout=PATIENCE), store)


def refuse_shared_gpus(gpus: int) -> None:
    """Raises InUseError where a machine has fewer than the `gpus` that its processes need."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", int(os.environ["LOCAL_RANK"]) + 1))
    if here > gpus:
        raise InUseError(
            f"{here} processes were started on host {socket.gethostname()}, which has {gpus} GPUs: each needs one of "
            f"its own; start {gpus} (--nproc-per-node {gpus})"
        )


def leave() -> None:
    """Part from the others at the end of a job that all of them have finished.

    The threads that carried their messages end here: one that lets go of its last message while Python itself is
    ending aborts the process.
    """
    import torch.distributed as dist

    if _met is None or not dist.is_initialized():
        return
    with contextlib.suppress(RuntimeError):  # one of them has been ended after its work
        _met.wait()
    _met.part()
    with contextlib.suppress(RuntimeError):
        dist.destroy_process_group()
    gc.collect()  # whoever still holds a group in a cycle of references holds its threads


def is_loss(error: RuntimeError) -> bool:
    """Whether an error says that another process cannot be reached."""
    import torch.distributed as dist

    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in LOST)
