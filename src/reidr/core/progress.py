"""Progress bars: on a terminal a bar, in a log file one line now and then, in tests nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reidr.core.process.several import is_first
from reidr.core.process.signals import check_interrupted

Advance = Callable[[float], None]


@contextmanager
def progress(what: str, total: int) -> Iterator[Advance]:
    """A bar for `total` steps of `what`; yields `advance(n)`. Without a terminal: one line every 15 seconds.

    Of several processes that were started together the first shows it.
    """
    if not is_first():
        yield lambda steps: check_interrupted()
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(what, total=total)

            def advance_bar(steps: float) -> None:
                check_interrupted()
                bar.advance(task, steps)

            yield advance_bar
    else:
        started = said = time.monotonic()
        done = 0.0

        def advance(steps: float) -> None:
            nonlocal done, said
            check_interrupted()
            done += steps
            now = time.monotonic()
            if now - said >= 15:
                said = now
                print(f"{what}: {done:.0f}/{total} after {now - started:.0f} s", file=sys.stderr, flush=True)

        yield advance
        print(f"{what}: {done:.0f}/{total} in {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
