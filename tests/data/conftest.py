"""Small trees in the published layouts, made in a temporary folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from PIL import Image

Tree = Callable[[Path, Iterable[str]], Path]
REAL = Path(os.environ.get("REIDR_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


@pytest.fixture(scope="session")
def empty_tree() -> Tree:
    """Make empty files: loading opens none, so a loader that reads pixels fails on them."""

    def make(root: Path, paths: Iterable[str]) -> Path:
        place, made = os.fspath(root), set()
        for name in paths:
            folder = name.rpartition("/")[0]
            if folder not in made:
                (root / folder).mkdir(parents=True, exist_ok=True)
                made.add(folder)
            os.close(os.open(f"{place}/{name}", os.O_CREAT | os.O_WRONLY, 0o644))
        return root

    return make


@pytest.fixture
def picture_tree() -> Tree:
    """Make small JPEG or PNG pictures, each of its own colour, so that no two files are equal."""

    def make(root: Path, paths: Iterable[str]) -> Path:
        for number, name in enumerate(paths):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = Image.new("RGB", (16, 32), (number * 7 % 256, number * 31 % 256, 90))
            # A JPEG of few pixels may round two colours to the same bytes; a comment makes each file its own.
            picture.save(path, comment=f"picture {number} {name}".encode()) if path.suffix == ".jpg" else picture.save(
                path
            )
        return root

    return make


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of research photos, or a skip with the reason."""
    if not (REAL / "market1501").is_dir():
        pytest.skip(f"no research photos at {REAL} (set REIDR_DATA)")
    return REAL
