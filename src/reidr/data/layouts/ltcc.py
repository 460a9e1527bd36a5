"""LTCC: long-term clothes changing, 12 cameras.

ROOT/{train,query,test}/001_1_c5_015874.png      person, outfit of that person, camera, frame
ROOT/info/cloth-change_id_{train,test}.txt       not needed: outfits are in the names
"""

from __future__ import annotations

import re
from pathlib import Path

from reidr.data.reading.named_folders import NamedFolders, load_named_folders, names_fit
from reidr.data.types import ReIDDataset

FOLDERS = {"train": "train", "query": "query", "gallery": "test"}
NAME = re.compile(r"(?P<person>\d+)_(?P<outfit>\d+)_c(?P<camera>\d+)_\w+\.", re.ASCII)
EXAMPLE = "PERSON_OUTFIT_cCAMERA_FRAME (001_1_c5_015874.png)"
TREE = "  train, query, test / 001_1_c5_015874.png                 (LTCC)"
LAYOUT = NamedFolders("ltcc", FOLDERS, NAME, EXAMPLE)


def fits_ltcc(root: Path) -> bool:
    """Whether one of the folders holds pictures named as LTCC's."""
    return names_fit(root, LAYOUT)


def load_ltcc(root: Path, name: str | None = None) -> ReIDDataset:
    """Read LTCC; no picture is opened. Raises DataError when no name parses."""
    return load_named_folders(root, LAYOUT, name)
