"""The detector that an option names."""

from __future__ import annotations

from pathlib import Path

from reidr.core.extensions import is_dotted_path, make_object
from reidr.errors import WeightsError
from reidr.service.ingest.detection.detector import PersonDetector
from reidr.service.ingest.detection.onnx_detector import OnnxDetector

NEEDED = ("name", "fingerprint", "batch", "detect")


def load_detector(source: str) -> PersonDetector:
    """The detector that an option names: an .onnx file, or `module:factory`.

    Raises WeightsError where it cannot be used, MissingExtraError without onnxruntime.
    """
    if is_dotted_path(source) and not Path(source).exists():
        made: PersonDetector = make_object(source, "detector", NEEDED, WeightsError)
        return made
    if not source.endswith(".onnx"):
        raise WeightsError(f"{source}: not a detector; give an .onnx file, or one of your own as module:factory")
    return OnnxDetector.load(Path(source))
