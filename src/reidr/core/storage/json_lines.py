"""JSON-lines files that grow while a job runs: appended to by one write, read without a last line that was cut off."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from reidr.core.storage.files import PRIVATE_FILE, allow, cannot_write, write_text
from reidr.errors import DataError


def append_json_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Add one line per record by a single write. A last line that an earlier writer left cut off is taken away first.

    Raises ReIDError where it cannot be written; then nothing was added. For one writer at a time (`Run` sees to it).
    """
    data = "".join(json.dumps(record) + "\n" for record in records).encode("utf-8")
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        try:
            if not os.fstat(handle).st_size:
                allow(path, PRIVATE_FILE)
            end = end_of_whole_lines(handle)
            if end != os.fstat(handle).st_size:
                os.ftruncate(handle, end)
            if os.write(handle, data) != len(data):
                os.ftruncate(handle, end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(handle)
    except OSError as error:
        raise cannot_write(path, error) from error


def end_of_whole_lines(handle: int, block: int = 65536) -> int:
    """The place in an open file after its last line break; 0 without any."""
    end = os.fstat(handle).st_size
    while end > 0:
        start = max(0, end - block)
        found = os.pread(handle, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file; none where it is not there. A last line without a line break was cut off and is left out.

    Raises DataError naming the first line that is no JSON object.
    """
    if not path.is_file():
        return []
    *lines, _ = path.read_bytes().split(b"\n")
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise DataError(f"{path}: line {number} is no JSON object; remove the line, or the file to start it anew")
        records.append(record)
    return records


def keep_json_lines(path: Path, keep: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Rewrite a file with the records that `keep` accepts, and return them. A file that needs no change is left alone.

    Raises DataError as `read_json_lines`, ReIDError where it cannot be written.
    """
    if not path.is_file():
        return []
    records = read_json_lines(path)
    kept = [record for record in records if keep(record)]
    text = "".join(json.dumps(record) + "\n" for record in kept)
    if text.encode("utf-8") != path.read_bytes():
        write_text(path, text)
    return kept
