"""The retriever: a small image embedder that is fast and sees every crop."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reidr.core.checks import one_of
from reidr.core.run import prepare_folder
from reidr.core.storage.files import save_safetensors, write_text
from reidr.data.sketch import TrainingData
from reidr.errors import WeightsError
from reidr.retrieval.embedders.attribute_recognition import Calibrations, ValueCalibration
from reidr.retrieval.embedders.precision import Precision, fast_fingerprint

if TYPE_CHECKING:
    from reidr.retrieval.embedders.fast_network import FastNetwork
    from reidr.retrieval.embedders.network import NetworkSettings, RetrieverNetwork

SHIPPED = Path(__file__).parent.parent / "presets"
DEFAULT = "lite"
SETTINGS_FILE, WEIGHTS_FILE = "retriever.json", "model.safetensors"
THRESHOLD_CROPS = "threshold_crops"


class Retriever:
    """A trained network with its preprocessing. Load one with `Retriever.load()`; it is an `Embedder`."""

    def __init__(
        self,
        network: RetrieverNetwork,
        name: str,
        fingerprint: str,
        trained_on: tuple[str, ...] = (),
        thresholds: Mapping[str, float] | None = None,
        held_out: tuple[float, int] | None = None,
    ) -> None:
        """Wrap a trained network.

        Args:
            trained_on: names of its training data sets. thresholds: by wanted FPIR (`"0.1"`) the distance chosen on
                training identities it never saw; beyond it a search should answer "not in the gallery".
            held_out: (share, seed) by which those identities were set aside (`hold_out_identities`); None: unknown.
        """
        self.network = network.eval()
        self.settings: NetworkSettings = network.settings
        self.name = name
        self.fingerprint = fingerprint
        self.trained_on = trained_on
        self.thresholds = dict(thresholds or {})
        self.threshold_crops: float | None = None  # crops that a search was compared with where these were chosen
        self.held_out = held_out
        self.attributes: Calibrations = {}  # calibration of the attributes that its network recognises, if any
        self.recogniser: str | None = None  # the shipped retriever whose network recognises attributes in its place
        self.fast: FastNetwork | None = None

    @classmethod
    def load(cls, source: str | Path | None = None, precision: Precision = "reference") -> Retriever:
        """A shipped model by name (default `lite`) or a folder written by `save_retriever`.

        Raises WeightsError when the folder or a file is missing, or when the weights do not fit the settings, and
        ReIDError for a precision that there is not.
        """
        one_of(precision, "precision", get_args(Precision))
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load as read_tensors

        from reidr.retrieval.embedders.network import build_network

        folder = find_model(source)
        settings_path, weights_path = folder / SETTINGS_FILE, folder / WEIGHTS_FILE
        for path in (settings_path, weights_path):
            if not path.is_file():
                raise WeightsError(f"{path}: missing; a retriever folder holds {SETTINGS_FILE} and {WEIGHTS_FILE}")
        # Read once: what is hashed below is what is loaded, even where somebody writes a new checkpoint meanwhile.
        stored, tensors = settings_path.read_bytes(), weights_path.read_bytes()
        settings, record = read_settings(stored, settings_path)
        try:
            weights = {key: value.float() for key, value in read_tensors(tensors).items()}
        except SafetensorError as error:
            raise WeightsError(f"{weights_path}: not a whole safetensors file ({error})") from None
        network = build_network(settings)
        wanted = network.state_dict()
        resized = [key for key in weights if key in wanted and weights[key].shape != wanted[key].shape]
        if resized:
            key = resized[0]
            found, asked = tuple(weights[key].shape), tuple(wanted[key].shape)
            raise WeightsError(f"{weights_path}: does not fit {settings_path.name}: {key} is {found}, not {asked}")
        missing, unexpected = network.load_state_dict(weights, strict=False)
        # Batch counters are not shipped; nothing reads them at inference.
        missing = [key for key in missing if not key.endswith("num_batches_tracked")]
        if missing or unexpected:
            raise WeightsError(
                f"{weights_path}: does not fit {settings.backbone}: lacks {missing[:3]}, has extra {unexpected[:3]}"
            )
        digest = hashlib.sha256(hashed_settings(stored))
        digest.update(tensors)
        if settings.backbone == "transformers" and settings.backbone_folder is not None:
            # That folder's file says how such a trunk computes; the weights alone do not decide it.
            digest.update((Path(settings.backbone_folder) / "config.json").read_bytes())
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        retriever = cls(network, folder.name, digest.hexdigest(), record.trained_on, record.thresholds, record.held_out)
        retriever.attributes, retriever.recogniser = record.attributes, record.recogniser
        retriever.threshold_crops = record.threshold_crops
        return retriever.computed_fast() if precision == "fast" else retriever

    def computed_fast(self) -> Retriever:
        """The same retriever with an inference copy of its network that is several times faster on processors.

        Its embeddings differ a little (`precision.py`), so it has another fingerprint. `network` stays as it was.
        """
        from reidr.retrieval.embedders.fast_network import FastNetwork

        if self.fast is not None:
            return self
        found = copy.copy(self)
        found.fast = FastNetwork(self.network)
        found.name = f"{self.name} (fast)"
        found.fingerprint = fast_fingerprint(self.fingerprint, found.fast.arithmetic)
        return found

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) to which every picture is resized."""
        return self.settings.height, self.settings.width

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """(N, settings.size) float32 unit rows for N RGB pictures of any size."""
        import torch
        from torch.nn import functional

        from reidr.retrieval.embedders.preprocess import normalise, resize

        settings = self.settings
        if not pictures:
            return np.empty((0, settings.size), dtype=np.float32)
        batch = np.stack([resize(picture, settings.height, settings.width) for picture in pictures])
        with torch.inference_mode():
            if self.fast is not None:
                return np.asarray(self.fast.embed(batch).numpy())
            pixels = normalise(batch, settings.mean, settings.std)
            features = functional.normalize(self.network(pixels), dim=1)
            if settings.flip:
                mirrored = pixels.flip(3).contiguous(memory_format=torch.channels_last)
                features = functional.normalize(features + functional.normalize(self.network(mirrored), dim=1), dim=1)
        return features.numpy()


