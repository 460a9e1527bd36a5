"""Build the reasoner behind a trained vision encoder and train its language model."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reidr.core.progress import progress
from reidr.core.run import Run
from reidr.core.storage.files import filling
from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.training.recipes.pretraining import PretrainingRecipe

if TYPE_CHECKING:
    from reidr.retrieval.embedders.retriever import Retriever


def train_reasoner(
    recipe: PretrainingRecipe, run: Run, vision_encoder: Retriever, crops: Sequence[Crop]
) -> list[dict[str, float]]:
    """Train connector and language model behind the network of `vision_encoder` on `crops`.

    Saves the checkpoint in the run's `model` folder; returns the log of the training.
    """
    import torch

    from reidr.reasoning.inference.crop_features import CropFeatures
    from reidr.reasoning.models.checkpoint import save_checkpoint
    from reidr.reasoning.nano.build import build_convolutional
    from reidr.training.common.device import training_device
    from reidr.training.pretraining.example_source import ExampleSource
    from reidr.training.pretraining.language_model import train_language_model
    from reidr.training.pretraining.templates import vocabulary_corpus
    from reidr.training.pretraining.visible import visible_crops

    torch.manual_seed(recipe.seed)
    words = vocabulary_corpus(np.random.default_rng(recipe.seed))
    model: Any
    model, processor = build_convolutional(
        words,
        vision_encoder.network,
        calibrations=vision_encoder.attributes,
        seed=recipe.seed,
        **recipe.language.model_dump(),
    )
    model.to(training_device())
    where = run.folder / "model"
    check_same_tokenizer(where, processor)
    with progress("computing vision features", len(crops)) as advance:
        features = CropFeatures(model, processor, [crop.open for crop in crops], learning="connector", advance=advance)
    source = ExampleSource(visible_crops(crops, features), processor, recipe)
    with progress("training the language model", recipe.steps) as advance:
        log = train_language_model(recipe, source, run.folder, model, features, advance)
    save_checkpoint(model.half(), None, where)
    return log


def check_same_tokenizer(where: Path, processor: Any) -> None:
    """Keep the tokenizer when a run begins; raise ReIDError where a resumed run would use another one.

    The tokenizer is built from the sentence templates, which may have changed since.
    """
    began = where / "tokenizer.json"
    if not began.is_file():
        with filling(where, last=began.name) as folder:
            processor.save_pretrained(folder)
        return
    with tempfile.TemporaryDirectory(prefix="reidr-tokenizer-") as scratch:
        processor.save_pretrained(scratch)
        same = (Path(scratch) / began.name).read_bytes() == began.read_bytes()
    if not same:
        raise ReIDError(
            f"{where}: the sentence templates have changed since this run began; give a new folder with --run"
        )
