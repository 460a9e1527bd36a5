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
