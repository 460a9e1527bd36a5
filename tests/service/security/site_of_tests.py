"""A small site for tests: a gallery of drawn crops with records, caches, a case, exports."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidr.reasoning.backends.verdict_cache import VerdictCache, default_path, pair_key
from reidr.report.kept.forget import traces_of_content
from reidr.retrieval.embedding_cache import EmbeddingCache, cache_folder
from reidr.service.records.opening import open_records
from reidr.service.records.records import RecordStore
from reidr.service.security.erasure.kept_records import note_export
from reidr.service.store.opening import open_store
from reidr.service.store.records import StoredCrop
from reidr.service.store.store import GalleryStore

SIZE = 16


def picture_of(number: int) -> bytes:
    """A JPEG of noise, so that its bytes are nobody else's."""
    noise = np.random.default_rng(number).integers(0, 255, (48, 24, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", quality=80)
    return file.getvalue()


def vector_of(number: int) -> NDArray[np.float32]:
    row = np.random.default_rng(1000 + number).normal(size=SIZE).astype(np.float32)
    return np.asarray(row / np.linalg.norm(row), np.float32)


def crop_of(number: int, **changes: Any) -> StoredCrop:
    """Crop c000, c001 …: three to a track (t000 …), of the cameras north and south in turn, a minute a track."""
    track = number // 3
    values: dict[str, Any] = {
        "id": f"c{number:03}", "camera": ("north", "south")[track % 2], "track": f"t{track:03}",
        "picture": picture_of(number), "vector": vector_of(number), "recording": "video.mp4",
        "start": 60.0 * track, "end": 60.0 * track + 30, "quality": 0.5,
    }  # fmt: skip
    return StoredCrop(**{**values, **changes})


def fill_caches(crops: list[StoredCrop]) -> None:
    """Embeddings and scores as a search that embedded these crops would have left them."""
    keys = {key: crop.vector for crop in crops for key in traces_of_content(crop.picture).keys}
    EmbeddingCache(cache_folder(), "f" * 64).add(keys)
    pixels = [next(iter(traces_of_content(crop.picture).pixels)) for crop in crops]
    with VerdictCache(default_path()) as cache:
        cache.keep_scores({pair_key("q", a, b): (1.0, 2.0, 3.0) for a in pixels for b in pixels if a != b})


def case_record(records: RecordStore, name: str, *, tracks: list[str], same: list[str], found: list[str]) -> None:
    """A case as `service.finding` keeps one: who was searched, who was found, what was decided."""
    request = {"tracks": tracks, "confirmed": same, "rejected": [], "words": "red coat"}
    appearances = [
        {"camera": "north", "best": {"crop": f"c{int(track[1:]) * 3:03}"}, "track": track} for track in found
    ]
    records.put("case", name, {"id": name, "request": request, "answer": {"appearances": appearances},
                               "reasons": [{"track": track, "text": "both wear red"} for track in found]})  # fmt: skip
    records.put("case-pictures", name, {"pictures": [base64.b64encode(picture_of(999)).decode()]})
    for number, track in enumerate(found, start=1):
        decided = "same" if track in same else "different"
        crops = [f"c{int(track[1:]) * 3 + place:03}" for place in range(3)]
        records.put("decision", f"{name}/{number:06}",
                    {"track": track, "decided": decided, "by": "Ines", "why": "the bag", "crops": crops,
                     "score": 0.5, "number": number})  # fmt: skip


def export_of(records: RecordStore, path: Path, crops: list[StoredCrop], case: str | None = None) -> None:
    """A page with pictures inside, as exports are."""
    note_export(records, path, crops=[crop.id for crop in crops], tracks=[crop.track for crop in crops], case=case)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(base64.b64encode(crop.picture) + b"\n" + crop.picture for crop in crops))


def build(folder: Path, number: int = 36) -> tuple[GalleryStore, RecordStore, list[StoredCrop]]:
    """A gallery of `number` crops, its records, and the crops."""
    store, records = open_store(folder / "gallery"), open_records(folder / "gallery")
    store.set_model("f" * 64, "tiny", SIZE)
    crops = [crop_of(index) for index in range(number)]
    store.add(crops)
    store.search(crops[0].vector[None], 3)  # makes whatever indexes it makes
    return store, records, crops


def traces_on_disk(folder: Path, crop: StoredCrop) -> list[str]:
    """Files below `folder` with bytes of the crop's picture (also in base64) or of its vector."""
    pixels = traces_of_content(crop.picture).pixels
    # Not of a JPEG's head, whose tables are the same in all of them.
    wanted = [crop.picture[-90:-30], crop.vector.tobytes()[:24], base64.b64encode(crop.picture)[-200:-100]]
    wanted += [digest.encode() for digest in pixels]
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(part in path.read_bytes() for part in wanted)
    ]
