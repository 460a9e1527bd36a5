"""A real PostgreSQL server for the tests marked `whole`, where pip has brought one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from store_servers import running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server that is there for this test session alone."""
    with running_postgres() as address:
        yield address
