"""A checkpoint that was killed in the making is passed over for the last whole one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from reidr.errors import ReIDError
from reidr.training.common.checkpoint import Checkpoint
from reidr.training.grpo.checkpoints import last_whole_checkpoint


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


def checkpoint_in(path: Path) -> Checkpoint:
    network = torch.nn.Linear(3, 3)
    return Checkpoint(path, {"network": network, "optimiser": torch.optim.SGD(network.parameters(), 0.1)}, "epoch")


def test_a_save_that_fails_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.pt"
    checkpoint_in(path).save(1)

    def cut_off(state: object, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", cut_off)
    with pytest.raises(ReIDError, match=r"checkpoint\.pt: cannot be written \(No space left on device\); make room"):
        checkpoint_in(path).save(2)
    assert checkpoint_in(path).load() == 1
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint.pt"]
