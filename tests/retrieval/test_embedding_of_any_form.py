"""Every embedder sees the same picture in every form, and large pictures are never held together."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import SMALL, small_network
from PIL import Image

from reidr.data.pictures import images
from reidr.data.types import Crop
from reidr.retrieval.embedders import preprocess
from reidr.retrieval.embedders.embedder import embed_usable_crops
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.retrieval.embedders.retriever import Retriever

ARRAY = np.random.default_rng(0).integers(0, 256, (50, 30, 4), dtype=np.uint8)


def onnx_embedder(folder: Path) -> Any:
    onnx = pytest.importorskip("onnx", reason="needs the extra 'onnx'")
    pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    from reidr.retrieval.embedders.onnx import OnnxEmbedder

    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["pixels"], ["embedding"])],
        "flat",
        [helper.make_tensor_value_info("pixels", 1, ["n", 3, 16, 8])],
        [helper.make_tensor_value_info("embedding", 1, ["n", 384])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), folder / "m.onnx")
    settings = {"height": 16, "width": 8, "mean": [0, 0, 0], "std": [1, 1, 1], "flip": False}
    (folder / "m.json").write_text(json.dumps(settings))
    return OnnxEmbedder.load(folder / "m.onnx")


@pytest.mark.parametrize("kind", ["retriever", "histogram", "onnx"])
def test_every_embedder_takes_every_form(kind: str, tmp_path: Path) -> None:
    made = {
        "retriever": lambda: Retriever(small_network(), "small", "f"),
        "histogram": HistogramEmbedder,
        "onnx": lambda: onnx_embedder(tmp_path),
    }
    embedder = made[kind]()
    path = tmp_path / "a.png"
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(ARRAY).save(path, exif=exif)
    forms = [path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), Image.open(path), np.rot90(ARRAY, -1)]
    wanted = embedder.embed_pictures([images.read_picture(path)])
    for form in forms:
        assert np.array_equal(embedder.embed_pictures([form]), wanted)
        found, kept, problems = embed_usable_crops(embedder, [Crop("a", form)])
        assert np.array_equal(found, wanted)
        assert (kept, problems) == ([0], [])


def test_shrinking_while_reading_gives_the_very_same_embeddings() -> None:
    random = np.random.default_rng(1)
    crops = [
        Crop(str(i), Image.fromarray(random.integers(0, 256, (*sides, 3), dtype=np.uint8)))
        for i, sides in enumerate([(128, 64), (32, 16), (300, 200), (31, 17), (40, 90)])
    ]
    for embedder in (Retriever(small_network(), "small", "f"), HistogramEmbedder()):
        found, _, _ = embed_usable_crops(embedder, crops)
        assert np.array_equal(found, embedder.embed_pictures([crop.open() for crop in crops]))


class Plain:
    """An embedder of somebody else's, which does not say what it resizes to; notes how many pixels it is given."""

    name = fingerprint = "plain"

    def __init__(self) -> None:
        self.given: list[list[int]] = []

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        self.given.append([picture.width * picture.height for picture in pictures])
        return np.array([[picture.width, picture.height] for picture in pictures], dtype=np.float32)


def files(folder: Path, sides: Sequence[int]) -> list[Crop]:
    for place, side in enumerate(sides):
        Image.new("RGB", (side, side + 1)).save(folder / f"{place}.png")
    return [Crop(str(place), folder / f"{place}.png") for place in range(len(sides))]


def test_batches_are_bounded_by_pixels_and_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "HELD_PIXELS", 3_000)
    sides = [10, 20, 60, 60, 70, 10, 10, 30, 30, 30, 30, 4]
    crops = files(tmp_path, sides)
    (tmp_path / "1.png").write_bytes(b"broken")
    embedder, steps = Plain(), []
    found, kept, problems = embed_usable_crops(embedder, crops, batch=5, advance=steps.append)
    assert kept == [0, *range(2, 12)]
    assert [int(row[0]) for row in found] == [sides[place] for place in kept]
    assert len(problems) == 1
    assert steps == [5, 5, 2]
    assert max(sum(batch[:-1]) for batch in embedder.given) < 3_000
    assert [len(batch) for batch in embedder.given] == [2, 1, 1, 5, 2]


def test_small_crops_are_batched_as_ever(tmp_path: Path) -> None:
    embedder = Plain()
    embed_usable_crops(embedder, files(tmp_path, [8] * 11), batch=4)
    assert [len(batch) for batch in embedder.given] == [4, 4, 3]


@pytest.mark.parametrize("embedder", [Plain(), HistogramEmbedder()])
def test_no_large_picture_is_held_while_the_next_is_read(
    embedder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_so_far: list[weakref.ref[Image.Image]] = []
    most = 0
    original = images.upright_rgb

    def counted(name: str, picture: Image.Image) -> Image.Image:
        nonlocal most
        most = max(most, sum(each() is not None for each in made_so_far))
        made = original(name, picture)
        made_so_far.append(weakref.ref(made))
        return made

    monkeypatch.setattr(images, "upright_rgb", counted)
    monkeypatch.setattr(images, "HELD_PIXELS", 2_000)
    _, kept, _ = embed_usable_crops(embedder, files(tmp_path, [50] * 8))
    assert len(kept) == len(made_so_far) == 8
    assert most <= 1


def test_threads_decode_large_pictures_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "LARGE_PIXELS", 5_000)
    guard, inside, most = threading.Lock(), 0, 0
    original = images.upright_rgb

    def counted(name: str, picture: Image.Image) -> Image.Image:
        nonlocal inside, most
        if picture.width < 100:
            return original(name, picture)
        with guard:
            inside += 1
            most = max(most, inside)
        made = original(name, picture)
        with guard:
            inside -= 1
        return made

    monkeypatch.setattr(images, "upright_rgb", counted)
    crops = files(tmp_path, [120, 20] * 12)
    pixels = preprocess.decode(crops, 32, 16)
    assert pixels.shape == (24, 32, 16, 3)
    assert most == 1


FRAMES = """
import resource, struct, sys, zlib
from pathlib import Path
import numpy as np
from reidr.data.types import Crop
from reidr.retrieval.embedders.embedder import embed_usable_crops
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.retrieval.embedders.preprocess import decode
def chunk(name, body): return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
color, channels = int(sys.argv[1]), {2: 3, 6: 4}[int(sys.argv[1])]
data = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 6300, 6300, 8, color, 0, 0, 0))
data += chunk(b"IDAT", zlib.compress(b"\\0" * (6300 * channels + 1) * 6300, 1)) + chunk(b"IEND", b"")
path = Path(sys.argv[2]) / "f.png"
path.write_bytes(data)
del data
crops = [Crop(str(i), path) for i in range(6)]
embed_usable_crops(HistogramEmbedder(), crops)
decode(crops, 32, 16)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("color", [2, 6])  # RGB, and RGB with alpha
def test_six_frames_of_40_megapixels_stay_below_a_gigabyte(color: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FRAMES, str(color), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000


def test_a_network_smaller_than_the_smallest_picture_still_gets_its_pixels() -> None:
    """The least side holds for what somebody gives, not for what has been shrunk to a network's size."""
    pixels = preprocess.resize(Image.new("RGB", (2, 90), (1, 2, 3)), 90, 2)
    assert pixels.shape == (90, 2, 3)
    with pytest.raises(images.ImageError, match="too small"):
        preprocess.resize(Image.new("RGB", (2, 90)), SMALL.height, SMALL.width)
