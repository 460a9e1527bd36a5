"""MATLAB files of data sets, read in a process of their own.

SciPy's reader is not hardened, and some damaged files end the whole interpreter (scipy/scipy#25349), which no `except`
can turn into a sentence.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reidr.errors import DataError

SECONDS = 120  # an official file takes one; a crafted one may unpack without end


def read_in_own_process(module: str, path: Path, problem: Callable[[str], DataError]) -> Any:
    """The JSON that `python -m module path` prints. Raises `problem(why)` where that process fails."""
    # The child finds this package and SciPy wherever the parent did, installed or not.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    command = [sys.executable, "-P", "-m", module, os.fspath(path.resolve())]
    try:
        child = subprocess.run(  # noqa: S603 - our own module, no shell, the path is one argument
            command, env=environment, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise problem(f"not read after {SECONDS} seconds") from None
    if child.returncode != 0:
        said = child.stderr.decode("utf-8", "replace").strip().splitlines()
        ended_by_signal = child.returncode < 0
        raise problem("damaged" if ended_by_signal or not said else said[-1][:200])
    return json.loads(child.stdout)
