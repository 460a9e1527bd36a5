"""ONNX models as embedders, ours or anybody's, and the export of a trained retriever."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reidr.core.notices import warn_once
from reidr.core.run import prepare_folder
from reidr.core.storage.files import replacing
from reidr.errors import MissingExtraError, WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from reidr.retrieval.embedders.retriever import Retriever

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PREPROCESSING = "reidr.preprocessing"
"""Name of the metadata in which an exported file carries its `OnnxSettings`."""
INSTALL = "install with: pip install 'reidr[onnx]'"


class OnnxSettings(BaseModel):
    """Preprocessing of an ONNX embedder: the JSON file beside the model, of the same name, or the model's metadata.

    Without either, the size is the graph's own, and mean and deviation are ImageNet's; that is said once. Pixels are
    divided by 255 before `mean` and `std` apply; for a model that takes 0 to 255, mean is 0 and std 1/255.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    height: int = Field(ge=1, le=4096, description="input height in pixels")
    width: int = Field(ge=1, le=4096, description="input width in pixels")
    mean: tuple[float, float, float] = Field(IMAGENET_MEAN, description="per channel, in the model's channel order")
    std: tuple[float, float, float] = Field(IMAGENET_STD, description="per channel, in the model's channel order")
    flip: bool = Field(False, description="average the embedding of a crop and of its mirror image")
    channels: Literal["rgb", "bgr"] = "rgb"
    trained_on: tuple[str, ...] = Field((), description="data sets that it was trained on, by their names or folders")


class OnnxEmbedder:
    """An ONNX model with one image input (N, 3, height, width) and embeddings (N, D) as first output."""

    def __init__(self, session: Any, settings: OnnxSettings, path: Path, fingerprint: str) -> None:
        self.session = session
        self.settings = settings
        self.path = path
        self.name = path.stem
        self.fingerprint = fingerprint
        self.trained_on = settings.trained_on

    @classmethod
    def load(cls, path: str | Path) -> OnnxEmbedder:
        """The model at `path` with its preprocessing from the `.json` beside it (`person.onnx`, `person.json`), else
        from its own metadata (`reidr export-onnx`), else with that of ImageNet in the size that its graph has.

        Raises MissingExtraError without onnxruntime and WeightsError when a file is missing or does not fit.
        """
        path = Path(path)
        given = read_settings(path)
        try:
            import onnx  # noqa: F401 - names the files that the weights lie in
            import onnxruntime
        except ImportError:
            raise MissingExtraError(f"{path}: ONNX models need onnx and onnxruntime; {INSTALL}") from None
        import torch

        options = onnxruntime.SessionOptions()
        # One setting governs both runtimes; by itself onnxruntime would take every core.
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions share no base class of their own
            raise WeightsError(f"{path}: onnxruntime cannot load it ({one_line(error)})") from None
        settings = given or carried_settings(path, session) or assumed_settings(path, session.get_inputs())
        check_input(path, session.get_inputs(), settings)
        stored = settings.model_dump_json(exclude={"trained_on"})  # as before there was this field
        digest = hashlib.sha256(stored.encode() + repr(session.get_providers()).encode())
        for part in [path, *external_files(path)]:
            digest.update(part.name.encode("utf-8", "surrogateescape") + bytes.fromhex(content_digest(part)))
        embedder = cls(session, settings, path, digest.hexdigest())
        embedder.embed_pictures([Image.new("RGB", (settings.width, settings.height), (90, 120, 150))])
        return embedder

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) to which every picture is resized."""
        return self.settings.height, self.settings.width

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """(N, D) float32 unit rows for N RGB pictures of any size. Raises WeightsError for a useless output."""
        from reidr.retrieval.embedders.preprocess import normalise, resize

        settings = self.settings
        if not pictures:
            return np.empty((0, 0), dtype=np.float32)
        batch = np.stack([resize(picture, settings.height, settings.width) for picture in pictures])
        if settings.channels == "bgr":
            batch = batch[..., ::-1]
        pixels = np.ascontiguousarray(normalise(batch, settings.mean, settings.std).numpy())
        features = self.run(pixels)
        if settings.flip:
            features = self.unit(features + self.run(np.ascontiguousarray(pixels[..., ::-1])))
        return features

    def run(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, 3, height, width) float32 → (N, D) unit rows, one by one where the model's batch is fixed to 1."""
        entry = self.session.get_inputs()[0]
        step = 1 if entry.shape[0] == 1 else len(pixels)
        parts = []
        for start in range(0, len(pixels), step):
            part = pixels[start : start + step]
            try:
                found = np.asarray(self.session.run(None, {entry.name: part})[0])
            except Exception as error:  # see load
                raise WeightsError(f"{self.path}: cannot embed {part.shape} pixels ({one_line(error)})") from None
            if found.ndim < 2 or found.size != len(part) * found.shape[1] or len(found) != len(part):
                raise WeightsError(f"{self.path}: gives {found.shape} for {len(part)} pictures instead of (N, D)")
            parts.append(found.reshape(len(part), -1).astype(np.float32))
        return self.unit(np.concatenate(parts))

    def unit(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows divided by their lengths."""
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise WeightsError(f"{self.path}: gives an embedding of zeros, NaN or infinity; check its preprocessing")
        return (features / lengths).astype(np.float32)


def external_files(path: Path) -> list[Path]:
    """The files beside the model at `path` that hold its weights, sorted: they may have any name, the model says which.

    Raises WeightsError for a model that the package onnx cannot read.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path), load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot read where it keeps its weights ({one_line(error)})") from None
    locations = {
        entry.value for tensor in tensors_of(model) for entry in tensor.external_data if entry.key == "location"
    }
    return sorted(path.parent / location for location in locations)


