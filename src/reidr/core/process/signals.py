"""Ctrl-C and SIGTERM: what was worth keeping is kept, one line says the truth about it, the exit code names the signal.

The handlers are there before anything heavy is imported (`reidr.cli`), also in process 1 of a container, for which the
kernel has no default of its own.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from reidr.core.process.several import is_first, speaks_last

PROGRAMS = ("reidr", "reidr.exe", "reidr-script.py")
MODULE = ("cli", "main.py")
STUCK = 10.0  # seconds that a process has for ending by itself; launchers wait 30 before they kill
AGAIN = 0.05  # seconds after which a signal is sent again whose exception Python swallowed
IMPATIENT = 1.0  # seconds after which a second signal means: at once

_received: int | None = None
_when = 0.0
_kept: dict[str, str] = {}


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(name_of_signal(number))
        self.number = number


def is_command(argv: list[str]) -> bool:
    """Whether this process is the command `reidr`, not a program that imports the package."""
    program = Path(argv[0] if argv else "")
    if program.parts[-2:] == MODULE or program.name in PROGRAMS:
        return True
    # `python -m reidr.cli.main` says "-m" until the module itself runs.
    return program.name == "-m" and "reidr.cli.main" in sys.orig_argv


def end_at_once_when_told() -> None:
    """From now on a signal ends the command at once: nothing is begun yet that could be kept."""
    if is_command(sys.argv):
        listen(_end_at_once)


def interrupt_when_told() -> None:
    """From now on a signal raises `Interrupted` in the main thread; a second one, a second later, ends at once."""
    global _received
    _received = None
    _kept.clear()
    listen(_interrupt)
    _send_again_what_python_swallows()


def _send_again_what_python_swallows() -> None:
    """An exception that is raised in a callback (of a weak reference, say, while modules are imported) ends nowhere.

    Python would print its traceback and go on; here the same signal comes once more, a moment later.
    """
    before = sys.unraisablehook
    if getattr(before, "__name__", "") == _hear_of_lost.__name__:
        return

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if not _hear_of_lost(lost):
            before(lost)

    hook.__name__ = _hear_of_lost.__name__
    sys.unraisablehook = hook


def _hear_of_lost(lost: sys.UnraisableHookArgs) -> bool:
    global _received
    if not isinstance(lost.exc_value, Interrupted):
        return False
    _received = None
    again = threading.Timer(AGAIN, os.kill, (os.getpid(), lost.exc_value.number))
    again.daemon = True
    again.start()
    return True


def nothing_is_left_to_do() -> None:
    """The command has done its work: a signal from now on, while Python takes itself apart, is no failure."""
    with contextlib.suppress(OSError, ValueError):  # a reader that has gone; the streams are closed
        sys.stdout.flush()
        sys.stderr.flush()
        listen(_end_well)
    # Python puts its own handlers back to the default while it ends, but leaves ignored signals ignored: without this,
    # a signal that comes while libraries are unloaded would make a finished command a failed one.
    atexit.register(listen, signal.SIG_IGN)


def listen(handler: signal._HANDLER) -> None:
    """Set `handler` for the signals that end commands, except those whose ignoring was inherited (`nohup`, `&`)."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    if is_first():  # of several processes one speaks
        _last_word(f"reidr: stopped by {name_of_signal(number)} before anything was begun\n")
    os._exit(128 + number)


def _end_well(number: int, frame: FrameType | None) -> None:
    os._exit(0)


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _received, _when
    now = time.monotonic()
    if _received is None:
        _received, _when = number, now
        raise Interrupted(number)
    # Some terminals and launchers send it twice: only who waited means it.
    if now - _when > IMPATIENT:
        _last_word(f"reidr: stopped at once by a second {name_of_signal(number)}; what was being kept may be missing\n")
        os._exit(128 + number)


def _last_word(sentence: str) -> None:
    """Said without Python's buffers, which may be locked by what was interrupted."""
    with contextlib.suppress(OSError):
        os.write(2, sentence.encode())


def name_of_signal(number: int) -> str:
    """ "Ctrl-C", "SIGTERM" and the like."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


def was_interrupted() -> bool:
    """Whether a signal has come since `interrupt_when_told`."""
    return _received is not None


def check_interrupted() -> None:
    """Raises `Interrupted` where a signal has come whose exception got lost (Python swallows some, in callbacks)."""
    if _received is not None and time.monotonic() - _when > IMPATIENT:
        raise Interrupted(_received)


def note_kept(what: str, sentence: str) -> None:
    """Keep `sentence` for the last message: what is kept of `what`. A later one takes its place."""
    _kept[what] = sentence


def note_step(folder: Path, what: str, number: int) -> None:
    """Remember that a training in `folder` would go on after this step, epoch or pair."""
    if number:
        note_kept("training", f"{folder} up to {what} {number}")


def what_is_kept() -> str:
    """What a command that ends early leaves, and what to do next."""
    if not _kept:
        return "nothing was kept; run the same command again to begin anew"
    return f"kept: {'; '.join(_kept.values())}; run the same command again to go on from there"


def farewell(number: int | None = None) -> str:
    """The line that an interrupted command ends with."""
    return f"reidr: stopped by {name_of_signal(number or _received or signal.SIGINT)}; {what_is_kept()}"


def say_farewell() -> int:
    """Print the last line, in one of several processes; returns the exit code, 128 and the signal's number."""
    if speaks_last():
        with contextlib.suppress(OSError, ValueError):  # nobody reads, or the stream is closed
            print(farewell(), file=sys.stderr, flush=True)
    return 128 + (_received or signal.SIGINT)


def end_although_stuck(after: float = STUCK) -> None:
    """From now on a signal ends the process `after` seconds later, even where its exception cannot be raised.

    Python runs its handlers between two of its own instructions; a process that waits in a library for another process,
    which may be gone, gets to none. Its launcher would kill it without a word.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def watch() -> None:
        number = 0
        while number not in (signal.SIGINT, signal.SIGTERM):
            number = os.read(reading, 1)[0]
        time.sleep(after)
        if speaks_last():
            _last_word(farewell(number) + "\n")
        os._exit(128 + number)

    threading.Thread(target=watch, name="end although stuck", daemon=True).start()
