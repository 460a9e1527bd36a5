"""Build the reasoner behind a trained vision encoder and train its language model and attribute head."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reidr.core.progress import progress
from reidr.core.run import Run
from reidr.core.storage.files import filling, torch_save
from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.training.recipes.pretraining import PretrainingRecipe

if TYPE_CHECKING:
    from reidr.reasoning.inference.crop_features import CropFeatures
    from reidr.reasoning.nano.attribute_head import AttributeHead
    from reidr.retrieval.embedders.network import RetrieverNetwork

PROJECTION_CROPS = 5000  # crops to which the attribute head's projection into tokens is first fitted


def train_reasoner(
    recipe: PretrainingRecipe, run: Run, network: RetrieverNetwork, crops: Sequence[Crop]
) -> list[dict[str, float]]:
    """Train connector, language model and attribute head behind the vision encoder `network` on `crops`.

    Saves the checkpoint in the run's `model` folder; returns the log of the last training of the language model.
    """
    import torch

    from reidr.reasoning.inference.crop_features import CropFeatures
    from reidr.reasoning.models.checkpoint import save_checkpoint
    from reidr.reasoning.nano.build import build_convolutional
    from reidr.training.common.device import training_device
    from reidr.training.pretraining.example_source import ExampleSource
    from reidr.training.pretraining.language_model import train_language_model
    from reidr.training.pretraining.templates import vocabulary_corpus
    from reidr.training.pretraining.visibility import mark_hidden_attributes

    torch.manual_seed(recipe.seed)
    words = vocabulary_corpus(np.random.default_rng(recipe.seed))
    model: Any
    model, processor = build_convolutional(words, network, seed=recipe.seed, **recipe.language.model_dump())
    model.to(training_device())
    where = run.folder / "model"
    check_same_tokenizer(where, processor)
    with progress("computing vision features", len(crops)) as advance:
        features = CropFeatures(model, processor, [crop.open for crop in crops], learning="connector", advance=advance)
    crops = mark_hidden_attributes(crops, features)
    with progress("training the language model", recipe.steps) as advance:
        source = ExampleSource(crops, processor, recipe)
        log = train_language_model(recipe, source, run.folder, model, features, advance)
    if recipe.attribute_head_steps:
        model = add_attribute_head(recipe, run, model, crops, features)
        second = recipe.second_pass
        with progress("training the language model with the attribute head", second.steps) as advance:
            source = ExampleSource(crops, processor, second)
            folder = run.path("second_pass/log.jsonl").parent
            log = train_language_model(second, source, folder, model, features, advance)
    save_checkpoint(model.half(), None, where)
    return log


def add_attribute_head(
    recipe: PretrainingRecipe, run: Run, model: Any, crops: Sequence[Crop], features: CropFeatures
) -> Any:
    """The model with a trained attribute head; `features` then hold what the head recognises in each crop."""
    from reidr.reasoning.nano.build import with_attribute_head
    from reidr.training.common.device import training_device
    from reidr.training.pretraining.attribute_head import (
        fit_projection,
        probabilities_of,
        probabilities_out_of_fold,
        values_of,
    )

    model = with_attribute_head(model, values_of(crops), recipe.seed)
    model.to(training_device())
    features.serve(model)
    visual, folds = model.model.visual, recipe.attribute_head_folds
    untrained = copy.deepcopy(visual.attribute_head)
    _train_head(recipe, run, crops, visual.attribute_head, features)
    if folds > 1:
        with progress("training attribute heads out of fold", folds * recipe.attribute_head_steps) as advance:
            recognised = probabilities_out_of_fold(recipe, crops, untrained, features, run.folder, advance)
    else:
        recognised = probabilities_of(visual.attribute_head, features, range(len(crops)))
    some = np.random.default_rng(recipe.seed).permutation(len(crops))[:PROJECTION_CROPS].tolist()
    fit_projection(visual, features, some, recognised[some])
    features.use_attributes(recognised)
    return model


def _train_head(
    recipe: PretrainingRecipe, run: Run, crops: Sequence[Crop], attribute_head: AttributeHead, features: CropFeatures
) -> None:
    """Train the attribute head, or load it where an earlier start of this run has finished it."""
    import torch

    from reidr.training.pretraining.attribute_head import train_attribute_head

    path = run.path("attribute_head.pt")
    if path.is_file():
        attribute_head.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return
    started = time.perf_counter()
    with progress("training the attribute head", recipe.attribute_head_steps) as advance:
        losses = train_attribute_head(recipe, crops, attribute_head, features, advance)
    torch_save(attribute_head.state_dict(), path)
    last = losses[-100:]
    run.finish(
        "attribute_head", started, attributes=list(attribute_head.reads), last_loss=round(sum(last) / len(last), 4)
    )


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
