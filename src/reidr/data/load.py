"""`load_dataset`: find out what a path holds and read it."""

from __future__ import annotations

from pathlib import Path

from reidr.data import cuhk03, ltcc, market1501, msmt17, occluded, prcc, vc_clothes
from reidr.data.cuhk03 import load_cuhk03, load_cuhk03_mat
from reidr.data.listing import some_of, sub_folders
from reidr.data.ltcc import load_ltcc
from reidr.data.manifest import load_manifest
from reidr.data.market1501 import load_market1501
from reidr.data.msmt17 import load_msmt17
from reidr.data.occluded import load_occluded
from reidr.data.prcc import load_prcc
from reidr.data.types import ReIDDataset
from reidr.data.vc_clothes import load_vc_clothes
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
        "  manifest.csv or manifest.jsonl: image, person, camera, split (docs/datasets.md)",
    )
)


def load_dataset(path: str | Path, name: str | None = None) -> ReIDDataset:
    """Read the data set at `path`: a manifest, a CUHK03-NP .mat split file, or a folder in a published layout.

    A folder may hold the layout itself or one folder that does (`MSMT17/MSMT17_V1/…`). `name` replaces the name that
    stands in tables and files. No picture is opened; the notes say which layout was found.
    Raises DataError with the expected trees when nothing fits, or when several folders do.
    """
    try:
        return load_path(Path(path), name)
    except OSError as error:
        raise DataError(
            f"{error.filename or path}: cannot be read ({error.strerror}); check the path and its rights"
        ) from None


def load_path(path: Path, name: str | None) -> ReIDDataset:
    """`load_dataset`, with errors of the file system as they come."""
    if path.is_file():
        if path.suffix.lower() == ".mat":
            return load_cuhk03_mat(path, name)
        if path.suffix.lower() in (".csv", ".jsonl"):
            return load_manifest(path, name)
        raise DataError(f"{path}: not a data set; give a folder, a manifest (.csv or .jsonl) or a CUHK03-NP .mat file")
    if not path.is_dir():
        raise DataError(f"{path}: no such folder or manifest")
    found = load_folder(path, name)
    if found is not None:
        return found
    below = sub_folders(path)
    fitting = [folder for folder in below if fits_any(folder)]
    if len(fitting) > 1:
        raise DataError(f"{path}: holds several data sets, name one: {', '.join(str(folder) for folder in fitting)}")
    if fitting:
        found = load_folder(fitting[0], name)
        if found is not None:
            return found
    holds = some_of(sorted(entry.name for entry in path.iterdir()), 5) or "nothing"
    raise DataError(f"{path}: no known layout (it holds {holds}); expected one of\n{EXPECTED_TREES}")


def fits_any(folder: Path) -> bool:
    """Whether `folder` holds a manifest or a published layout."""
    return any((folder / manifest).is_file() for manifest in MANIFESTS) or any(fits(folder) for fits, _ in LAYOUTS)


def load_folder(folder: Path, name: str | None) -> ReIDDataset | None:
    """The data set in `folder` itself, None where no layout fits."""
    for manifest in MANIFESTS:
        if (folder / manifest).is_file():
            return load_manifest(folder / manifest, name)
    for fits, load in LAYOUTS:
        if fits(folder):
            return load(folder, name)
    return None
