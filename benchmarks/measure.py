"""What the benchmarks share: every case runs in a process of its own and prints one JSON line with time and memory."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parent.parent / "src"


def main(script: str, cases: Iterable[str], run_case: Callable[[str], dict[str, Any]]) -> None:
    """Run all `cases`, or those named on the command line, each in a child process (`--child NAME`)."""
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(run_case(sys.argv[2])))
        return
    cases = list(cases)
    wanted = sys.argv[1:] or cases
    unknown = [name for name in wanted if name not in cases]
    if unknown:
        sys.exit(f"no case {unknown[0]!r}; there are: {', '.join(cases)}")
    for name in wanted:
        print(json.dumps({"case": name, **run_child(script, name), **machine()}), flush=True)


def run_child(script: str, name: str) -> dict[str, Any]:
    """The child's own facts and its peak resident memory, interpreter and input included."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as problems:
        command = [sys.executable, script, "--child", name]
        child = subprocess.Popen(command, stdout=output, stderr=problems, env=environment)
        # subprocess does not tell one child's memory, wait4 does.
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        problems.seek(0)
        if child.returncode:
            return {"failed": (problems.read().strip().splitlines() or [f"exit status {child.returncode}"])[-1]}
        # Linux counts in KiB, macOS in bytes.
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
        return {**json.loads(output.read().strip().splitlines()[-1]), "peak_gb": round(peak, 3)}


def best_time(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Least wall time in seconds of `repeats` runs, and the last answer."""
    times, answer = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        answer = work()
        times.append(time.perf_counter() - start)
    return min(times), answer


def machine() -> dict[str, Any]:
    """Where it ran: cores this process may use, BLAS threads if limited, versions."""
    import numpy as np

    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "blas_threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "load": round(os.getloadavg()[0], 1),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
