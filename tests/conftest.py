"""What all tests share: quiet threads, no network, a cache of their own, the research photos, servers in threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture
def start() -> Iterator[Callable[[Any], Any]]:
    """Starts servers in threads of their own, and ends them after the test."""
    running = []

    def run(server: Any) -> Any:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        running.append((server, thread))
        return server

    yield run
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()
