"""One gallery of drawn people for the tests that only read it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gallery_of_people import gallery

from reidr.service.store.store import GalleryStore


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GalleryStore]:
    found = gallery(tmp_path_factory.mktemp("gallery"), attributes=True)
    yield found
    found.close()
