"""Several processes that share a training: which of them this is, and what they tell each other.

Everything asks `processes()`, which for a process that works alone answers as a team of one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from reidr.core.process.several import current_team, launched_together, set_team
from reidr.errors import OtherProcessError, RecipeError, ReIDError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup, Store

S = TypeVar("S")
T = TypeVar("T")

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
            except ReIDError as error:
                dist.broadcast_object_list([False, str(error)], src=0, group=self._group)
                raise
            finally:
                set_team(self)
        dist.broadcast_object_list(said, src=0, group=self._group)
        if not said[0]:
            raise OtherProcessError(said[1])
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

    def part(self) -> None:
        """Let go of the others; from here on this process can tell them nothing."""
        self._group = self._store = None

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


def processes() -> Processes:
    """The team of this process; `ALONE` outside a stage that several processes share."""
    team = current_team()
    return team if isinstance(team, Processes) else ALONE


def local_rank() -> int:
    """Number of this process among those of its machine; 0 for one that was started alone."""
    return int(os.environ.get("LOCAL_RANK", "0")) if launched_together() is not None else 0
