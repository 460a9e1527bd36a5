"""A warm-up objective and a reward that end one of several processes as `kill -9` would, once."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, ClassVar

KILLED_IN_STEP = 4


class Killer:
    """Counts steps; ends the second process in one of them, in the first start of a run."""

    def __init__(self) -> None:
        self.steps = 0

    def step(self) -> None:
        self.steps += 1
        mark = Path("killed")
        if self.steps == KILLED_IN_STEP and os.environ.get("RANK") == "1" and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


class Killing:
    """An objective that trains nothing."""

    kinds: ClassVar[frozenset[str]] = frozenset(("direct",))

    def __init__(self, recipe: Any, model: Any) -> None:
        self.killer = Killer()

    def __call__(self, forward: Any) -> None:
        self.killer.step()


KILLER = Killer()


def killing(completions: list[str], **_: Any) -> list[float]:
    """A reward for different texts."""
    KILLER.step()
    return [sum(map(ord, text)) % 7 / 7 for text in completions]
