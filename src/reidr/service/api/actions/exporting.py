"""A case as one file for whoever asks: a page, a table, a document, or a folder of a data set packed."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from fastapi.responses import Response

from reidr.search.appearances.case import Case
from reidr.service.api.actions.searching import known_case
from reidr.service.api.service import Asking
from reidr.service.finding.exports.data_sets import write_data_set
from reidr.service.finding.exports.export import export_text, labelled
from reidr.service.store.records import StoredCrop

Form = Literal["html", "csv", "json", "coco", "fiftyone"]
MEDIA_TYPES: dict[Form, str] = {
    "html": "text/html; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "coco": "application/zip",
    "fiftyone": "application/zip",
}
CLOSED = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"
"""What an exported page may do where a browser shows it at once: nothing but show."""


def exported(ask: Asking, name: str, form: Form) -> Response:
    """The file, and a row of the audit log. Raises RequestError (404)."""
    case = known_case(ask, name)
    if form == "coco" or form == "fiftyone":
        content, suffix = packed(ask, case, form), f"{form}.zip"
    else:
        content, suffix = export_text(ask.store, ask.records, case.id, form).encode(), form
    ask.note("export", None, {"case": case.id, "form": form}, {"bytes": len(content)})
    headers = {
        "Content-Disposition": f'attachment; filename="{case.id}.{suffix}"',
        "Content-Security-Policy": CLOSED,
    }
    return Response(content, media_type=MEDIA_TYPES[form], headers=headers)


def packed(ask: Asking, case: Case, form: Literal["coco", "fiftyone"]) -> bytes:
    """A data set of the case as a ZIP file."""

    def nothing_stays(file: Path, crops: Sequence[StoredCrop]) -> None:
        """Files of a temporary folder need not be known to an erasure."""

    packing = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="reidr-export-") as place:
        folder = Path(place) / case.id
        write_data_set(form, labelled(ask.store, case), folder, f"case {case.id}", nothing_stays)
        with zipfile.ZipFile(packing, "w") as file:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    file.write(path, path.relative_to(folder.parent))
    return packing.getvalue()
