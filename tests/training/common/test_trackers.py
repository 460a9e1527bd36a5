"""Curves are reported where the recipe says, through accelerate's trackers; what is not installed is one sentence."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from reidr.errors import MissingExtraError
from reidr.training.common.log import TrainingLog
from reidr.training.common.trackers import Tracker, check_report_to

SETTINGS = {"steps": 3, "rewards": {"cues": 0.5}, "model": "here", "objectives": ["answer"]}


class Run:
    """What the fake packages record."""

    def __init__(self) -> None:
        self.started: dict[str, Any] = {}
        self.settings: dict[str, Any] = {}
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.finished = False


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Fakes of the packages, with the parts of their interfaces that accelerate calls."""
    recorded = Run()

    class Writer:
        def __init__(self, folder: str) -> None:
            recorded.started = {"folder": folder}

        def add_hparams(self, values: dict[str, Any], metric_dict: dict[str, Any]) -> None:
            recorded.settings = values

        def add_scalar(self, name: str, value: float, global_step: int) -> None:
            if not recorded.logged or recorded.logged[-1][0] != global_step:
                recorded.logged.append((global_step, {}))
            recorded.logged[-1][1][name] = value

        def flush(self) -> None: ...

        def close(self) -> None:
            recorded.finished = True

    class Remote:
        def log(self, values: dict[str, float], step: int) -> None:
            recorded.logged.append((step, values))

        def finish(self) -> None:
            recorded.finished = True

    class Config:
        def update(self, values: dict[str, Any], allow_val_change: bool) -> None:
            recorded.settings = values

    def init(**options: Any) -> Remote:
        recorded.started = options
        return Remote()

    for name in ("tensorboardX", "wandb", "trackio"):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        vars(module).update(SummaryWriter=Writer, init=init, config=Config())
        monkeypatch.setitem(sys.modules, name, module)
    return recorded


@pytest.mark.parametrize("report_to", ["tensorboard", "wandb", "trackio"])
def test_every_number_of_the_log_is_reported(report_to: Any, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "seed-1" / "rl"
    folder.mkdir(parents=True)
    tracker = Tracker(report_to, folder, SETTINGS)
    log = TrainingLog(folder / "log.jsonl", tracker=tracker)
    log.append({"step": 1, "loss": 0.5, "note": "text", "reward_rank": None}, {"step": 2, "kl": float("nan"), "n": 4})
    tracker.finish()
    assert run.logged[0] == (1, {"loss": 0.5})
    assert run.logged[1] == (2, {"n": 4.0})
    assert run.settings == {"steps": 3, "rewards.cues": 0.5, "model": "here", "objectives": "['answer']"}
    assert run.finished
    expected = {"folder": str(folder / "tensorboard")}
    assert run.started == (expected if report_to == "tensorboard" else {"project": "reidr", "name": "seed-1/rl"})
    assert len(log.read()) == 2


@pytest.mark.parametrize("report_to", ["tensorboard", "wandb", "trackio"])
def test_what_is_not_installed_is_one_sentence(report_to: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("reidr.training.common.trackers.find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=rf"^report_to: {report_to} needs the package {report_to}, .*pip install"
    ):
        check_report_to(report_to)


def test_none_reports_to_nobody(tmp_path: Path) -> None:
    tracker = Tracker("none", tmp_path, SETTINGS)
    tracker.log({"step": 1, "loss": 1.0}, "step")
    tracker.finish()
    assert list(tmp_path.iterdir()) == []
