"""Mutated manifests, lists and trees of files: a data set or one sentence, never a traceback."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from reidr.data.checks.validate import validate
from reidr.data.load import load_dataset
from reidr.data.types import ReIDDataset
from reidr.errors import DataError

CSV = """image,person,camera,split,outfit,sequence,track,time,role,attribute:hat
a.jpg,1,1,query,1,s1,7,12.5,,yes
"b, c.jpg",1.0,2,gallery,,,,,person,
d.jpg,,2,gallery,,,,,distractor,
in/e.jpg,0002,3,train,,,,,,
"""
ROWS = [
    {"image": "a.jpg", "person": 1, "camera": 1.0, "split": "query", "time": 3, "attributes": {"hat": True}},
    {"image": "in/e.jpg", "person": "0002", "camera": None, "split": "gallery", "track": "7"},
    {"image": "d.jpg", "person": None, "split": "gallery", "role": "junk"},
]
JSONL = "\n".join(map(json.dumps, ROWS))
LIST = "0001_c1_f0046181.jpg\n0002_c2_f0046182.jpg\n-1_c2_f0046182.jpg\n"
MSMT = "0000/0000_000_01_0303morning_0008_0.jpg 0\n0001/0001_000_02_0303noon_0008_0.jpg 1\n"
VERI = "0002_c002_00030600_0.jpg\n0005_c003_00084280_0.jpg\n"
PIECES = [b",", b"\n", b"\r", b'"', b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"..", b"/", b"\\", b"NaN", b"null", b"true",
          b"1e999", b"\xed\xa0\x80", b"{", b"}", b"[", b"]", b":", b"image", b"Person", b"-1", b"   ", b"\t",
          b"\xf0\x9f\x98\x80", b"9" * 400, b"a" * 300,
          b"Infinity", b";", b"attribute:", b"\\ud800", b"e\xcc\x81"]  # fmt: skip


def mutated(content: bytes, chance: random.Random) -> bytes:
    """A few bytes or pieces put in, taken out, doubled or changed."""
    found = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        at = chance.randint(0, len(found))
        kind = chance.randrange(5)
        if kind == 0:
            found[at:at] = chance.choice(PIECES)
        elif kind == 1:
            del found[at : at + chance.randint(1, 8)]
        elif kind == 2:
            found[at : at + chance.randint(1, 4)] = chance.choice(PIECES)
        elif kind == 3 and found:
            found[min(at, len(found) - 1)] = chance.randrange(256)
        else:
            found[at:at] = found[at : at + chance.randint(1, 30)]
    return bytes(found)


@pytest.fixture
def trees(tmp_path: Path, picture_tree) -> dict[str, tuple[Path, Path, bytes]]:
    """By kind: the folder, the file to mutate, its sound content."""
    picture_tree(tmp_path / "own", ["a.jpg", "b, c.jpg", "d.jpg", "in/e.jpg"])
    picture_tree(tmp_path / "occ", [f"bounding_box_test/{name}" for name in LIST.split()])
    msmt = [f"{part}/{line.split()[0]}" for part in ("train", "test") for line in MSMT.splitlines()]
    picture_tree(tmp_path / "msmt", msmt)
    (tmp_path / "msmt" / "list_query.txt").write_text(MSMT)
    picture_tree(
        tmp_path / "veri", [f"{part}/{name}" for part in ("image_query", "image_test") for name in VERI.split()]
    )
    files = {
        "csv": ("own/manifest.csv", CSV),
        "jsonl": ("own/shop.jsonl", JSONL),
        "list": ("occ/gallery.list", LIST),
        "msmt": ("msmt/list_gallery.txt", MSMT),
        "veri": ("veri/name_query.txt", VERI),
    }
    return {
        kind: ((tmp_path / name if kind == "jsonl" else (tmp_path / name).parent), tmp_path / name, text.encode())
        for kind, (name, text) in files.items()
    }


def check(folder: Path) -> bool:
    """Whether it is a data set. Everything said must be printable, every label text or nothing."""
    try:
        dataset = load_dataset(folder, allow_missing=True)
    except DataError as error:
        str(error).encode("utf-8")
        return False
    assert isinstance(dataset, ReIDDataset)
    for note in dataset.notes:
        json.dumps(note.as_json()).encode("utf-8")
        note.encode("utf-8")
    for crop in (*dataset.train, *dataset.query, *dataset.gallery):
        for label in (crop.person, crop.camera, crop.outfit, crop.sequence, crop.track):
            assert label is None or (label and label == label.strip())
        assert ".." not in crop.id.split("/")
    for finding in validate(dataset, pixels=False):
        finding.message.encode("utf-8")
    return True


def mutate_all(trees: dict[str, tuple[Path, Path, bytes]], number: int, seed: int) -> None:
    chance = random.Random(seed)
    for kind, (folder, file, content) in trees.items():
        file.write_bytes(content)
        assert check(folder), kind
        read = 0
        for _ in range(number):
            file.write_bytes(mutated(content, chance))
            read += check(folder)
        assert 0 < read < number, kind  # some mutations do harm, some do not: the test looks at both sides


def test_mutated_lists_and_manifests(trees: dict[str, tuple[Path, Path, bytes]]) -> None:
    mutate_all(trees, 60, 0)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thousands_of_mutated_lists_and_manifests(trees: dict[str, tuple[Path, Path, bytes]]) -> None:
    mutate_all(trees, 2000, 1)
