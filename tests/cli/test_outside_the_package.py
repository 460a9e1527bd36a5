"""An embedder, a layout and a protocol from outside the package, through the command line and without an edit in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from reidr.cli.main import reidr

MODULE = '''
"""An embedder, a layout and a protocol of somebody else."""
import numpy as np
from reidr.data.protocols.table import Protocol
from reidr.data.types import Crop, ReIDDataset


class MeanColour:
    name = "mean-colour"
    fingerprint = "mean-colour-1"

    def embed_pictures(self, pictures):
        rows = np.array([np.asarray(p, dtype=np.float32).mean(axis=(0, 1)) for p in pictures], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def load(path, name):
    """PERSON-at-CAMERA.png: camera `door` asks, every other one is the gallery."""
    crops = []
    for image in sorted(path.glob("*.png")):
        person, camera = image.stem.split("-at-")
        crops.append(Crop(id=image.name, image=image, person=person, camera=camera))
    query = tuple(crop for crop in crops if crop.camera == "door")
    gallery = tuple(crop for crop in crops if crop.camera != "door")
    return ReIDDataset(name or "doors", path, (), query, gallery)


def to_the_hall():
    return Protocol("doors/hall", "Only the hall's crops are searched.", gallery_cameras=("hall",))


THE_HALL = to_the_hall()


def no_dataset(path, name):
    return []


class NoEmbedder:
    name = "none"
'''


@pytest.fixture
def doors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures of five people at three cameras, in a layout that the package does not know."""
    (tmp_path / "doors_extension.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "doors"
    folder.mkdir()
    random = np.random.default_rng(0)
    for person in "abcde":
        colour = random.integers(20, 220, 3)
        for camera in ("door", "hall", "yard"):
            pixels = np.clip(colour + random.integers(-15, 15, (32, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{person}-at-{camera}.png")
    return folder


def run(*words: object) -> Result:
    return CliRunner().invoke(reidr, [str(word) for word in words])


def evaluated(folder: Path, *words: str) -> dict[str, Any]:
    done = run("evaluate", folder, "--layout", "doors_extension:load", "--reasoner", "none", "--no-cache",
               "--json", "rows.json", *words)  # fmt: skip
    assert done.exit_code == 0, (done.output, done.exception)
    document: dict[str, Any] = json.loads(Path("rows.json").read_text())
    return document


def test_a_layout_from_outside_is_validated(doors: Path) -> None:
    # Without it these pictures are no data set, so that what follows is the loader's work.
    assert "no known layout" in run("validate", doors).output
    done = run("validate", doors, "--layout", "doors_extension:load")
    assert done.exit_code == 0, done.output
    assert "query: 5 images" in done.output
    assert "gallery: 10 images" in done.output


def test_layout_embedder_and_protocol_from_outside_are_evaluated(doors: Path) -> None:
    whole = evaluated(doors, "--retriever", "doors_extension:MeanColour")
    assert whole["dataset"] == "doors"
    assert any("mean-colour" in row["name"] for row in whole["rows"])
    for rule in ("doors_extension:to_the_hall", "doors_extension:THE_HALL"):
        hall = evaluated(doors, "--retriever", "doors_extension:MeanColour", "--protocol", rule)
        assert hall["protocol"] == "doors/hall"
        assert hall["gallery"] == 5
        assert whole["gallery"] == 10


def test_an_embedder_from_outside_finds(doors: Path) -> None:
    done = run("find", doors / "a-at-door.png", "--in", doors, "--retriever", "doors_extension:MeanColour",
               "--reasoner", "none", "--no-cache", "--k", "2", "--json", "found.json")  # fmt: skip
    assert done.exit_code == 0, (done.output, done.exception)
    assert "a-at-hall.png" in Path("found.json").read_text()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--layout", "doors_extension:no_dataset", "gave a list, not a ReIDDataset"),
        ("--layout", "doors_extension:nothing", "doors_extension has no nothing"),
        ("--layout", "nowhere", "no layout 'nowhere'; there are: occluded, "),
        ("--protocol", "doors_extension:MeanColour", "not a Protocol"),
        ("--retriever", "doors_extension:NoEmbedder", "has no fingerprint, embed_pictures"),
        ("--retriever", "doors_extension:THE_HALL", "not a class or function that makes one"),
    ],
)
def test_what_is_no_extension_is_refused_in_a_sentence(doors: Path, option: str, value: str, said: str) -> None:
    words = ["evaluate", doors, "--reasoner", "none", option, value]
    if option != "--layout":
        words += ["--layout", "doors_extension:load"]
    done = run(*words)
    assert done.exit_code == 1
    assert said in str(done.exception)


def test_a_layout_by_name_reads_what_nothing_else_would_take_for_it(doors: Path) -> None:
    folder = doors / "query"
    folder.mkdir()
    (doors / "a-at-door.png").rename(folder / "0002_c1s1_000451_03.png")
    done = run("validate", doors, "--layout", "market1501", "--no-pixels")
    assert "query: 1 images" in done.output
    assert "is for manifests alone" in run("validate", doors, "--layout", "market1501", "--root", doors).output
