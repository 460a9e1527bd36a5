"""Features and labels from `.npy`, `.npz` and `.mat` files, under the names that the field's code bases give them.

Nothing in a file is ever executed: pickled objects are refused, and MATLAB files are parsed by a process of its own.
"""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.core.checks import as_array
from reidr.data.reading.labels import read_label
from reidr.errors import DataError, MissingExtraError

ENDINGS = (".npy", ".npz", ".mat")
ALIASES: dict[str, tuple[str, ...]] = {
    "features": ("features", "feature", "feats", "feat", "f", "embeddings", "embedding"),
    "persons": ("ids", "id", "labels", "label", "pids", "pid", "persons", "person", "person_ids", "person_id"),
    "cameras": ("cameras", "camera", "cams", "cam", "camids", "camid", "camera_ids", "camera_id", "cam_ids", "cam_id"),
    "names": ("names", "name", "files", "file", "filenames", "paths", "path", "images", "img_paths", "image_paths"),
}
ROLES = {"query": ("query_", "q_", "q"), "gallery": ("gallery_", "test_", "g_", "g")}
HDF5 = b"\x89HDF\r\n\x1a\n"
SECONDS = 600
BY_NUMPY = "; save plain arrays from Python: numpy.savez('features.npz', features=features.cpu().numpy(), ids=ids)"
REMEDIES = dict.fromkeys((".pt", ".pth", ".pkl", ".pickle", ".h5", ".hdf5", ".csv", ".parquet"), BY_NUMPY)
# What NumPy, zip and zlib raise for damaged files.
UNREADABLE = (
    OSError, ValueError, TypeError, SyntaxError, EOFError, KeyError, OverflowError, MemoryError, RuntimeError,
    struct.error, zlib.error, zipfile.BadZipFile,
)  # fmt: skip
PICKLED = (
    "holds pickled objects, which can run code when they are read, so it is not opened; "
    "save plain arrays (text too: np.array(names) without dtype=object)"
)


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Rows of features and what the file says of them.

    Attributes:
        source: file and names, for sentences. features: (N, D) numbers as they are in the file.
        persons, cameras: (N,) labels as text, None where unknown; None: the file has none.
        names: (N,) of the pictures; None: the file has none.
    """

    source: str
    features: NDArray[Any]
    persons: tuple[str | None, ...] | None = None
    cameras: tuple[str | None, ...] | None = None
    names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.features)


def read_tables(path: Path, query_path: Path | None = None) -> tuple[FeatureTable, FeatureTable | None]:
    """(gallery, query) of a file of both, or of a file of each; query is None where there is none.

    Raises DataError naming the file, what is wrong in it, and the names that were looked for.
    """
    arrays = read_arrays(path)
    if query_path is not None:
        return table_of(arrays, path, ("gallery", "")), table_of(read_arrays(query_path), query_path, ("query", ""))
    if find(arrays, "query", "features", path) is not None:
        return table_of(arrays, path, ("gallery",)), table_of(arrays, path, ("query",))
    return table_of(arrays, path, ("", "gallery")), None


def table_of(arrays: Mapping[str, NDArray[Any]], path: Path, roles: tuple[str, ...]) -> FeatureTable:
    """The rows of the first of `roles` that the file has features of ("" stands for names without a role)."""
    for role in roles:
        features = find(arrays, role, "features", path)
        if features is None:
            continue
        source = f"{path}, {role}" if role else f"{path}"
        found = {what: find(arrays, role, what, path) for what in ("persons", "cameras", "names")}
        length = next((each.size for each in found.values() if each is not None), None)
        features = as_array(features, f"{source}: features")
        if features.ndim != 2:
            hint = ""
            if sum(length > 1 for length in features.shape) == 2:
                hint = "; take the axes of length 1 out of it (numpy.squeeze)"
            raise DataError(f"{source}: features must have the shape (crops, numbers), not {features.shape}{hint}")
        if length is not None and features.shape[0] != length == features.shape[1]:
            features = features.T  # code in MATLAB keeps one crop a column
        for what, each in found.items():
            if each is not None and each.size != len(features):
                raise DataError(f"{source}: {each.size:,} {what} for {len(features):,} features")
        persons, cameras, names = (
            None if each is None else labels_of(each, f"{source}: {what}") for what, each in found.items()
        )
        if names is not None and None in names:
            raise DataError(f"{source}: name {names.index(None)} is empty")
        return FeatureTable(source, features, persons, cameras, None if names is None else tuple(map(str, names)))
    wanted = " or ".join(f"`{role}_features`" if role else "`features`" for role in roles)
    there = ", ".join(sorted(arrays)[:12]) or "nothing"
    raise DataError(f"{path}: no {wanted}; it holds {there} (docs/evaluating.md lists the names that are understood)")


def find(arrays: Mapping[str, NDArray[Any]], role: str, what: str, path: Path) -> NDArray[Any] | None:
    """The array that stands for `what` of a role, None where there is none. Raises DataError where two differ."""
    plain = {name.lower().replace("-", "_"): name for name in arrays}
    before = ROLES[role] if role else ("",)
    wanted = [prefix + alias for prefix in before for alias in ALIASES[what]]
    found = list(dict.fromkeys(plain[name] for name in wanted if name in plain))
    for other in found[1:]:
        if not np.array_equal(arrays[found[0]], arrays[other]):
            raise DataError(f"{path}: `{found[0]}` and `{other}` both stand for {what} and differ; keep one of them")
    return arrays[found[0]] if found else None


def labels_of(array: NDArray[Any], source: str) -> tuple[str | None, ...]:
    """Labels as text by the one rule (`data.reading.labels`): "1", 1 and 1.0 are one; NaN, "nan", "" are unknown."""
    return tuple(one_label(label, place, source) for place, label in enumerate(array.ravel().tolist()))


def one_label(label: Any, place: int, source: str) -> str | None:
    """One label by the same rule. Raises DataError for fractions, truth values and objects."""
    if isinstance(label, bytes):
        label = label.decode("utf-8", "backslashreplace")
    if isinstance(label, float) and np.isfinite(label) and not label.is_integer():
        raise DataError(f"{source}: label {place} is {label!r}; labels are whole numbers or text")
    try:
        return read_label(label)
    except DataError as error:
        raise DataError(f"{source}: label {place} is {error}; labels are whole numbers or text") from None


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file by name; of a `.npy` its one array as "features". Raises DataError in one sentence."""
    if path.suffix.lower() not in ENDINGS:
        remedy = REMEDIES.get(path.suffix.lower(), "")
        raise DataError(f"{path}: features are read from {', '.join(ENDINGS)} files{remedy}")
    if not path.is_file():
        raise DataError(f"{path}: {'is no regular file' if path.exists() else 'no such file'}")
    if path.suffix.lower() == ".mat":
        return read_mat(path)
    try:
        return load_plain(path)
    except UNREADABLE as error:
        raise DataError(f"{path}: {what_is_wrong(path, error)}") from None


