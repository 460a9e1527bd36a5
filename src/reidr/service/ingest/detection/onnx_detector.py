"""A person detector from the user's own ONNX file, run by onnxruntime."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reidr.errors import MissingExtraError, WeightsError
from reidr.service.ingest.detection.decoding import (
    detr_detections,
    is_decoded,
    labelled_detections,
    yolox_boxes,
    yolox_detections,
)
from reidr.service.ingest.detection.detector import Detections
from reidr.service.ingest.detection.kinds import (
    IMAGENET,
    GraphFacts,
    Recognised,
    not_recognised,
    person_classes,
    recognise,
    strides_of,
)
from reidr.service.ingest.sources.frame import Pixels
from reidr.service.ingest.sources.video import INSTALL, content_key_of

GREY = 114  # what YOLOX lies its pictures on
NUMBERS: dict[str, Any] = {"tensor(int32)": np.int32, "tensor(float)": np.float32}  # in which sizes may be wanted
BATCH = 8  # frames at a time of a model that takes any number


class DetectorSettings(BaseModel):
    """What a detector's file does not say: the JSON file beside it, of the same name. Each key may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    person_classes: tuple[int, ...] | None = Field(None, min_length=1, description="numbers of the classes of people")
    height: int | None = Field(None, ge=32, le=4096, description="of the input, where the graph leaves it open")
    width: int | None = Field(None, ge=32, le=4096, description="of the input, where the graph leaves it open")
    normalise: Literal["none", "unit", "imagenet"] | None = Field(
        None, description="pixels as they are, divided by 255, or then normalised by ImageNet's mean and deviation"
    )
    channels: Literal["rgb", "bgr"] | None = None