@dataclass(frozen=True)
class TrainingRecord:
    """What a retriever's settings file says of its training; the fields of `Retriever`."""

    trained_on: tuple[str, ...]
    thresholds: Mapping[str, float]
    held_out: tuple[float, int] | None
    attributes: Calibrations
    recogniser: str | None
    threshold_crops: float | None


def read_settings(stored: bytes, where: Path) -> tuple[NetworkSettings, TrainingRecord]:
    """The content of a settings file. Raises WeightsError that begins with `where` for anything else."""
    from reidr.retrieval.embedders.network_settings import NetworkSettings

    try:
        content = json.loads(stored.decode("utf-8"))
        settings = NetworkSettings.model_validate(content["network"])
        trained = content.get("trained", {})
        pictures, recipe = trained.get("pictures", {}), trained.get("recipe")
        record = TrainingRecord(
            tuple(TrainingData(name, pictures.get(name, ())) for name in trained.get("data", {})),
            dict(trained.get("thresholds", {})),
            None if recipe is None else (float(recipe["held_out_share"]), int(recipe["seed"])),
            {
                family: {value: ValueCalibration(**own) for value, own in values.items()}
                for family, values in trained.get("attributes", {}).items()
            },
            None if content.get("recogniser") is None else str(content["recogniser"]),
            crops_where_chosen(trained.get(THRESHOLD_CROPS)),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{where}: not a retriever's settings ({' '.join(str(error).split())})") from None
    return settings, record


def crops_where_chosen(stored: float | None) -> float | None:
    """The stored number of crops; None where there is none. Raises ValueError or TypeError for what is no number."""
    if stored is None:
        return None
    crops = float(stored)
    if not 0.0 < crops < float("inf"):
        raise ValueError(f"{THRESHOLD_CROPS} must be a number of crops, not {stored}")
    return crops


def hashed_settings(stored: bytes) -> bytes:
    """What of a settings file's content decides the fingerprint: all but how many crops thresholds were chosen among.

    That number says how near strangers come and changes no embedding. Galleries and inference profiles are bound to
    the fingerprint, and must stay so where the number is added to a retriever that was trained before there was one.
    """
    content = json.loads(stored.decode("utf-8"))
    trained = content.get("trained", {})
    if THRESHOLD_CROPS not in trained:
        return stored
    rest = {name: value for name, value in trained.items() if name != THRESHOLD_CROPS}
    return settings_text(content | {"trained": rest}).encode("utf-8")


def settings_text(content: Mapping[str, object]) -> str:
    """A settings file as it is written: `hashed_settings` needs the very same bytes."""
    return json.dumps(content, indent=2) + "\n"


def find_model(source: str | Path | None) -> Path:
    """The folder of a shipped model's name, or `source` itself when it is a folder. Raises WeightsError otherwise."""
    if source is None:
        source = DEFAULT
    if (SHIPPED / str(source) / SETTINGS_FILE).is_file():
        return SHIPPED / str(source)
    if Path(source).is_dir():
        return Path(source)
    shipped = ", ".join(sorted(path.parent.name for path in SHIPPED.glob(f"*/{SETTINGS_FILE}"))) or "none"
    raise WeightsError(f"{source}: neither a shipped retriever ({shipped}) nor a folder with a trained one")


def save_retriever(network: RetrieverNetwork, folder: Path, trained: dict[str, object]) -> None:
    """Write settings, safetensors in half precision (vectors in full) and `trained`, a record of the training."""
    import torch

    prepare_folder(folder)
    # Vectors (norm statistics among them, some below what half precision can hold) cost nothing in full precision.
    weights = {
        key: value.detach().to(torch.float16 if value.ndim > 1 else torch.float32).contiguous()
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    save_safetensors(weights, folder / WEIGHTS_FILE)
    content = {"network": network.settings.model_dump(mode="json"), "trained": trained}
    write_text(folder / SETTINGS_FILE, settings_text(content))
