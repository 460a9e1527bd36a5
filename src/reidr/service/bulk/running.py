"""Tasks done by this process, or by workers of Ray: on this machine, or on a cluster by its address."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from reidr.errors import MissingExtraError, ReIDError
from reidr.service.bulk.tasks import Task, Work

Result = tuple[str, bytes]
"""The id of a task and its result."""
LOCAL = "local"
MEMORY = 512 * 2**20  # bytes of Ray's object store on this machine; only names and vectors pass through it


def run_tasks(
    tasks: Iterable[Task], make: Callable[[], Work], *, workers: int, cluster: str | None = None
) -> Iterator[Result]:
    """Do tasks, in no order; yields each result as it comes.

    Args:
        make: makes what does them; it must be picklable: it is called once in each worker.
        workers: processes of one core each; 0: this process does all.
        cluster: address of a Ray cluster ("ray://host:10001", or "auto" for the one that this machine belongs to);
            None: workers on this machine. Files and galleries must have the same paths on all its machines.

    Raises MissingExtraError without Ray, ReIDError where the cluster cannot be reached or a worker fails.
    """
    todo = list(tasks)
    if not todo:
        return
    if workers == 0:
        work = make()
        for task in todo:
            yield task.id, work(task)
        return
    yield from on_ray(todo, make, workers, cluster)


def on_ray(tasks: list[Task], make: Callable[[], Work], workers: int, cluster: str | None) -> Iterator[Result]:
    """As `run_tasks`, by Ray Data: one actor a worker, results streamed back; a worker that dies is made anew."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would tell its makers
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what matters is raised
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtraError("several workers need Ray; install with: pip install 'reidr[cluster]'") from None
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    started = connect(ray, workers, cluster)
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        rows = [{"task": task.id, "gallery": task.gallery, "names": list(task.names)} for task in tasks]
        source = ray.data.from_items(rows, override_num_blocks=len(rows))
        worker: Any = Worker  # Ray makes it once in each actor
        done = source.map(
            worker, fn_constructor_args=(make,), compute=ray.data.ActorPoolStrategy(size=workers), num_cpus=1
        )
        for row in done.iter_rows():
            yield row["task"], row["result"]
    except ray.exceptions.RayError as error:
        lines = [line for line in str(error).strip().splitlines() if line.strip()]
        raise ReIDError(f"a worker failed ({lines[-1].strip() if lines else type(error).__name__})") from error
    finally:
        if started:
            ray.shutdown()


def connect(ray: Any, workers: int, cluster: str | None) -> bool:
    """Connect to Ray, or start it on this machine; returns whether that was done here and must be ended here."""
    if ray.is_initialized():
        return False
    if cluster is not None and cluster != "auto":
        check_reached(cluster)
    quiet = {"log_to_driver": False, "logging_level": "error", "include_dashboard": False}
    try:
        if cluster is None:
            ray.init(num_cpus=workers + 1, object_store_memory=MEMORY, **quiet)
        else:
            ray.init(address=cluster, log_to_driver=False, logging_level="error")
    except (ConnectionError, ValueError, OSError, RuntimeError) as error:
        where = "on this machine" if cluster is None else f"at {cluster}"
        raise ReIDError(f"Ray cannot be used {where} ({str(error).strip().splitlines()[0]})") from error
    return True


def check_reached(cluster: str) -> None:
    """Raise ReIDError where nobody answers at a cluster's address: Ray itself would try for minutes."""
    parts = urlsplit(cluster if "://" in cluster else f"ray://{cluster}")
    try:
        socket.create_connection((parts.hostname or "", parts.port or 10001), timeout=10).close()
    except (OSError, ValueError) as error:
        raise ReIDError(f"Ray cannot be used at {cluster} ({error}); give ray://host:10001, or auto") from None


class Worker:
    """What runs in a worker of Ray: one core, models loaded once."""

    def __init__(self, make: Callable[[], Work]) -> None:
        import torch

        torch.set_num_threads(1)
        self._work = make()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """The result of one task."""
        task = Task(row["task"], row["gallery"], tuple(row["names"]))
        return {"task": task.id, "result": self._work(task)}