class OnnxDetector:
    """A `PersonDetector`. Its kind is recognised from the graph (`kinds`)."""

    def __init__(self, session: Any, facts: GraphFacts, settings: DetectorSettings, fingerprint: str) -> None:
        """Recognise the kind and try it once. Raises WeightsError where it cannot be used."""
        self.session, self.path, self.fingerprint = session, facts.path, fingerprint
        self.name = Path(facts.path).stem
        graph = with_size(facts, settings)
        self.kind: Recognised = recognise(graph)
        self.people = settings.person_classes or person_classes(facts, self.kind.classes)
        usual = "none" if self.kind.kind == "yolox" else "imagenet" if self.kind.imagenet else "unit"
        self.normalise = settings.normalise or usual
        self.channels = settings.channels or ("bgr" if self.kind.kind == "yolox" else "rgb")
        first = facts.inputs[self.kind.picture][0]
        self.batch = int(first) if isinstance(first, int) and first > 0 else BATCH
        self.free_batch = self.batch is BATCH and not isinstance(first, int)
        self.half = session_type(session, self.kind.picture) == "tensor(float16)"
        self.strides: tuple[int, ...] = ()
        self.decoded = False
        self._try_once(facts)

    @classmethod
    def load(cls, path: Path) -> OnnxDetector:
        """The detector at `path`, with the `.json` beside it where there is one.

        Raises MissingExtraError without onnxruntime, WeightsError where the file is missing or cannot be used.
        """
        settings = read_settings(path)
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtraError(f"{path}: detectors need the packages of the extra `video`; {INSTALL}") from None
        import torch

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()  # one setting governs both runtimes
        usable = [each for each in ("CUDAExecutionProvider",) if each in onnxruntime.get_available_providers()]
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=[*usable, "CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions share no base class of their own
            raise WeightsError(f"{path}: onnxruntime cannot load it ({first_line(error)})") from None
        facts = GraphFacts(
            str(path),
            path.with_suffix(".json").name,
            {entry.name: tuple(entry.shape) for entry in session.get_inputs()},
            {entry.name: tuple(entry.shape) for entry in session.get_outputs()},
            dict(session.get_modelmeta().custom_metadata_map),
        )
        digest = hashlib.sha256(settings.model_dump_json().encode() + content_key_of(path).encode())
        return cls(session, facts, settings, digest.hexdigest())

    def detect(self, frames: Sequence[Pixels]) -> list[Detections]:
        """See `PersonDetector`. Raises WeightsError where the model fails."""
        found: list[Detections] = []
        for start in range(0, len(frames), self.batch):
            found += self._detect(frames[start : start + self.batch])
        return found

    def _detect(self, frames: Sequence[Pixels]) -> list[Detections]:
        outputs = self._run(frames)
        return [self._decode([output[row] for output in outputs], frame) for row, frame in enumerate(frames)]

    def _run(self, frames: Sequence[Pixels]) -> list[NDArray[Any]]:
        """The outputs that the kind needs, with a row for each frame (and perhaps more, of a fixed batch)."""
        blank = [frames[0]] * (0 if self.free_batch else self.batch - len(frames))
        given = [*frames, *blank]
        pixels = np.stack([self.prepared(frame) for frame in given])
        feed: dict[str, Any] = {self.kind.picture: pixels.astype(np.float16) if self.half else pixels}
        if self.kind.sizes is not None:
            sizes = np.array([[frame.shape[1], frame.shape[0]] for frame in given])
            feed[self.kind.sizes] = sizes.astype(NUMBERS.get(session_type(self.session, self.kind.sizes), np.int64))
        try:
            return [np.asarray(each) for each in self.session.run(list(self.kind.outputs), feed)]
        except Exception as error:  # see load
            raise WeightsError(f"{self.path}: cannot look at a frame ({first_line(error)})") from None

    def _decode(self, outputs: list[NDArray[Any]], frame: Pixels) -> Detections:
        size = frame.shape[1], frame.shape[0]
        if self.kind.kind == "detr-sizes":
            boxes, scores, labels = outputs
            return labelled_detections(as_reals(boxes), as_reals(scores), labels, self.people, size)
        if self.kind.kind == "detr":
            boxes, logits = outputs
            return detr_detections(as_reals(boxes), as_reals(logits), self.people, size)
        rows = as_reals(outputs[0])
        boxes = yolox_boxes(rows, self.kind.height, self.kind.width, self.strides, self.decoded)
        return yolox_detections(rows, boxes, self.people, self._scale(frame), size)

    def _scale(self, frame: Pixels) -> float:
        """Input pixels per frame pixel, where the whole frame must fit without being squeezed."""
        return min(self.kind.height / frame.shape[0], self.kind.width / frame.shape[1])

    def prepared(self, frame: Pixels) -> NDArray[np.float32]:
        """(3, height, width) float32: the frame as the kind wants it, at the input's upper left or filling it."""
        height, width = self.kind.height, self.kind.width
        picture = Image.fromarray(frame)
        if self.kind.kind == "yolox":
            scale = self._scale(frame)
            size = max(1, int(frame.shape[1] * scale)), max(1, int(frame.shape[0] * scale))
            whole = np.full((height, width, 3), GREY, np.uint8)
            whole[: size[1], : size[0]] = np.asarray(picture.resize(size, Image.Resampling.BILINEAR))
        else:
            whole = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
        ordered = whole[..., ::-1] if self.channels == "bgr" else whole
        pixels: NDArray[np.float32] = ordered.astype(np.float32)
        if self.normalise != "none":
            pixels /= 255
        if self.normalise == "imagenet":
            mean, deviation = (np.array(each, np.float32) for each in IMAGENET)
            pixels = ((pixels - mean) / deviation).astype(np.float32)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))

    def _try_once(self, facts: GraphFacts) -> None:
        """Look at one grey frame: a model that fails does so now, and YOLOX shows whether its boxes are decoded."""
        frame = np.full((self.kind.height, self.kind.width, 3), GREY, np.uint8)
        outputs = self._run([frame])
        classes = outputs[1].shape[-1] if self.kind.kind == "detr" else None
        if self.kind.kind == "yolox":
            rows = as_reals(outputs[0][0])
            strides = strides_of(self.kind.height, self.kind.width, len(rows))
            if strides is None:
                raise not_recognised(facts)
            self.strides, classes = strides, rows.shape[1] - 5
            self.decoded = is_decoded(rows, self.kind.height, self.kind.width, strides)
        if classes is not None and max(self.people) >= classes:
            raise WeightsError(
                f"{self.path}: has {classes} classes, counted from 0; person class {max(self.people)} is none"
            )
        self._decode([output[0] for output in outputs], frame)


def read_settings(path: Path) -> DetectorSettings:
    """The settings beside a detector; all of them open where there is no file.

    Raises WeightsError where the detector is missing or the file beside it is wrong.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such detector; name the ONNX file of a person detector")
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file():
        return DetectorSettings()
    try:
        return DetectorSettings.model_validate_json(sidecar.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        keys = ", ".join(DetectorSettings.model_fields)
        raise WeightsError(f"{sidecar}: {place}: {first['msg']}; the keys are {keys}") from None


def with_size(facts: GraphFacts, settings: DetectorSettings) -> GraphFacts:
    """The same facts with the size of a picture that the settings say, where the graph leaves it open."""
    inputs = {
        name: (*shape[:2], *(
            size if isinstance(size, int) and size > 0 else said
            for size, said in zip(shape[2:], (settings.height, settings.width), strict=True)
        )) if len(shape) == 4 else shape
        for name, shape in facts.inputs.items()
    }  # fmt: skip
    return GraphFacts(facts.path, facts.sidecar, inputs, facts.outputs, facts.metadata)


def session_type(session: Any, name: str) -> str:
    """The type of an input, as onnxruntime calls it."""
    return str(next(entry.type for entry in session.get_inputs() if entry.name == name))


def as_reals(values: NDArray[Any]) -> NDArray[np.float32]:
    """Values in single precision."""
    return np.asarray(values, dtype=np.float32)


def first_line(error: Exception) -> str:
    """The error's first line of text."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
