"""`load_dataset`: find out what a path holds and read it."""

from __future__ import annotations

from pathlib import Path

from reidr.core.text import some_of
from reidr.data.layouts.cuhk03 import load_cuhk03_mat
from reidr.data.layouts.table import LAYOUTS, PERSON_FOLDERS, expected_trees, find_loader
from reidr.data.manifest import load_manifest
from reidr.data.reading.listing import sub_folders
from reidr.data.reading.lists import refuse_missing
from reidr.data.types import ReIDDataset
from reidr.errors import DataError

MANIFESTS = ("manifest.jsonl", "manifest.csv")


def load_dataset(
    path: str | Path,
    name: str | None = None,
    *,
    layout: str | None = None,
    root: str | Path | None = None,
    allow_missing: bool = False,
) -> ReIDDataset:
    """Read the data set at `path`: a manifest, a CUHK03-NP .mat split file, or a folder in a published layout.

    A folder may hold the layout itself or one folder that does (`MSMT17/MSMT17_V1/…`). `name` replaces the name that
    stands in tables and files. No picture is opened; the notes say which layout was found and what was left out.

    Args:
        layout: read `path` by this layout instead of finding one: a name of `data/layouts/table.py`, or
            `module:loader`, a function of (path, name) from outside the package.
        root: for a manifest, the folder that all its pictures lie in, where that is not its own (`load_manifest`).
        allow_missing: read the data set also where half of the pictures that a list or manifest names for a split, or
            more, are not there.

    Raises DataError with the expected trees when nothing fits or when several folders do, for half a data set, for a
    layout that is not known, and for a `root` of what is no manifest.
    """
    try:
        if layout is None:
            dataset = load_path(Path(path), name, None if root is None else Path(root))
        else:
            dataset = load_by_layout(layout, Path(path), name, root)
    except OSError as error:
        raise DataError(
            f"{error.filename or path}: cannot be read ({error.strerror}); check the path and its rights"
        ) from None
    if not allow_missing:
        refuse_missing(str(path), dataset.notes)
    return dataset


def load_by_layout(layout: str, path: Path, name: str | None, root: str | Path | None) -> ReIDDataset:
    """Read `path` by a layout that is named. Raises DataError where the path is missing or does not hold it."""
    load = find_loader(layout)
    if root is not None:
        raise DataError(f"{path}: --root is for manifests alone; drop it, or drop --layout {layout}")
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    return load(path, name)


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
    if PERSON_FOLDERS.fits(path):
        check_no_root(path, root)
        return PERSON_FOLDERS.load(path, name)
    holds = some_of(sorted(entry.name for entry in path.iterdir()), 5) or "nothing"
    raise DataError(f"{path}: no known layout (it holds {holds}); expected one of\n{expected_trees()}")


def check_no_root(path: Path, root: Path | None) -> None:
    """Raise DataError where a root is named for what is no manifest: pictures of a layout lie where it says."""
    if root is not None:
        raise DataError(f"{path}: a root is for manifests alone; this is none")


def fits_any(folder: Path) -> bool:
    """Whether `folder` holds a manifest or a published layout."""
    return any((folder / manifest).is_file() for manifest in MANIFESTS) or any(
        layout.fits(folder) for layout in LAYOUTS
    )


def load_folder(folder: Path, name: str | None, root: Path | None = None) -> ReIDDataset | None:
    """The data set in `folder` itself, None where no layout fits."""
    for manifest in MANIFESTS:
        if (folder / manifest).is_file():
            return load_manifest(folder / manifest, name, root=root)
    for layout in LAYOUTS:
        if layout.fits(folder):
            check_no_root(folder, root)
            return layout.load(folder, name)
    return None
