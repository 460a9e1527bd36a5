"""A checkpoint that was killed in the making is passed over for the last whole one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from reidr.errors import ReIDError
from reidr.training.grpo.stage import last_whole_checkpoint
from reidr.training.retriever.train import TrainingState


def checkpoint(folder: Path, name: str, state: str | None) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "model.safetensors").write_bytes(b"half")
    if state is not None:
        (folder / name / "trainer_state.json").write_text(state)


def test_of_the_trainers_checkpoints_the_last_that_is_whole(tmp_path: Path) -> None:
    assert last_whole_checkpoint(tmp_path / "absent") == (None, 0)
    checkpoint(tmp_path, "checkpoint-9", json.dumps({"global_step": 9}))
    checkpoint(tmp_path, "checkpoint-10", json.dumps({"global_step": 10}))
    for number, state in enumerate((None, "", '{"global_step": 1', "[]", '{"global_step": 9}'), start=11):
        checkpoint(tmp_path, f"checkpoint-{number}", state)
    checkpoint(tmp_path, "checkpoint-x", json.dumps({"global_step": 99}))
    assert last_whole_checkpoint(tmp_path) == (tmp_path / "checkpoint-10", 10)


def state_in(path: Path) -> TrainingState:
    network = torch.nn.Linear(3, 3)
    return TrainingState(path, network, network, torch.optim.SGD(network.parameters(), 0.1), network)


def test_a_save_that_fails_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.pt"
    state_in(path).save(1, np.random.default_rng(0))

    def cut_off(state: object, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", cut_off)
    with pytest.raises(ReIDError, match=r"checkpoint\.pt: cannot be written \(No space left on device\); make room"):
        state_in(path).save(2, np.random.default_rng(0))
    assert state_in(path).load(np.random.default_rng(0)) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint.pt"]
