"""What all tests share: quiet thread settings, no network, a cache of their own, and the way to the research photos."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache of embeddings."""
    monkeypatch.setenv("REIDR_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of research photos; tests that ask for it are skipped where it is absent."""
    folder = Path(os.environ.get("REIDR_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"research photos are not at {folder} (set REIDR_DATA)")
    return folder
