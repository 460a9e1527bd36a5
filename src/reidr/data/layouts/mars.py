"""MARS: tracklets of the Market-1501 campus, 6 cameras. A query and a candidate are tracklets, not pictures.

ROOT/{bbox_train,bbox_test}/0001/0001C1T0001F001.jpg     person, camera, tracklet, frame; 00-1: junk, 0000: distractor
ROOT/info/{test_name.txt,tracks_test_info.mat,query_IDX.mat}     which tracklets of bbox_test are queries
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from reidr.core.text import some_of
from reidr.data.layouts.market1501 import garbage_collection_paused, is_zero
from reidr.data.reading.listing import Tree, left_out_note, left_out_notes, link_notes, walk
from reidr.data.reading.lists import missing_level, read_lines
from reidr.data.reading.mat_files import read_in_own_process
from reidr.data.reading.notes import Note
from reidr.data.tracks import tracks_of
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

FOLDERS = {"train": "bbox_train", "test": "bbox_test"}
INFO = ("test_name.txt", "tracks_test_info.mat", "query_IDX.mat")
NAME = re.compile(r"(?P<person>-1|00-1|\d{4})C(?P<camera>\d+)T(?P<track>\d+)F(?P<frame>\d+)\.", re.ASCII)
EXAMPLE = "PERSON C CAMERA T TRACKLET F FRAME (0001C1T0001F001.jpg)"
TREE = "  bbox_train, bbox_test / 0001 / 0001C1T0001F001.jpg, info/*.mat       (MARS)"
OWN_QUERIES = "queries are the tracklets of info/query_IDX.mat"
DRAWN_QUERIES = (
    "info/ with test_name.txt, tracks_test_info.mat and query_IDX.mat is not there: the first tracklet of every person "
    "and camera is a query, which is not MARS's own choice; results cannot be compared with published ones"
)


def fits_mars(root: Path) -> bool:
    """Whether `root` holds one of the two folders."""
    return any((root / folder).is_dir() for folder in FOLDERS.values())


def load_mars(root: Path, name: str | None = None) -> ReIDDataset:
    """Read MARS; no picture is opened. Query tracklets are not in the gallery, as in MARS's own evaluation.

    Raises DataError when no name parses, and for files in `info` that are not MARS's.
    """
    notes: list[Note] = [Note("MARS layout (tracklets)", kind="layout")]
    crops: dict[str, list[Crop]] = {}
    failed: list[str] = []
    for part, folder in FOLDERS.items():
        tree = walk(root / folder)
        crops[part], unparsed = crops_of(root / folder, tree, folder)
        failed += unparsed
        notes += [*left_out_notes(folder, tree.left_out, "warning"), *link_notes(folder, tree.links)]
        if unparsed:
            notes.append(left_out_note(folder, unparsed, len(tree.pictures), EXAMPLE))
    if not any(crops.values()):
        raise DataError(f"{root}: no crops named like {EXAMPLE}{' but ' + some_of(failed) if failed else ''}")
    train = tuple(crop for crop in crops["train"] if crop.person is not None)
    chosen: frozenset[str] = frozenset()
    if all((root / "info" / file).is_file() for file in INFO):
        chosen = own_queries(root / "info")
        notes.append(Note(OWN_QUERIES, kind="queries", count=len(chosen)))
    elif crops["test"]:
        chosen = first_tracks(crops["test"])
        notes.append(Note(DRAWN_QUERIES, "warning", kind="queries", count=len(chosen)))
    query = tuple(crop for crop in crops["test"] if crop.track in chosen and crop.person is not None)
    taken = {crop.id for crop in query}
    gallery = tuple(crop for crop in crops["test"] if crop.id not in taken)
    there = {crop.track for crop in query}
    if chosen - there:
        gone = sorted(chosen - there)
        text = f"query_IDX.mat: {len(gone):,} of {len(chosen):,} query tracklets are not there: {some_of(gone)}"
        level = missing_level(len(gone), len(chosen))
        notes.append(Note(text, level, kind="missing file", remedy="copy them again", names=gone))
    return ReIDDataset(name or "mars", root, train, query, gallery, "tracklets", tuple(notes), "mars")


def crops_of(place: Path, tree: Tree, folder: str) -> tuple[list[Crop], list[str]]:
    """The crops of a folder's pictures, and the names that do not parse."""
    crops: list[Crop] = []
    unparsed: list[str] = []
    with garbage_collection_paused():
        for path in tree.pictures:
            fields = NAME.match(path.rpartition("/")[2])
            if fields is None:
                unparsed.append(path)
                continue
            person, camera, track, frame = fields.groups()
            junk = person.endswith("-1")
            crops.append(
                Crop(
                    id=f"{folder}/{path}",
                    image=place / path,
                    person=None if junk or is_zero(person) else person,
                    camera=str(int(camera)),
                    time=float(frame),
                    junk=junk,
                    track=f"{person}C{camera}T{track}",
                )
            )
    return crops, unparsed


def first_tracks(crops: list[Crop]) -> frozenset[str]:
    """The first tracklet of every person in every camera, for the people whom two cameras saw."""
    first: dict[tuple[str, str | None], str] = {}
    seen: dict[str, set[str | None]] = {}
    for track in tracks_of(crop for crop in crops if crop.person is not None):
        label, person = track.crops[0].track, track.person
        if label is not None and person is not None:
            first[person, track.camera] = min(first.get((person, track.camera), label), label)
            seen.setdefault(person, set()).add(track.camera)
    return frozenset(track for (person, _), track in first.items() if len(seen[person]) > 1)


def own_queries(info: Path) -> frozenset[str]:
    """The labels of MARS's own query tracklets. Raises DataError where the files in `info` do not say so."""

    def problem(why: str) -> DataError:
        return DataError(f"{info}: not MARS's {', '.join(INFO)} ({why}); remove the folder to do without")

    names = read_lines(info / INFO[0])
    starts = read_in_own_process("reidr.data.layouts.mars", info, problem)
    labels = set()
    for start in starts:
        fields = NAME.match(names[start - 1].rpartition("/")[2]) if 0 < start <= len(names) else None
        if fields is None:
            raise problem(f"a query tracklet starts at line {start} of {INFO[0]}, where no MARS name stands")
        labels.add(f"{fields['person']}C{fields['camera']}T{fields['track']}")
    return frozenset(labels)


def query_starts(info: Path) -> list[int]:
    """The line (from 1) of test_name.txt at which each query tracklet starts; for the child process only."""
    from scipy.io import loadmat

    tracks = loadmat(str(info / INFO[1]), variable_names=("track_test_info",))["track_test_info"]
    queries = loadmat(str(info / INFO[2]), variable_names=("query_IDX",))["query_IDX"].ravel()
    return [int(tracks[int(number) - 1, 0]) for number in queries]  # MATLAB counts from 1


if __name__ == "__main__":
    print(json.dumps(query_starts(Path(sys.argv[1]))))
