"""Crops as data sets for other tools: COCO (Lin et al. 2014) and FiftyOne's image detection format, with pictures.

Both have a folder `data` and a file `labels.json`. Each picture is one crop with one person in it, whose box is the
whole picture; where it stood in its frame is an attribute.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from reidr.core.storage.files import make_folder, new_folder, write_bytes, write_json
from reidr.errors import DataError
from reidr.report.case.document import moment
from reidr.service.store.records import StoredCrop

Form = Literal["coco", "fiftyone"]
LABELS, PICTURES = "labels.json", "data"


@dataclass(frozen=True, eq=False)
class Labelled:
    """A crop, the picture of it that is written (None: the stored file as it is), and what else is known of it."""

    crop: StoredCrop
    picture: Image.Image | None
    more: dict[str, str | float | None]

    def attributes(self) -> dict[str, Any]:
        """What is known of the crop; nothing where something is unknown."""
        crop = self.crop
        known: dict[str, Any] = {
            "crop": crop.id,
            "track": crop.track,
            "camera": crop.camera,
            "recording": crop.recording,
            "frame": crop.frame,
            "time": moment(crop.time) or None,
            "frame_box": None if crop.box is None else list(crop.box),
            "quality": crop.quality,
            "person": crop.person,
            **self.more,
        }
        return {name: value for name, value in known.items() if value is not None}


Note = Callable[[Path, Sequence[StoredCrop]], None]
"""Is told of a file that is going to be written, and of the crops that it shows or names."""


def write_data_set(form: Form, crops: Iterator[Labelled], folder: Path, name: str, note: Note) -> int:
    """Write crops in one of the two forms; returns how many.

    Raises DataError where the folder holds anything already, ReIDError where it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: is there already; remove it, or choose another folder")
    written: list[tuple[str, tuple[int, int], dict[str, Any]]] = []
    named: list[StoredCrop] = []
    with new_folder(folder) as place:
        make_folder(place / PICTURES)
        for number, labelled in enumerate(crops, start=1):
            content, suffix, size = file_of(labelled)
            file = f"{number:06d}{suffix}"
            note(folder / PICTURES / file, [labelled.crop])
            write_bytes(place / PICTURES / file, content)
            named.append(labelled.crop)
            written.append((file, size, labelled.attributes()))
        note(folder / LABELS, named)
        write_json(place / LABELS, coco(written, name) if form == "coco" else fiftyone(written))
    return len(written)


def file_of(labelled: Labelled) -> tuple[bytes, str, tuple[int, int]]:
    """The bytes of a picture's file, its ending, and its (width, height)."""
    if labelled.picture is None:
        with Image.open(io.BytesIO(labelled.crop.picture)) as stored:
            return labelled.crop.picture, ".png" if stored.format == "PNG" else ".jpg", stored.size
    file = io.BytesIO()
    labelled.picture.save(file, "JPEG", quality=92)
    return file.getvalue(), ".jpg", labelled.picture.size


def coco(written: Sequence[tuple[str, tuple[int, int], dict[str, Any]]], name: str) -> dict[str, Any]:
    """The content of `labels.json` in COCO's detection form."""
    tracks: dict[str, int] = {}
    images, annotations = [], []
    for number, (file, (width, height), attributes) in enumerate(written, start=1):
        images.append({"id": number, "file_name": file, "width": width, "height": height})
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "bbox": [0, 0, width, height],
                "area": width * height,
                "iscrowd": 0,
                "track_id": tracks.setdefault(attributes["track"], len(tracks) + 1),
                "attributes": attributes,
            }
        )
    return {
        "info": {"description": name},
        "categories": [{"id": 1, "name": "person", "supercategory": "person"}],
        "images": images,
        "annotations": annotations,
    }


def fiftyone(written: Sequence[tuple[str, tuple[int, int], dict[str, Any]]]) -> dict[str, Any]:
    """The content of `labels.json` for `fiftyone.types.FiftyOneImageDetectionDataset`."""
    labels = {}
    for file, _, attributes in written:
        detection: dict[str, Any] = {"label": "person", "bounding_box": [0.0, 0.0, 1.0, 1.0]}
        if "p_same" in attributes:
            detection["confidence"] = attributes["p_same"]
        labels[Path(file).stem] = [{**detection, "attributes": attributes}]
    return {"classes": ["person"], "labels": labels}
