"""Curves beside `log.jsonl`: TensorBoard, Weights & Biases or trackio, through accelerate's trackers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from reidr.errors import MissingExtraError

ReportTo = Literal["none", "tensorboard", "wandb", "trackio"]
REPORT_TO_HELP = (
    "where curves are reported beside log.jsonl: tensorboard (files in RUN/tensorboard), wandb or trackio (by their "
    "own settings), none"
)
PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",), "trackio": ("trackio",)}
PROJECT = "reidr"


def check_report_to(report_to: ReportTo) -> None:
    """Raise MissingExtraError where the package for it is not installed; to be called before anything is loaded."""
    packages = PACKAGES.get(report_to, ())
    if packages and not any(find_spec(name) is not None for name in packages):
        raise MissingExtraError(
            f"report_to: {report_to} needs the package {packages[0]}, which is not installed; "
            f"pip install {packages[0]}, or report to none (log.jsonl has every number)"
        )


class Tracker:
    """Reports the numbers of a run's log; nothing for `report_to` none."""

    def __init__(self, report_to: ReportTo, folder: Path, settings: Mapping[str, Any]) -> None:
        """Begin to report. `folder`: the run folder, whose name the run gets. `settings`: the recipe's.

        Raises MissingExtraError as `check_report_to`.
        """
        check_report_to(report_to)
        self._tracker: Any = None
        if report_to == "none":
            return
        from accelerate import PartialState
        from accelerate.tracking import TensorBoardTracker, TrackioTracker, WandBTracker

        if not PartialState().is_main_process:
            return
        name = "/".join(folder.resolve().parts[-2:])
        if report_to == "tensorboard":
            self._tracker = TensorBoardTracker("tensorboard", logging_dir=str(folder))
        else:
            kind = WandBTracker if report_to == "wandb" else TrackioTracker
            self._tracker = kind(PROJECT, name=name)
        self._tracker.start()
        self._tracker.store_init_configuration(plain(settings))

    def log(self, record: Mapping[str, Any], unit: str) -> None:
        """Report the numbers of one line of a log; its `unit` ("step" or "epoch") is the place on the axis."""
        if self._tracker is None:
            return
        numbers = {
            name: float(value)
            for name, value in record.items()
            if name != unit and isinstance(value, int | float) and math.isfinite(value)
        }
        self._tracker.log(numbers, step=int(record[unit]))

    def finish(self) -> None:
        """Write what is still waiting, and end the report."""
        if self._tracker is not None:
            self._tracker.finish()
            self._tracker = None


def plain(settings: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """Settings as trackers take them: numbers, truth values and texts, nested names joined by dots."""
    found: dict[str, str | int | float | bool] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": each for inner, each in plain(value).items()}
        elif isinstance(value, str | int | float | bool):
            found[name] = value
        else:
            found[name] = str(value)
    return found
