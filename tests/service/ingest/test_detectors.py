"""Detectors of the usual kinds, recognised from their graphs: one person, found where they stand by each of them."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filming import WIDTH, boxes_at, constant_detector, drawn_frame, film, knowing_detector
from numpy.typing import NDArray

from reidr.errors import MissingExtraError, WeightsError
from reidr.service.ingest.detection.decoding import is_decoded, without_copies
from reidr.service.ingest.detection.detector import Detections, within
from reidr.service.ingest.detection.loading import load_detector
from reidr.service.ingest.sources.video import VideoFile

SIDE, FRAME = 64, (160, 80)  # of the input; (height, width) of the frame: half as large is what fits
BOX = (10.0, 20.0, 50.0, 140.0)  # in the frame
STRIDES = (8, 16, 32)


def yolox_rows(
    box: tuple[float, ...], scale: float, classes: int = 80, person: int = 0
) -> tuple[NDArray[Any], NDArray[Any]]:
    """What YOLOX gives for one box, before and after its own decoding, cell by cell."""
    raw, decoded = [], []
    middle = [(box[0] + box[2]) / 2 * scale, (box[1] + box[3]) / 2 * scale]
    sides = [(box[2] - box[0]) * scale, (box[3] - box[1]) * scale]
    for stride in STRIDES:
        for row in range(SIDE // stride):
            for column in range(SIDE // stride):
                here = stride == 16 and column == middle[0] // 16 and row == middle[1] // 16
                offset = [middle[0] / stride - column, middle[1] / stride - row] if here else [0.5, 0.4]
                size = [math.log(side / stride) for side in sides] if here else [0.1, 0.2]
                scores = [0.0] * classes
                scores[person] = 0.9 if here else 0.01
                tail = [0.95 if here else 0.02, *scores]
                raw.append([*offset, *size, *tail])
                decoded.append(
                    [
                        (offset[0] + column) * stride,
                        (offset[1] + row) * stride,
                        *(math.exp(s) * stride for s in size),
                        *tail,
                    ]
                )
    return np.array([raw], np.float32), np.array([decoded], np.float32)


def shares(box: tuple[float, ...]) -> list[float]:
    """Middle and sides in shares of the frame."""
    height, width = FRAME
    return [
        (box[0] + box[2]) / 2 / width,
        (box[1] + box[3]) / 2 / height,
        (box[2] - box[0]) / width,
        (box[3] - box[1]) / height,
    ]


def detr_outputs(classes: int, person: int) -> tuple[NDArray[Any], NDArray[Any]]:
    boxes = np.full((1, 6, 4), 0.5, np.float32)
    boxes[0, 2] = shares(BOX)
    logits = np.full((1, 6, classes), -6.0, np.float32)
    logits[0, 2, person] = 2.0
    logits[0, 4, (person + 1) % classes] = 5.0  # something else
    return boxes, logits


def model(path: Path, kind: str) -> Path:
    """A detector that sees one person at BOX."""
    picture: dict[str, list[int | str]] = {"images": [1, 3, SIDE, SIDE]}
    raw, decoded = yolox_rows(BOX, SIDE / FRAME[0])
    if kind == "yolox":
        return constant_detector(path, picture, {"output": raw})
    if kind == "yolox decoded":
        return constant_detector(path, picture, {"output": decoded})
    if kind == "rt-detr of transformers":
        boxes, logits = detr_outputs(80, 0)
        return constant_detector(path, {"pixel_values": [1, 3, SIDE, SIDE]}, {"logits": logits, "pred_boxes": boxes})
    if kind == "rf-detr":
        boxes, logits = detr_outputs(91, 1)
        return constant_detector(path, {"input": [1, 3, SIDE, SIDE]}, {"dets": boxes, "labels": logits})
    labels = np.array([[0, 0, 7]], np.int64)
    scores = np.array([[0.9, 0.05, 0.95]], np.float32)
    boxes = np.array([[BOX, (0, 0, 20, 40), (5, 5, 60, 60)]], np.float32)
    outputs = {"labels": labels, "boxes": boxes, "scores": scores}
    return constant_detector(path, {**picture, "orig_target_sizes": [1, 2]}, outputs)


@pytest.mark.parametrize("kind", ["yolox", "yolox decoded", "rt-detr of transformers", "rf-detr", "d-fine"])
def test_each_kind_finds_the_person(tmp_path: Path, kind: str) -> None:
    detector = load_detector(str(model(tmp_path / "model.onnx", kind)))
    frames = [np.full((*FRAME, 3), shade, np.uint8) for shade in (20, 200)]
    for found in detector.detect(frames):
        assert len(found) == 1
        assert found.boxes[0] == pytest.approx(BOX, abs=0.1)
        assert found.scores[0] == pytest.approx(
            {"yolox": 0.855, "yolox decoded": 0.855, "d-fine": 0.9}.get(kind, 0.881), abs=0.01
        )


def test_how_pictures_are_prepared(tmp_path: Path) -> None:
    frame = np.zeros((*FRAME, 3), np.uint8)
    frame[..., 0] = 255  # red
    yolox = load_detector(str(model(tmp_path / "yolox.onnx", "yolox"))).prepared(frame)  # type: ignore[attr-defined]
    assert yolox.shape == (3, SIDE, SIDE)
    # Half the width is the frame, blue first; the rest is grey.
    assert yolox[:, 30, 10].tolist() == [0, 0, 255]
    assert yolox[:, 30, 50].tolist() == [114, 114, 114]
    plain = load_detector(str(model(tmp_path / "rt.onnx", "rt-detr of transformers"))).prepared(frame)  # type: ignore[attr-defined]
    assert plain[:, 30, 50].tolist() == [1, 0, 0]
    imagenet = load_detector(str(model(tmp_path / "rf.onnx", "rf-detr"))).prepared(frame)  # type: ignore[attr-defined]
    assert imagenet[:, 30, 50] == pytest.approx([(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225])


def test_whether_yolox_is_decoded_shows() -> None:
    raw, decoded = yolox_rows(BOX, 0.4)
    assert not is_decoded(raw[0], SIDE, SIDE, STRIDES)
    assert is_decoded(decoded[0], SIDE, SIDE, STRIDES)


def test_a_model_of_any_batch_size_gets_several_frames_at_once(tmp_path: Path) -> None:
    one = load_detector(str(knowing_detector(tmp_path / "one.onnx")))
    many = load_detector(str(knowing_detector(tmp_path / "many.onnx", batch="batch")))
    fixed = load_detector(str(knowing_detector(tmp_path / "three.onnx", batch=3)))
    assert (one.batch, many.batch, fixed.batch) == (1, 8, 3)
    frames = [drawn_frame(number, boxes_at(number)) for number in (0, 5, 9, 20, 33)]
    for detector in (one, many, fixed):
        for number, found in zip((0, 5, 9, 20, 33), detector.detect(frames), strict=True):
            assert sorted(found.boxes.tolist()) == [pytest.approx(box, abs=0.01) for box in sorted(boxes_at(number))]


PICTURE: dict[str, list[int | str]] = {"images": [1, 3, 64, 64]}


def detr(classes: int) -> dict[str, NDArray[Any]]:
    return {"logits": np.zeros((1, 5, classes), np.float32), "pred_boxes": np.zeros((1, 5, 4), np.float32)}


@pytest.mark.parametrize(
    ("inputs", "outputs", "sentence"),
    [
        ({"x": [1, 10]}, {"y": np.zeros((1, 5), np.float32)}, "not recognised as a .*: inputs x 1x10; outputs y 1x5"),
        (PICTURE, {"y": np.zeros((1, 100, 84), np.float32)}, "not recognised .*docs/index-video.md"),
        ({**PICTURE, "more": [1, 3, 64, 64]}, {"y": np.zeros((1, 84, 85), np.float32)}, "not recognised"),
        ({"images": [1, 3, "h", "w"]}, detr(80), r"leaves the size .* open; say it in model.json .*\"height\": 640"),
        (PICTURE, detr(7), r"has 7 classes and does not say which of them is a person; .*model.json .*person_classes"),
    ],
)
def test_what_is_not_recognised_is_said(tmp_path: Path, inputs: Any, outputs: Any, sentence: str) -> None:
    path = constant_detector(tmp_path / "model.onnx", inputs, outputs)
    with pytest.raises(WeightsError, match=sentence):
        load_detector(str(path))


def test_class_names_in_the_file_say_who_is_a_person(tmp_path: Path) -> None:
    boxes, logits = detr_outputs(3, 2)
    for names, usable in (("{0: 'car', 1: 'dog', 2: 'Person'}", True), ("['car', 'dog', 'bus']", False)):
        path = constant_detector(
            tmp_path / "model.onnx", {"x": [1, 3, SIDE, SIDE]}, {"logits": logits, "boxes": boxes}, {"names": names}
        )
        if usable:
            [found] = load_detector(str(path)).detect([np.zeros((*FRAME, 3), np.uint8)])
            assert found.boxes[0] == pytest.approx(BOX, abs=0.1)
        else:
            with pytest.raises(WeightsError, match=r"none of its classes is a person \(it knows car, dog, bus\)"):
                load_detector(str(path))


def test_the_file_beside_it_decides(tmp_path: Path) -> None:
    boxes, logits = detr_outputs(7, 3)
    path = constant_detector(tmp_path / "model.onnx", {"x": ["n", 3, "h", "w"]}, {"logits": logits, "boxes": boxes})
    sidecar = tmp_path / "model.json"
    sidecar.write_text(json.dumps({"person_classes": [3], "height": 32, "width": 48, "normalise": "none"}))
    detector = load_detector(str(path))
    assert detector.prepared(np.full((*FRAME, 3), 200, np.uint8)).shape == (3, 32, 48)  # type: ignore[attr-defined]
    first = detector.fingerprint
    sidecar.write_text(json.dumps({"person_classes": [9], "height": 32, "width": 48}))
    with pytest.raises(WeightsError, match="has 7 classes, counted from 0; person class 9 is none"):
        load_detector(str(path))
    sidecar.write_text(json.dumps({"person_classes": [3], "height": 32, "width": 48}))
    assert load_detector(str(path)).fingerprint != first
    sidecar.write_text('{"person": 3}')
    with pytest.raises(WeightsError, match=r"model.json: person: .*the keys are person_classes, height"):
        load_detector(str(path))


def test_files_that_are_no_detectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    for source, sentence in (
        ("text.onnx", "onnxruntime cannot load it"),
        ("missing.onnx", "no such detector"),
        ("weights.pt", "not a detector; give an .onnx file"),
    ):
        with pytest.raises(WeightsError, match=sentence):
            load_detector(str(tmp_path / source))
    path = knowing_detector(tmp_path / "model.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'reidr\[video\]'"):
        load_detector(str(path))


def test_boxes_stay_within_the_frame() -> None:
    boxes = np.array(
        [[-5, -5, 30, 60], [10, 10, 11, 90], [0, 0, np.nan, 5], [70, 10, 200, 90], [0, 0, 50, 50]], np.float32
    )
    found = within(boxes, np.array([0.9, 0.9, 0.9, 0.8, 0.05], np.float32), 80, 160)
    assert found.boxes.tolist() == [[0, 0, 30, 60], [70, 10, 80, 90]]
    assert found.scores.tolist() == pytest.approx([0.9, 0.8])


def test_one_box_a_person() -> None:
    """Beside a naive twin: the best first, whatever overlaps it by more than half goes."""
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 60, (40, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(20, 50, (40, 2))], axis=1).astype(np.float32)
    scores = rng.permutation(40).astype(np.float32) / 40
    kept: list[int] = []
    for place in np.argsort(-scores):
        if all(overlap(boxes[place], boxes[other]) <= 0.5 for other in kept):
            kept.append(int(place))
    found = without_copies(Detections(boxes, scores))
    assert sorted(found.scores.tolist()) == sorted(scores[kept].tolist())


def overlap(one: NDArray[Any], other: NDArray[Any]) -> float:
    wide = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    high = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(wide * high / (sum(areas) - wide * high))


def test_the_knowing_detector_sees_what_is_filmed(tmp_path: Path) -> None:
    """The number in the corner survives the codec, so that tests of the whole way stand on it."""
    detector = load_detector(str(knowing_detector(tmp_path / "model.onnx")))
    for frame in VideoFile(film(tmp_path / "film.mp4", 12), "gate").frames(0):
        [found] = detector.detect([frame.pixels])
        assert sorted(found.boxes.tolist()) == [
            pytest.approx(box, abs=0.01) for box in sorted(boxes_at(frame.place.number))
        ]
        assert frame.pixels.shape[1] == WIDTH


def test_a_detector_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_detector.py").write_text(
        "class Own:\n    name, fingerprint, batch = 'own', 'f', 2\n    def detect(self, frames):\n        return []\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert load_detector("own_detector:Own").batch == 2
    with pytest.raises(WeightsError, match="cannot import"):
        load_detector("nowhere_at_all:Own")
