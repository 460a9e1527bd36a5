"""`load_dataset`: find out what a path holds and read it."""

from __future__ import annotations

from pathlib import Path

from reidr.core.text import some_of
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
from reidr.data.layouts.cuhk03 import load_cuhk03, load_cuhk03_mat
from reidr.data.layouts.ltcc import load_ltcc
from reidr.data.layouts.manifest import load_manifest
from reidr.data.layouts.market1501 import load_market1501
from reidr.data.layouts.mars import load_mars
from reidr.data.layouts.msmt17 import load_msmt17
from reidr.data.layouts.occluded import load_occluded
from reidr.data.layouts.person_folders import load_person_folders, load_split_person_folders
from reidr.data.layouts.peta import load_peta
from reidr.data.layouts.prcc import load_prcc
from reidr.data.layouts.vc_clothes import load_vc_clothes
from reidr.data.layouts.veri776 import load_veri776
from reidr.data.reading.listing import sub_folders
from reidr.data.reading.lists import refuse_missing
from reidr.data.types import ReIDDataset
from reidr.errors import DataError

MANIFESTS = ("manifest.jsonl", "manifest.csv")
# The Market-1501 layout comes last: its folder `query` is also part of other layouts.
LAYOUTS = (
    (occluded.fits_occluded, load_occluded),
    (cuhk03.fits_cuhk03, load_cuhk03),
    (msmt17.fits_msmt17, load_msmt17),
    (prcc.fits_prcc, load_prcc),
    (ltcc.fits_ltcc, load_ltcc),
    (vc_clothes.fits_vc_clothes, load_vc_clothes),
    (veri776.fits_veri776, load_veri776),
    (mars.fits_mars, load_mars),
    (peta.fits_peta, load_peta),
    (person_folders.fits_split_person_folders, load_split_person_folders),
    (market1501.fits_market1501, load_market1501),
)
EXPECTED_TREES = "\n".join(
    (
        market1501.TREE,
        cuhk03.TREE,
        msmt17.TREE,
        prcc.TREE,
        ltcc.TREE,
        vc_clothes.TREE,
        occluded.TREE,
        veri776.TREE,
        mars.TREE,
        peta.TREE,
        person_folders.TREE,
        "  manifest.csv or manifest.jsonl: image, person, camera, split (docs/datasets.md)",
    )
)


def load_dataset(
    path: str | Path, name: str | None = None, *, root: str | Path | None = None, allow_missing: bool = False
) -> ReIDDataset:
    """Read the data set at `path`: a manifest, a CUHK03-NP .mat split file, or a folder in a published layout.

    A folder may hold the layout itself or one folder that does (`MSMT17/MSMT17_V1/…`). `name` replaces the name that
    stands in tables and files. No picture is opened; the notes say which layout was found and what was left out.

    Args:
        root: for a manifest, the folder that all its pictures lie in, where that is not its own (`load_manifest`).
        allow_missing: read the data set also where half of the pictures that a list or manifest names for a split, or
            more, are not there.

    Raises DataError with the expected trees when nothing fits or when several folders do, for half a data set, and for
    a `root` that nothing asks for.
    """
    try:
        dataset = load_path(Path(path), name, None if root is None else Path(root))
    except OSError as error:
        raise DataError(
            f"{error.filename or path}: cannot be read ({error.strerror}); check the path and its rights"
        ) from None
    if not allow_missing:
        refuse_missing(str(path), dataset.notes)
    return dataset


def load_path(path: Path, name: str | None, root: Path | None = None) -> ReIDDataset:
    """`load_dataset`, with errors of the file system as they come, and half a data set too."""
    if path.is_file():
        if path.suffix.lower() in (".csv", ".jsonl"):
            return load_manifest(path, name, root=root)
        check_no_root(path, root)
        if path.suffix.lower() == ".mat":
            return load_cuhk03_mat(path, name)
        raise DataError(f"{path}: not a data set; give a folder, a manifest (.csv or .jsonl) or a CUHK03-NP .mat file")
    if not path.is_dir():
        raise DataError(f"{path}: no such folder or manifest")
    found = load_folder(path, name, root)
    if found is not None:
        return found
    below = sub_folders(path)
    fitting = [folder for folder in below if fits_any(folder)]
    if len(fitting) > 1:
        raise DataError(f"{path}: holds several data sets, name one: {', '.join(str(folder) for folder in fitting)}")
    if fitting:
        found = load_folder(fitting[0], name, root)
        if found is not None:
            return found
    if person_folders.fits_person_folders(path):
        # Last of all: any folder of folders of pictures looks like it.
        check_no_root(path, root)
        return load_person_folders(path, name)
    holds = some_of(sorted(entry.name for entry in path.iterdir()), 5) or "nothing"
    raise DataError(f"{path}: no known layout (it holds {holds}); expected one of\n{EXPECTED_TREES}")


def check_no_root(path: Path, root: Path | None) -> None:
    """Raise DataError where a root is named for what is no manifest: pictures of a layout lie where it says."""
    if root is not None:
        raise DataError(f"{path}: a root is for manifests alone; this is none")


def fits_any(folder: Path) -> bool:
    """Whether `folder` holds a manifest or a published layout."""
    return any((folder / manifest).is_file() for manifest in MANIFESTS) or any(fits(folder) for fits, _ in LAYOUTS)


def load_folder(folder: Path, name: str | None, root: Path | None = None) -> ReIDDataset | None:
    """The data set in `folder` itself, None where no layout fits."""
    for manifest in MANIFESTS:
        if (folder / manifest).is_file():
            return load_manifest(folder / manifest, name, root=root)
    for fits, load in LAYOUTS:
        if fits(folder):
            check_no_root(folder, root)
            return load(folder, name)
    return None