def what_is_wrong(path: Path, error: BaseException) -> str:
    """Why a NumPy file cannot be read: NumPy speaks of pickles wherever it does not know what it sees."""
    with path.open("rb") as file:
        head = file.read(6)
    if "Object arrays" in str(error) or head[:1] == b"\x80":
        return PICKLED
    why = str(error).partition("\n")[0] or type(error).__name__
    if head != b"\x93NUMPY" and not head.startswith(b"PK"):
        why = "it is empty" if not head else "it is a file of another kind"
    elif "max_header_size" in str(error):
        why = "its header is larger than that of any array"
    return f"cannot be read as {path.suffix} ({why}); save it again"


def load_plain(file: Path | io.BytesIO) -> dict[str, NDArray[Any]]:
    """What `numpy.load` finds, without pickles."""
    loaded = np.load(file, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return {"features": loaded}
    with loaded:
        if any(name.endswith("/data.pkl") for name in loaded.files):
            raise DataError(f"{file}: is a file of torch.save{REMEDIES['.pt']}")
        return {name: loaded[name] for name in loaded.files}


def read_mat(path: Path) -> dict[str, NDArray[Any]]:
    """A MATLAB file's arrays: version 5 by SciPy in a process of its own, 7.3 (HDF5) by h5py where it is installed."""
    with path.open("rb") as file:
        head = file.read(640)
    if head.startswith(b"MATLAB 7.3") or HDF5 in head:
        return read_hdf5(path)
    # SciPy's reader is not hardened: damaged files may end the whole interpreter (scipy/scipy#25349).
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    command = [sys.executable, "-P", "-m", "reidr.evaluation.features.mat_arrays", os.fspath(path.resolve())]
    try:
        child = subprocess.run(  # noqa: S603 - our own module, no shell, the path is one argument
            command, env=environment, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"{path}: not read after {SECONDS} seconds; save it as .npz") from None
    if child.returncode:
        said = child.stderr.decode("utf-8", "replace").strip().splitlines()
        why = said[-1][:200] if said and child.returncode > 0 else "damaged"
        raise DataError(f"{path}: cannot be read as a MATLAB file ({why}); save it again with save('-v7'), or as .npz")
    return load_plain(io.BytesIO(child.stdout))


def read_hdf5(path: Path) -> dict[str, NDArray[Any]]:
    """The numeric arrays of a MATLAB 7.3 file, turned as MATLAB shows them. Raises MissingExtraError without h5py."""
    try:
        import h5py
    except ImportError:
        raise MissingExtraError(
            f"{path}: is a MATLAB 7.3 (HDF5) file, which needs h5py (pip install h5py); or save it with save('-v7')"
        ) from None
    try:
        with h5py.File(path, "r") as file:
            numeric = {name: each for name, each in file.items() if getattr(each, "dtype", np.dtype("O")).kind in "iuf"}
            return {name: np.asarray(each).T for name, each in numeric.items()}
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a MATLAB 7.3 file ({error}); save it again") from None
