"""A checkpoint that was killed in the making is passed over for the last whole one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from reidr.errors import ReIDError, WeightsError
from reidr.training.common.checkpoint import Checkpoint
from reidr.training.grpo.checkpoints import last_whole_checkpoint


def checkpoint(folder: Path, name: str, state: str | None) -> None:
    (folder / name).mkdir(parents=True)
    save_file({"weight": torch.ones(100)}, folder / name / "adapter_model.safetensors")
    torch.save({"state": torch.ones(10)}, folder / name / "optimizer.pt")
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


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "optimizer.pt"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_of_the_trainers_checkpoints_a_truncated_one_is_passed_over(tmp_path: Path, name: str, share: float) -> None:
    for step in (4, 8):
        checkpoint(tmp_path, f"checkpoint-{step}", json.dumps({"global_step": step}))
    assert last_whole_checkpoint(tmp_path) == (tmp_path / "checkpoint-8", 8)
    truncate(tmp_path / "checkpoint-8" / name, share)
    assert last_whole_checkpoint(tmp_path) == (tmp_path / "checkpoint-4", 4)
    truncate(tmp_path / "checkpoint-4" / name, share)
    assert last_whole_checkpoint(tmp_path) == (None, 0)


def truncate(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_checkpoint_falls_back_to_the_one_before(tmp_path: Path, share: float) -> None:
    path = tmp_path / "checkpoint.pt"
    saved = {}
    for epoch in (1, 2, 3):
        kept = checkpoint_in(path)
        with torch.no_grad():
            for weights in kept.parts["network"].parameters():  # type: ignore[attr-defined]
                weights.fill_(epoch)
        kept.save(epoch)
        saved[epoch] = path.read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["checkpoint.before.pt", "checkpoint.pt"]
    assert checkpoint_in(path).load() == 3
    truncate(path, share)
    again = checkpoint_in(path)
    assert again.load() == 2
    assert {float(value) for value in again.parts["network"].state_dict()["weight"].flatten()} == {2.0}
    # Going on, the damaged one is replaced and never becomes the version before.
    again.save(3)
    assert checkpoint_in(path).load() == 3
    truncate(path, share)
    assert checkpoint_in(path).load() == 2
    path.unlink()
    assert checkpoint_in(path).load() == 2
    truncate(tmp_path / "checkpoint.before.pt", share)
    path.write_bytes(b"half")
    with pytest.raises(WeightsError, match="is damaged, and no whole one is before it; remove it to begin anew"):
        checkpoint_in(path).load()


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
