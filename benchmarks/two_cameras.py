"""Whether `reidr index` and a search find the right person first: real clips of two cameras in one room, and of a hall.

    python benchmarks/two_cameras.py                    the clips of $REIDR_DATA/video (default ../shared/data/video)
    python benchmarks/two_cameras.py --retriever lite --fps 10

The clips are indexed by the command; then every search of `two_cameras.json` is made: the crop of a person in one
frame, among the tracks of the cameras that the list names, without crops of the same camera within a second. A track's
distance is that of its nearest crop. The list says which person each track is. One JSON line; exit status 1 unless all
are right.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from measure import SOURCE
from PIL import Image

LIST = Path(__file__).with_suffix(".json")
DATA = Path(os.environ.get("REIDR_DATA", LIST.parents[2] / "shared" / "data")) / "video"
START = "2026-11-30T09:00:00+00:00"
NEAR, LEAST_OVERLAP = 40, 0.3  # frames from an annotated one; intersection over union
Box = tuple[float, float, float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retriever", default="lite")
    parser.add_argument("--fps", type=float, default=5.0)
    options = parser.parse_args()
    content = json.loads(LIST.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        gallery = Path(folder) / "gallery"
        index(content, gallery, options.retriever, options.fps)
        found = search(content, gallery, options.retriever)
    wrong = [each for each in found if each["found"] != each["person"]]
    print(json.dumps({
        "retriever": options.retriever, "searches": len(found), "right_first": len(found) - len(wrong),
        "between_rooms": sum(each["between"] for each in found), "wrong": wrong,
        "least_margin": min((each["margin"] for each in found if each["margin"] is not None), default=None),
    }))  # fmt: skip
    sys.exit(1 if wrong else 0)


def index(content: dict[str, Any], gallery: Path, retriever: str, fps: float) -> None:
    """Run the command over all clips."""
    clips = content["clips"]
    command = [sys.executable, "-m", "reidr.cli.main", "index", *(str(DATA / clip) for clip in clips.values())]
    for camera in clips:
        command += ["--camera", camera]
    command += ["--start", START, "--detector", str(DATA / content["detector"]), "--gallery", str(gallery)]
    command += ["--retriever", retriever, "--fps", str(fps)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])}
    subprocess.run(command, check=True, env=environment, stdout=sys.stderr)


def search(content: dict[str, Any], gallery: Path, retriever: str) -> list[dict[str, Any]]:
    """Every search of the list: whom it found first, and by how much nearer than the first wrong track."""
    from reidr.retrieval.embedders.registry import load_embedder
    from reidr.service.store.opening import open_store
    from reidr.service.store.records import CropFilter

    store = open_store(gallery)
    crops = {crop.id: crop for crop in store.crops(limit=10_000)}
    owners = owners_of(content["people"], crops.values())
    searches = content["searches"]
    vectors = load_embedder(retriever).embed_pictures(queries(content))
    answers = []
    for asked, vector in zip(searches, vectors, strict=True):
        which = CropFilter(cameras=frozenset(asked["among"]))
        best: dict[str, float] = {}
        for hit in store.search(vector[None], len(crops), which)[0]:
            crop = crops[hit.id]
            if crop.camera == asked["camera"] and abs(crop.frame - asked["frame"]) < frames_a_second(asked["camera"]):
                continue
            best.setdefault(hit.track, hit.distance)
        order = sorted(best, key=lambda track: best[track])
        first = order[0] if order else None
        others = [best[track] for track in order if owners.get(track) != asked["person"]]
        own = [best[track] for track in order if owners.get(track) == asked["person"]]
        answers.append({
            **{key: asked[key] for key in ("person", "camera", "frame")},
            "found": owners.get(first) if first is not None else None,
            "between": asked["camera"] not in asked["among"],
            "margin": round(others[0] - own[0], 3) if own and others else None,
        })  # fmt: skip
    store.close()
    return answers


def frames_a_second(camera: str) -> int:
    """Of the clips: the hall's has 10 frames a second, the rooms' 30."""
    return 10 if camera == "hall" else 30


def queries(content: dict[str, Any]) -> list[Image.Image]:
    """The crops that are searched for, cut from the clips."""
    from reidr.service.ingest.sources.video import VideoFile

    boxes = {
        (camera, int(frame), person["name"]): box
        for person in content["people"]
        for camera, frames in person["seen"].items()
        for frame, box in frames.items()
    }
    frames: dict[tuple[str, int], Image.Image] = {}
    wanted = {(asked["camera"], asked["frame"]) for asked in content["searches"]}
    for camera, clip in content["clips"].items():
        for frame in VideoFile(DATA / clip, camera).frames(0):
            if (camera, frame.place.number) in wanted:
                frames[camera, frame.place.number] = Image.fromarray(frame.pixels)
    return [
        frames[asked["camera"], asked["frame"]].crop(boxes[asked["camera"], asked["frame"], asked["person"]])
        for asked in content["searches"]
    ]


def owners_of(people: list[dict[str, Any]], crops: Any) -> dict[str, str]:
    """Who each track is: the person in whose annotated boxes most of its crops lie."""
    votes: dict[str, Counter[str]] = {}
    for crop in crops:
        near = [
            (overlap(crop.box, box), person["name"])
            for person in people
            for frame, box in person["seen"].get(crop.camera, {}).items()
            if abs(int(frame) - crop.frame) <= NEAR
        ]
        share, name = max(near, default=(0.0, ""))
        if share >= LEAST_OVERLAP:
            votes.setdefault(crop.track, Counter())[name] += 1
    return {track: counts.most_common(1)[0][0] for track, counts in votes.items()}


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, wide) * max(0.0, high)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (areas - both)


if __name__ == "__main__":
    main()
