"""VC-Clothes: rendered people, 4 cameras; the same clothes in cameras 2 and 3, other clothes in 3 and 4.

ROOT/{train,query,gallery}/0001-01-01-00.jpg     person-camera-outfit-index
"""

from __future__ import annotations

import re
from pathlib import Path

from reidr.data.reading.named_folders import NamedFolders, load_named_folders, names_fit
from reidr.data.types import ReIDDataset

FOLDERS = {"train": "train", "query": "query", "gallery": "gallery"}
NAME = re.compile(r"(?P<person>\d+)-(?P<camera>\d+)-(?P<outfit>\d+)-\d+\.", re.ASCII)
EXAMPLE = "PERSON-CAMERA-OUTFIT-INDEX (0001-01-01-00.jpg)"
TREE = "  train, query, gallery / 0001-01-01-00.jpg                (VC-Clothes)"
LAYOUT = NamedFolders("vc-clothes", FOLDERS, NAME, EXAMPLE)


def fits_vc_clothes(root: Path) -> bool:
    """Whether one of the folders holds pictures named as VC-Clothes'."""
    return names_fit(root, LAYOUT)


def load_vc_clothes(root: Path, name: str | None = None) -> ReIDDataset:
    """Read VC-Clothes; no picture is opened. Raises DataError when no name parses."""
    return load_named_folders(root, LAYOUT, name)