def tensors_of(message: Any) -> Iterator[Any]:
    """Every tensor within a protobuf message: initialisers, constants, subgraphs, functions, sparse parts."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from tensors_of(part)


def content_digest(path: Path) -> str:
    """SHA-256 of a file of weights, read in blocks. Raises WeightsError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from None


def read_settings(path: Path) -> OnnxSettings | None:
    """The preprocessing of the model at `path`, None where no file says it.

    Raises WeightsError when the model is missing or the file beside it is wrong.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such ONNX file")
    sidecar = path.with_suffix(".json")
    keys = ", ".join(OnnxSettings.model_fields)
    if not sidecar.is_file():
        return None
    try:
        settings = OnnxSettings.model_validate_json(sidecar.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise WeightsError(f"{sidecar}: {place}: {first['msg']}; the keys are {keys}") from None
    if min(settings.std) <= 0:
        raise WeightsError(f"{sidecar}: std {settings.std} must be above 0")
    return settings


def carried_settings(path: Path, session: Any) -> OnnxSettings | None:
    """The preprocessing that an exported file carries itself, None where it has none.

    Raises WeightsError where it is wrong.
    """
    text = session.get_modelmeta().custom_metadata_map.get(PREPROCESSING)
    if text is None:
        return None
    try:
        return OnnxSettings.model_validate_json(text)
    except ValidationError as error:
        raise WeightsError(f"{path}: its metadata {PREPROCESSING}: {error.errors()[0]['msg']}") from None


def assumed_settings(path: Path, inputs: Sequence[Any]) -> OnnxSettings:
    """The size that the graph has, with ImageNet's mean and deviation; said once, since other models need others.

    Raises WeightsError where the graph leaves its size open.
    """
    sidecar = path.with_suffix(".json")
    height, width = inputs[0].shape[2:] if len(inputs) == 1 and len(inputs[0].shape) == 4 else (None, None)
    if not isinstance(height, int) or not isinstance(width, int):
        found = "; ".join(f"{entry.name} {entry.shape}" for entry in inputs) or "none"
        raise WeightsError(
            f"{path}: its inputs ({found}) leave the size of a picture open; say it in {sidecar.name} beside it, with"
            ' for example {"height": 256, "width": 128}'
        )
    settings = OnnxSettings(height=height, width=width)
    warn_once(
        f"{path}: no {sidecar.name} says how it wants its pictures; taken: {height}x{width} as in its graph, RGB, mean"
        f" {IMAGENET_MEAN} and deviation {IMAGENET_STD} of ImageNet, no mirror image",
        about=f"preprocessing of {path}",
    )
    return settings


def check_input(path: Path, inputs: Sequence[Any], settings: OnnxSettings) -> None:
    """Raise WeightsError unless there is one float input that takes pictures of the settings' size."""
    wanted = (1, 3, settings.height, settings.width)
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
        found = "; ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in inputs) or "none"
        raise WeightsError(f"{path}: needs one float input (N, 3, height, width), but its inputs are: {found}")
    # Free dimensions are names or None; a fixed one is a number.
    if any(isinstance(have, int) and have != want for have, want in zip(inputs[0].shape, wanted, strict=True)):
        sidecar = path.with_suffix(".json").name
        raise WeightsError(f"{path}: takes {inputs[0].shape}, but one picture as {sidecar} says is {list(wanted)}")


def export_onnx(retriever: Retriever, path: str | Path) -> None:
    """Write the retriever's network to `path` (any batch size), with its preprocessing in the file's metadata.

    Raises MissingExtraError without the packages onnx and onnxscript.
    """
    import torch

    settings = retriever.settings
    preprocessing = OnnxSettings(
        height=settings.height,
        width=settings.width,
        mean=settings.mean,
        std=settings.std,
        flip=settings.flip,
        trained_on=tuple(PurePath(data).name for data in retriever.trained_on),
    )
    pixels = torch.zeros(2, 3, settings.height, settings.width)
    write_onnx(retriever.network, pixels, Path(path), "embedding", {PREPROCESSING: preprocessing.model_dump_json()})


def write_onnx(network: nn.Module, pixels: Tensor, path: Path, output: str, metadata: Mapping[str, str]) -> None:
    """Write a network from (N, 3, height, width) `pixels` to one `output` as an ONNX file, for any N.

    Args:
        pixels: an example of two pictures. metadata: texts that the file carries by name.

    Raises MissingExtraError without the packages onnx and onnxscript.
    """
    absent = [package for package in ("onnx", "onnxscript") if find_spec(package) is None]
    if absent:
        raise MissingExtraError(f"export to ONNX needs {' and '.join(absent)}; {INSTALL}")
    import onnx
    import torch

    prepare_folder(path.parent)
    with replacing(path, private=False) as partial, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch about itself
        torch.onnx.export(
            network,
            (pixels,),
            str(partial),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=["pixels"],
            output_names=[output],
            external_data=False,
            verbose=False,
        )
        model = onnx.load(str(partial))
        onnx.helper.set_model_props(model, dict(metadata))
        partial.write_bytes(model.SerializeToString())


def one_line(error: Exception) -> str:
    """The error's first line of text."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
