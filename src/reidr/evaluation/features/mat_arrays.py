"""`python -m reidr.evaluation.features.mat_arrays FILE`: a MATLAB file's arrays as an .npz on standard output.

A process of its own, because damaged files may raise anything or end the interpreter (see `feature_files`).
"""

from __future__ import annotations

import io
import sys
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray


def plain(value: NDArray[Any]) -> NDArray[Any] | None:
    """Numbers and text as they are, a cell array of text as a text array; None for anything else (structs)."""
    if value.dtype.kind == "O":
        cells = [cell.item() if isinstance(cell, np.ndarray) and cell.size == 1 else cell for cell in value.ravel()]
        if not all(isinstance(cell, str | int | float) for cell in cells):
            return None
        return np.array([str(cell) for cell in cells])
    return value if value.dtype.kind in "biufU" else None


def main(path: str) -> None:
    """Write what the file holds to standard output."""
    from scipy.io import loadmat

    whole = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    found = {name: plain(value.toarray() if hasattr(value, "toarray") else value) for name, value in whole.items()}
    file = io.BytesIO()
    # Not `np.savez`, which has no place for an array called "file".
    with zipfile.ZipFile(file, "w") as archive:
        for name, value in found.items():
            # What is no array is named, for the sentence that says what the file holds.
            called, array = (name, value) if value is not None else (f"{name} (a struct)", np.zeros(0))
            with archive.open(f"{called}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
    sys.stdout.buffer.write(file.getvalue())


if __name__ == "__main__":
    main(sys.argv[1])
