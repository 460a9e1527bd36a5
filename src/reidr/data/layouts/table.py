"""The layouts that `load_dataset` knows, in the order in which they are tried. Add one here.

A layout from outside the package needs no entry: `--layout module:loader` names its loader.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reidr.core.extensions import is_dotted_path, load_object
from reidr.data.layouts import (
    cuhk03,
    ltcc,
    market1501,
    mars,
    msmt17,
    occluded,
    person_folders,
    peta,
    prcc,
    vc_clothes,
    veri776,
)
from reidr.data.types import ReIDDataset
from reidr.errors import DataError

Loader = Callable[[Path, str | None], ReIDDataset]
"""(path, name or None) → data set. It raises DataError where the path does not hold the layout."""


@dataclass(frozen=True)
class Layout:
    """One way in which data sets lie on disk.

    Attributes:
        name: for `--layout`.
        fits: whether a folder holds this layout, judged by a few names and without opening a picture.
        load: reads it.
        tree: how it looks, for the message that no layout fits.
    """

    name: str
    fits: Callable[[Path], bool]
    load: Loader
    tree: str


# The Market-1501 layout comes last: its folder `query` is also part of other layouts.
LAYOUTS: tuple[Layout, ...] = (
    Layout("occluded", occluded.fits_occluded, occluded.load_occluded, occluded.TREE),
    Layout("cuhk03-np", cuhk03.fits_cuhk03, cuhk03.load_cuhk03, cuhk03.TREE),
    Layout("msmt17", msmt17.fits_msmt17, msmt17.load_msmt17, msmt17.TREE),
    Layout("prcc", prcc.fits_prcc, prcc.load_prcc, prcc.TREE),
    Layout("ltcc", ltcc.fits_ltcc, ltcc.load_ltcc, ltcc.TREE),
    Layout("vc-clothes", vc_clothes.fits_vc_clothes, vc_clothes.load_vc_clothes, vc_clothes.TREE),
    Layout("veri776", veri776.fits_veri776, veri776.load_veri776, veri776.TREE),
    Layout("mars", mars.fits_mars, mars.load_mars, mars.TREE),
    Layout("peta", peta.fits_peta, peta.load_peta, peta.TREE),
    Layout(
        "split-person-folders",
        person_folders.fits_split_person_folders,
        person_folders.load_split_person_folders,
        person_folders.TREE,
    ),
    Layout("market1501", market1501.fits_market1501, market1501.load_market1501, market1501.TREE),
)
# Tried after the folders below a path too: any folder of folders of pictures looks like it.
PERSON_FOLDERS = Layout(
    "person-folders", person_folders.fits_person_folders, person_folders.load_person_folders, person_folders.TREE
)


def expected_trees() -> str:
    """How each layout looks, for messages."""
    manifest = "  manifest.csv or manifest.jsonl: image, person, camera, split (docs/datasets.md)"
    return "\n".join(dict.fromkeys([*(layout.tree for layout in LAYOUTS), manifest]))


def find_loader(name: str) -> Loader:
    """The loader of a layout by its name in this table, or the function that `module:loader` names.

    Raises DataError where there is none. What a loader from outside gives is checked to be a `ReIDDataset`.
    """
    known = {layout.name: layout.load for layout in (*LAYOUTS, PERSON_FOLDERS)}
    if name in known:
        return known[name]
    if not is_dotted_path(name):
        raise DataError(f"no layout {name!r}; there are: {', '.join(known)}, or one of your own as module:loader")
    loader: Any = load_object(name, "layout", DataError)
    if not callable(loader):
        raise DataError(f"layout {name}: it is no function of (path, name) that reads a data set")

    def load(path: Path, label: str | None) -> ReIDDataset:
        dataset = loader(path, label)
        if not isinstance(dataset, ReIDDataset):
            raise DataError(f"layout {name}: the loader gave a {type(dataset).__name__}, not a ReIDDataset")
        return dataset

    return load
