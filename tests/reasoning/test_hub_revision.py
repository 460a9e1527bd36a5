"""`owner/model@revision`: a checkpoint of the hub at a commit, from its cache or fetched; never another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reidr.errors import WeightsError
from reidr.reasoning.models.checkpoint import find_checkpoint

COMMIT = "cc594898137f460bfe9f0759e9844b3ce807cfb5"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path


def test_a_revision_in_the_cache_is_a_folder(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = hub / "models--owner--model" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda model, revision, allow_patterns: str(folder))
    assert find_checkpoint(f"owner/model@{COMMIT}") == (str(folder), True)
    assert find_checkpoint("owner/model") == ("owner/model", False)


def test_one_that_cannot_be_had_is_one_sentence(hub: Path) -> None:
    with pytest.raises(WeightsError, match=rf"^owner/model@{COMMIT}: cannot be fetched .*give its folder$"):
        find_checkpoint(f"owner/model@{COMMIT}")
    with pytest.raises(WeightsError, match="no such checkpoint folder or preset"):
        find_checkpoint("owner/model@")


def test_what_is_taught_names_hub_id_and_commit(
    hub: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_qwen2_5_vl: tuple[Any, Any]
) -> None:
    """Not the folder of this machine's cache: elsewhere the same base is fetched by its name."""
    from reidr.reasoning.lora.storage import read_lora
    from reidr.reasoning.models.checkpoint import save_checkpoint, save_taught
    from reidr.training.common.lora import add_lora

    model, processor = tiny_qwen2_5_vl
    folder = tmp_path / "snapshot"
    save_checkpoint(model, processor, folder)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda model, revision, allow_patterns: str(folder))
    taught = add_lora(model, 2, 4, 0)
    save_taught(taught, processor, f"owner/model@{COMMIT}", tmp_path / "taught")
    lora = read_lora(tmp_path / "taught")
    assert lora is not None
    assert (lora.base, lora.revision) == ("owner/model", COMMIT)
