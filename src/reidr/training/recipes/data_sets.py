"""Data sets that recipes name: where they are on this machine, and where to ask for those that are not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from reidr.data.load import load_dataset
from reidr.data.reading.lists import read_lines
from reidr.data.types import ReIDDataset
from reidr.errors import DataError
from reidr.training.common.left_out import say_left_out

VARIABLE = "REIDR_DATA"
"""Environment variable: the folder that holds the data sets, one folder each."""

SOURCES = {
    "market1501": "Market-1501 (Zheng et al. 2015): ask the authors, https://zheng-lab.cecs.anu.edu.au/Project/"
    "project_reid.html",
    "msmt17": "MSMT17 (Wei et al. 2018): ask the authors, https://www.pkuvmc.com/dataset.html",
    "prcc": "PRCC (Yang et al. 2019): ask the authors, https://www.isee-ai.cn/~yangqize/clothing.html",
    "cuhk03": "CUHK03 (Li et al. 2014): ask CUHK, https://www.ee.cuhk.edu.hk/~xgwang/CUHK_identification.html; "
    "new protocol: https://github.com/zhunzhong07/person-re-ranking",
    "cuhk03-np-train": "CUHK03 (Li et al. 2014): ask CUHK, "
    "https://www.ee.cuhk.edu.hk/~xgwang/CUHK_identification.html; new protocol: https://github.com/zhunzhong07/person-re-ranking",
    "peta": "PETA (Deng et al. 2014): ask the authors, http://mmlab.ie.cuhk.edu.hk/projects/PETA.html",
}
"""Data sets of the shipped recipes, all for research only, and where to ask for them."""


VALIDATION_LIST = "list_val.txt"
"""MSMT17's list of images that some works train on and others do not; its persons are training persons."""
NAMED = re.compile(r"([A-Za-z0-9][\w.-]*)=(.+)", re.DOTALL)


def data_name(entry: str) -> str:
    """What a data set is called that a recipe or an option names as `NAME`, `PATH` or `NAME=PATH`."""
    named = None if Path(entry).exists() else NAMED.fullmatch(entry)
    return Path(entry).name if named is None else named[1]


def recorded_name(entry: str) -> str:
    """What a model says that it was trained on: of `NAME=PATH` the name, else the entry."""
    return entry if data_path(entry) == Path(entry) else data_name(entry)


def data_path(entry: str) -> Path:
    """The folder or manifest of a data set named in a recipe: a path that exists, a name within `$REIDR_DATA`, or
    `NAME=PATH`, which also gives the data set its name.

    Returns the first that exists; where none does, the path that was expected, for the message.
    """
    path = Path(entry)
    if path.exists():
        return path
    named = NAMED.fullmatch(entry)
    if named is not None:
        return Path(named[2]).expanduser()
    root = os.environ.get(VARIABLE)
    return path if root is None else Path(root) / entry


def check_data(names: Iterable[str], source: str) -> None:
    """Raise DataError for the first data set that is missing: its path, the recipe section, and what to do."""
    for name in names:
        path = data_path(name)
        if not path.exists():
            raise DataError(f"{path}: no such folder or manifest; {source} {_what_to_do(data_name(name))}")


def load_named(entry: str) -> ReIDDataset:
    """The data set of an entry `NAME`, `PATH` or `NAME=PATH`. Raises DataError as `load_dataset`."""
    path = data_path(entry)
    return load_dataset(path, None if str(path) == entry or path.name == entry else data_name(entry))


def load_training_data(names: Iterable[str], source: str) -> list[ReIDDataset]:
    """Load the data sets that a recipe section names, and print what was left out of them.

    Raises DataError as `check_data` and `load_dataset`.
    """
    names = list(names)
    check_data(names, source)
    datasets = [load_named(name) for name in names]
    say_left_out(datasets)
    return datasets


def without_validation_list(dataset: ReIDDataset) -> ReIDDataset:
    """MSMT17 without the images of its `list_val.txt`: 30,248 training images of 32,621; others as they are."""
    path = None if dataset.root is None or dataset.kind != "msmt17" else dataset.root / VALIDATION_LIST
    if path is None or not path.is_file():
        return dataset
    listed = {line.replace("\t", " ").strip().rpartition(" ")[0].strip() for line in read_lines(path)}
    kept = tuple(crop for crop in dataset.train if crop.id.partition("/")[2] not in listed)
    return replace(dataset, train=kept)


def training_images(datasets: Sequence[ReIDDataset]) -> dict[str, int]:
    """Labelled training images of each data set, by its name."""
    return {each.name: sum(crop.person is not None for crop in each.train) for each in datasets}


def _what_to_do(name: str) -> str:
    where = SOURCES.get(name)
    asked = f" ({where})" if where else ""
    return (
        f"names it as training data{asked}. Set the environment variable {VARIABLE} to the "
        "folder that holds it, or name another data set with --data or in a recipe of your own"
    )
