"""Data sets that recipes name: where they are on this machine, and where to ask for those that are not."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from reidr.data.load import load_dataset
from reidr.data.types import ReIDDataset
from reidr.errors import DataError
from reidr.training.common.left_out import say_left_out

VARIABLE = "REIDR_DATA"
"""Environment variable: the folder that holds the data sets, one folder each."""

SOURCES = {
    "market1501": "Market-1501 (Zheng et al. 2015): ask the authors, https://zheng-lab.cecs.anu.edu.au/Project/"
    "project_reid.html",
    "cuhk03-np-train": "CUHK03 (Li et al. 2014): ask CUHK, "
    "https://www.ee.cuhk.edu.hk/~xgwang/CUHK_identification.html; new protocol: https://github.com/zhunzhong07/person-re-ranking",
    "peta": "PETA (Deng et al. 2014): ask the authors, http://mmlab.ie.cuhk.edu.hk/projects/PETA.html",
}
"""Data sets of the shipped recipes, all for research only, and where to ask for them."""


def data_path(name: str) -> Path:
    """The folder or manifest of a data set named in a recipe: a path that exists, or a name within `$REIDR_DATA`.

    Returns the first that exists; where none does, the path that was expected, for the message.
    """
    path = Path(name)
    root = os.environ.get(VARIABLE)
    if path.exists() or root is None:
        return path
    return Path(root) / name


def check_data(names: Iterable[str], source: str) -> None:
    """Raise DataError for the first data set that is missing: its path, the recipe section, and what to do."""
    for name in names:
        path = data_path(name)
        if not path.exists():
            raise DataError(f"{path}: no such folder or manifest; {source} {_what_to_do(name)}")


def load_training_data(names: Iterable[str], source: str) -> list[ReIDDataset]:
    """Load the data sets that a recipe section names, and print what was left out of them.

    Raises DataError as `check_data` and `load_dataset`.
    """
    names = list(names)
    check_data(names, source)
    datasets = [load_dataset(data_path(name)) for name in names]
    say_left_out(datasets)
    return datasets


def _what_to_do(name: str) -> str:
    where = SOURCES.get(name)
    asked = f" ({where})" if where else ""
    return (
        f"names it as training data{asked}. Set the environment variable {VARIABLE} to the "
        "folder that holds it, or name another data set with --data or in a recipe of your own"
    )
