"""Several processes that share a training: who this is, and what they tell each other.

They are started by `torchrun` or `accelerate launch`, on one machine or several. A stage that is marked with
`across_processes` joins them to a team; everything below asks `processes()`, which for a process that works alone
answers as a team of one.
"""

from __future__ import annotations

import atexit
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from reidr.core.process.several import current_team, launched_together, let_finish, set_claim, set_team
from reidr.core.process.signals import end_although_stuck, what_is_kept
from reidr.errors import InUseError, OtherProcessError, RecipeError, ReIDError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup, Store

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")

NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
PATIENCE = timedelta(days=7)  # for the first process, which may be writing, measuring or tuning while others wait
GRADIENT_PATIENCE = timedelta(hours=2)  # for the others in a step: nobody samples longer than that
LOST = ("gloo", "nccl", "connection closed by peer", "connection reset by peer", "broken pipe")
FIRST_SPEAKS = 0.5  # seconds by which the first may say first what all of them met with


class Processes:
    """A team of processes; alone, of one.

    Attributes:
        rank: number of this process; the first is 0. count: how many there are.
    """

    def __init__(self, rank: int = 0, count: int = 1, group: ProcessGroup | None = None, store: Store | None = None):
        self.rank, self.count, self._group, self._store = rank, count, group, store

    @property
    def is_first(self) -> bool:
        """Whether this process writes, and speaks for all."""
        return self.rank == 0

    def gather(self, own: T) -> list[T]:
        """What each process gives, in their order; in all of them. It is sent pickled."""
        if self.count == 1:
            return [own]
        import torch.distributed as dist

        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, own, group=self._group)
        return found

    def from_first(self, make: Callable[[], T]) -> T:
        """What `make` gives in the first process, in all of them; raises OtherProcessError where it failed there.

        While it is made the first process works alone, so that `make` may be a whole stage.
        """
        if self.count == 1:
            return make()
        import torch.distributed as dist

        said: list[Any] = [False, None]
        if self.is_first:
            set_team(ALONE)
            try:
                said = [True, make()]
            except ReIDError:
                dist.broadcast_object_list(said, src=0, group=self._group)
                raise
            finally:
                set_team(self)
        dist.broadcast_object_list(said, src=0, group=self._group)
        if not said[0]:
            raise OtherProcessError("the first of the processes has failed")
        made: T = said[1]
        return made

    def after_first(self, make: Callable[[], T]) -> T:
        """What `make` gives in each process; the first calls it alone, and leaves files for the others."""
        if not self.is_first:
            self.wait()
        made = make()
        if self.is_first:
            self.wait()
        return made

    def wait(self) -> None:
        """Go on when all processes have come here."""
        self.gather(None)

    def sum(self, values: Mapping[str, float]) -> dict[str, float]:
        """The sums over all processes of numbers by name; of a name that a process does not know it adds 0."""
        total: dict[str, float] = {}
        for own in self.gather(dict(values)):
            for name, value in own.items():
                total[name] = total.get(name, 0.0) + value
        return total

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This process's part of `items`: the parts follow one another, and their lengths differ by at most one."""
        return items[len(items) * self.rank // self.count : len(items) * (self.rank + 1) // self.count]

    def spread(self, items: Sequence[S], work: Callable[[S], T]) -> list[T]:
        """`work` of each item in their order, in all processes; each process does every `count`-th of them."""
        parts = self.gather([work(each) for each in items[self.rank :: self.count]])
        return [parts[place % self.count][place // self.count] for place in range(len(items))]

    def divide(self, number: int, what: str) -> int:
        """The share of each process of a total of `number`. Raises RecipeError where they do not divide equally."""
        if number % self.count:
            raise RecipeError(
                f"{what} is {number} over all processes together, which {self.count} processes cannot share equally; "
                f"take a multiple of {self.count}, or another number of processes"
            )
        return number // self.count

    def claim_last_word(self) -> bool:
        """Whether this process may say the sentence that the team ends with: True in one of them."""
        if not self.is_first:
            time.sleep(FIRST_SPEAKS)
        if self._store is None:
            return True
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        try:
            return int(self._store.add(f"reidr/last word/{attempt}", 1)) == 1
        except RuntimeError:  # whoever kept the count has gone too
            return True


ALONE = Processes()
_inside = False  # a stage that several processes share
_met: Processes | None = None  # they meet once, and share one stage after the other


def processes() -> Processes:
    """The team of this process; `ALONE` outside a stage that several processes share."""
    team = current_team()
    return team if isinstance(team, Processes) else ALONE


def local_rank() -> int:
    """Number of this process among those of its machine; 0 for one that was started alone."""
    return int(os.environ.get("LOCAL_RANK", "0")) if launched_together() is not None else 0


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
        end_although_stuck()
        atexit.register(leave)
    team, _inside = _met, True
    set_team(team)
    try:
        yield team
    except BaseException as error:
        atexit.unregister(leave)
        if isinstance(error, RuntimeError) and is_loss(error):
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
    missing = next((name for name in NEEDED if name not in os.environ), None)
    launch = launched_together()
    if missing is not None and launch is not None:
        raise InUseError(
            f"{launch.processes} processes were started together, but not by torchrun or accelerate launch "
            f"({missing} is not set): start one of these on each machine (docs/many-gpus.md)"
        )
    import torch
    import torch.distributed as dist

    from reidr.training.common.parallel import refuse_sharding

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
    """Part from the others at the end of a job that all of them have finished."""
    import torch.distributed as dist

    if _met is not None and dist.is_initialized():
        _met.wait()
        dist.destroy_process_group()


def is_loss(error: RuntimeError) -> bool:
    """Whether an error says that another process cannot be reached."""
    import torch.distributed as dist

    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in LOST)
