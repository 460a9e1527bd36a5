"""A service for tests that may change its gallery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Site, site


@pytest.fixture
def open_site(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path / "site") as found:
        yield found


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service for tests that change nothing."""
    with site(tmp_path_factory.mktemp("site")) as found:
        yield found
