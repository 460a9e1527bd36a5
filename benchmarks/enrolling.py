"""Crops a second that go into a gallery, beside the bare embedding of the same files: what storing them costs.

    python benchmarks/enrolling.py                    nano into SQLite, crops as files and crops of tracks
    python benchmarks/enrolling.py lite-fast/files
    RETRIEVER=runs/my/model python benchmarks/enrolling.py own/files

`files` are ready crops: read, hashed, decoded, embedded, stored, down to the disk. `tracks` are candidates as tracking
gives them, of which three in four are embedded only to be compared. `bare` reads, decodes and embeds the same pictures
in one process and stores nothing. Both take turns; the least of several counts. `share` is their ratio in processor
time, which holds on a busy machine too; `share_wall` in time by the clock, waiting for the disk included. One thread.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from measure import main

CROPS, TURNS = 384, 4
CANDIDATES, KEPT = 20, 5  # of a track
RETRIEVERS = ("lite", "lite-fast", "own")
CASES = [f"{retriever}/{kind}" for retriever in RETRIEVERS for kind in ("files", "tracks")]


def run_case(name: str) -> dict[str, Any]:
    """Facts of one case."""
    import torch

    from reidr.core.process.memory import keep_freed_memory
    from reidr.data.reading.folder import crops_in_folder
    from reidr.retrieval.embedders.embedder import embed_crops
    from reidr.retrieval.embedders.registry import load_embedder
    from reidr.service.ingest.embedding import CropEmbedder
    from reidr.service.store.opening import open_store

    torch.set_num_threads(1)
    keep_freed_memory()
    retriever, kind = name.split("/")
    if retriever == "own" and not os.environ.get("RETRIEVER"):
        return {"skipped": "RETRIEVER names no folder of a trained retriever"}
    source = os.environ["RETRIEVER"] if retriever == "own" else "lite"
    embedder = load_embedder(source, "fast" if retriever == "lite-fast" else "reference")
    enroller = CropEmbedder.of(embedder)
    with tempfile.TemporaryDirectory() as folder:
        crops = crops_in_folder(drawn_crops(Path(folder) / "crops"))[:CROPS]
        turns: dict[str, list[tuple[float, float]]] = {"bare": [], "enrolled": []}
        for turn in range(TURNS):
            turns["bare"].append(seconds_of(lambda: embed_crops(embedder, crops)))
            store = open_store(Path(folder) / f"gallery-{turn}")
            enroller.introduce(store)
            work = enrol_files if kind == "files" else enrol_tracks
            turns["enrolled"].append(seconds_of(partial(work, crops, store, enroller)))
            stored = store.count()
            store.close()
    best = {key: (min(t[0] for t in pairs), min(t[1] for t in pairs)) for key, pairs in turns.items()}
    return {
        "crops": len(crops), "stored": stored, "attributes": enroller.recogniser is not None,
        "bare_a_second": round(len(crops) / best["bare"][0], 1),
        "enrolled_a_second": round(len(crops) / best["enrolled"][0], 1),
        "share": round(best["bare"][0] / best["enrolled"][0], 3),
        "share_wall": round(best["bare"][1] / best["enrolled"][1], 3),
    }  # fmt: skip


def drawn_crops(folder: Path) -> Path:
    """Crops of drawn people, as JPEG files."""
    from reidr.data.synthetic.settings import StreetSettings
    from reidr.data.synthetic.street import render_street

    settings = StreetSettings(
        seed=1, cameras=4, test_people=60, cameras_per_person=4, crops_per_camera=2, distractors=20
    )
    render_street(folder, settings)
    return folder


def seconds_of(work: Callable[[], Any]) -> tuple[float, float]:
    """Processor seconds and seconds by the clock."""
    began, clock = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - began, time.perf_counter() - clock


def enrol_files(crops: Any, store: Any, enroller: Any) -> None:
    """As `reidr index FOLDER`."""
    from reidr.service.ingest.ready_crops import ReadyCrop, ReadyCrops, index_crops

    ready = tuple(ReadyCrop(crop.image, crop.id, crop.camera or "1") for crop in crops)
    index_crops(ReadyCrops("crops", ready), store, enroller)


def enrol_tracks(crops: Any, store: Any, enroller: Any) -> None:
    """As `reidr index VIDEO`, behind the tracker: of each CANDIDATES crops KEPT are stored."""
    from reidr.service.ingest.embedding import TrackEmbedder
    from reidr.service.ingest.indexing import TOGETHER
    from reidr.service.ingest.sources.frame import Place, Recording
    from reidr.service.ingest.tracking.following import TrackPart
    from reidr.service.ingest.tracking.pool import Candidate

    recording = Recording("f" * 64, "benchmark", "gate", 0.0, None, 10.0, 320, 240)
    parts = []
    for first in range(0, len(crops), CANDIDATES):
        own = tuple(
            Candidate(
                Place(number, number, number / 10), (0.0, 0.0, float(number), 10.0), 0.9, 0.5, crop.image.read_bytes()
            )
            for number, crop in enumerate(crops[first : first + CANDIDATES], first)
        )
        parts.append(TrackPart(f"track {first}", first / 10, first / 10 + 2, own))
    keeper = TrackEmbedder(enroller, KEPT)
    for first in range(0, len(parts), TOGETHER):
        store.add(keeper.keep(parts[first : first + TOGETHER], recording), operation=f"stretch {first}")


if __name__ == "__main__":
    main(__file__, CASES, run_case)
