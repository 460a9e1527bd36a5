"""Streets as data sets: written to a folder, or drawn in memory while training runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reidr.core.storage.files import make_folder, new_folder, write_text
from reidr.data.manifest import load_manifest
from reidr.data.synthetic.picture.crop import RenderedCrop
from reidr.data.synthetic.plan import FOLDERS, Sighting, plan_street
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError, RecipeError

DRAWING = 2
"""Raised by every change that alters a pixel or a fact: a folder drawn by another version is not taken for this one."""

Progress = Callable[[float], None]


def render_street(folder: Path, settings: StreetSettings, progress: Progress | None = None) -> ReIDDataset:
    """Render a street into `folder`, in the Market-1501 layout with a manifest of every crop's attributes, and load it.

    A folder that already holds this very street is loaded as it is. The folder appears when all is drawn; what a killed
    run leaves beside it, the next one removes. `progress` is called with 1 after every crop.
    Raises DataError when `folder` holds something else.
    """
    description = {"drawing": DRAWING, "settings": asdict(settings)}
    if folder.exists():
        check_same_street(folder, description)
        return load_manifest(folder / "manifest.jsonl", folder.resolve().name)
    with new_folder(folder) as partial:
        for split in FOLDERS.values():
            make_folder(partial / split)
        rows = []
        for sighting in plan_street(settings).sightings:
            crop = sighting.render()
            # Not by way of the atomic writer: the folder as a whole is moved into its place.
            (partial / sighting.image).write_bytes(crop.jpeg)
            rows.append(json.dumps(manifest_row(sighting, crop)) + "\n")
            if progress is not None:
                progress(1)
        write_text(partial / "manifest.jsonl", "".join(rows))
        write_text(partial / "street.json", json.dumps(description, indent=1) + "\n")
    check_same_street(folder, description)  # another process may have been quicker
    return load_manifest(folder / "manifest.jsonl", folder.resolve().name)


def check_same_street(folder: Path, description: dict[str, Any]) -> None:
    """Raises DataError unless `folder` holds the finished street of `description`."""
    file = folder / "street.json"
    if not file.is_file() or not (folder / "manifest.jsonl").is_file():
        raise DataError(f"{folder}: exists and is not a rendered street; choose another folder or remove this one")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise DataError(f"{file}: not readable; remove the folder and render it again") from None
    if found == description:
        return
    if not isinstance(found, dict) or found.get("drawing") != description["drawing"]:
        raise DataError(f"{folder}: drawn by another version of ReID-R; remove the folder and render it again")
    old, new = dict(found.get("settings") or {}), description["settings"]
    name = next(key for key in {**old, **new} if old.get(key) != new.get(key))
    raise DataError(
        f"{folder}: holds a street with {name} {old.get(name)!r}, not {new.get(name)!r}; "
        "choose another folder or remove this one"
    )


def manifest_row(sighting: Sighting, crop: RenderedCrop) -> dict[str, Any]:
    """The manifest's row of one crop."""
    return {
        "image": sighting.image,
        "person": sighting.person.label if sighting.role == "person" else None,
        "camera": sighting.camera.label,
        "outfit": sighting.outfit.label if sighting.role == "person" else None,
        "sequence": sighting.recording,
        "time": sighting.time,
        "split": sighting.split,
        "role": sighting.role,
        "attributes": dict(crop.attributes),
    }


def street_crops(settings: StreetSettings, split: str) -> Iterator[Crop]:
    """Draw the crops of one split ("train", "query" or "gallery") in memory, one at a time, in the order of the plan.

    Pixels, ids and attributes are those that `render_street` writes. Raises RecipeError for an unknown split.
    """
    if split not in FOLDERS:
        raise RecipeError(f"street: no split {split!r}; there are {', '.join(FOLDERS)}")
    for sighting in plan_street(settings).sightings:
        if sighting.split != split:
            continue
        crop = sighting.render()
        known = sighting.role == "person"
        yield Crop(
            id=sighting.image,
            image=crop.image,
            person=sighting.person.label if known else None,
            camera=sighting.camera.label,
            outfit=sighting.outfit.label if known else None,
            sequence=sighting.recording,
            time=float(sighting.time),
            junk=sighting.role == "junk",
            attributes=dict(crop.attributes),
        )
