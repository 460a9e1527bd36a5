"""Tiny videos of two drawn people, and detectors in ONNX that know where they are.

Each frame carries its number as six black or white blocks in its upper left corner. The detector of
`knowing_detector` reads them from the pixels that it is given, and looks the boxes up in a table: it sees what is in
the frame, not when it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from reidr.data.synthetic import StreetSettings, street_crops

WIDTH, HEIGHT, BITS, BLOCK = 320, 240, 6, 16
FRAMES, RATE = 40, 10
Box = tuple[float, float, float, float]


@cache
def drawn_people() -> tuple[tuple[Image.Image, ...], ...]:
    """Crops of two people of the rendered street, taken by several cameras."""
    settings = StreetSettings(seed=3, cameras=3, test_people=2, cameras_per_person=3, crops_per_camera=2, distractors=0,
                              junk=0, absent=0.0, changing=0.0, group=1)  # fmt: skip
    own: dict[str, list[Image.Image]] = {}
    for crop in street_crops(settings, "gallery"):
        assert isinstance(crop.image, Image.Image)
        if crop.person is not None:
            own.setdefault(crop.person, []).append(crop.image.resize((40, 96)))
    first, second = own.values()
    return tuple(first), tuple(second)


def boxes_at(frame: int) -> list[Box]:
    """Where the two are: one walks to the right in all frames, one to the left and leaves after three quarters."""
    boxes: list[Box] = [(10.0 + 5 * frame, 100.0, 50.0 + 5 * frame, 196.0)]
    if frame < 30:
        boxes.append((260.0 - 6 * frame, 30.0, 300.0 - 6 * frame, 126.0))
    return boxes


def drawn_frame(number: int, boxes: Sequence[Box]) -> NDArray[np.uint8]:
    """One frame with its number in the corner and a person in each box."""
    frame = Image.new("RGB", (WIDTH, HEIGHT), (150, 160, 150))
    for who, box in enumerate(boxes):
        pictures = drawn_people()[who]
        frame.paste(pictures[number // 8 % len(pictures)], (round(box[0]), round(box[1])))
    pixels = np.array(frame)
    for bit in range(BITS):
        pixels[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 255 if number >> bit & 1 else 0
    return pixels


def film(
    path: Path,
    frames: int = FRAMES,
    where: Callable[[int], list[Box]] = boxes_at,
    times: Sequence[int] | None = None,
    **options: Any,
) -> Path:
    """Write a video of RATE frames a second, or with the time stamps `times` in thousandths of a second."""
    with av.open(str(path), "w", **options) as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "12", "g": "12"}
        stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(drawn_frame(number, where(number)), format="rgb24")
            frame.pts = times[number] if times is not None else number * 1000 // RATE
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def knowing_detector(
    path: Path,
    where: Callable[[int], list[Box]] = boxes_at,
    frames: int = 1 << BITS,
    batch: int | str = 1,
    score: float = 0.95,
) -> Path:
    """A detector of the kind "boxes and logits" with one class, for frames of `film`."""
    queries = 3
    boxes = np.full((frames, queries, 4), 0.5, np.float32)
    logits = np.full((frames, queries, 1), -8.0, np.float32)
    for number in range(frames):
        for place, (left, top, right, bottom) in enumerate(where(number)):
            middle = [(left + right) / 2 / WIDTH, (top + bottom) / 2 / HEIGHT]
            boxes[number, place] = [*middle, (right - left) / WIDTH, (bottom - top) / HEIGHT]
            logits[number, place] = np.log(score / (1 - score))
    columns = np.arange(BITS) * BLOCK + BLOCK // 2
    constants = {
        "row": np.array(BLOCK // 2), "columns": columns, "red": np.array(0), "half": np.array(0.5, np.float32),
        "powers": (2.0 ** np.arange(BITS)).astype(np.float32), "all_boxes": boxes, "all_logits": logits,
    }  # fmt: skip
    nodes = [
        helper.make_node("Gather", ["pixel_values", "row"], ["one_row"], axis=2),
        helper.make_node("Gather", ["one_row", "columns"], ["cells"], axis=2),
        helper.make_node("Gather", ["cells", "red"], ["bits"], axis=1),
        helper.make_node("Greater", ["bits", "half"], ["lit"]),
        helper.make_node("Cast", ["lit"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["ones", "powers"], ["number"]),
        helper.make_node("Cast", ["number"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["all_boxes", "place"], ["pred_boxes"], axis=0),
        helper.make_node("Gather", ["all_logits", "place"], ["logits"], axis=0),
    ]
    inputs = {"pixel_values": [batch, 3, HEIGHT, WIDTH]}
    return save_graph(
        path, nodes, inputs, {"logits": [batch, queries, 1], "pred_boxes": [batch, queries, 4]}, constants
    )


def constant_detector(
    path: Path,
    inputs: dict[str, list[int | str]],
    outputs: dict[str, NDArray[Any]],
    metadata: dict[str, str] | None = None,
) -> Path:
    """A detector that gives the same whatever it is shown."""
    nodes = [helper.make_node("Identity", [f"kept {name}"], [name]) for name in outputs]
    shapes = {name: list(values.shape) for name, values in outputs.items()}
    constants = {f"kept {name}": values for name, values in outputs.items()}
    return save_graph(path, nodes, inputs, shapes, constants, metadata)


def save_graph(
    path: Path,
    nodes: list[Any],
    inputs: dict[str, Any],
    outputs: dict[str, Any],
    constants: dict[str, NDArray[Any]],
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write an ONNX file of float values; sizes of frames are whole numbers, and so are labels with two sides."""

    def kind(name: str, shape: Sequence[Any]) -> int:
        whole = name == "orig_target_sizes" or (name == "labels" and len(shape) == 2)
        return TensorProto.INT64 if whole else TensorProto.FLOAT

    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info(name, kind(name, shape), shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind(name, shape), shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, str(path))
    return path
