"""The vision encoder of the small reasoner: trained on identities and attributes, then calibrated."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from reidr.core.progress import progress
from reidr.core.run import Run
from reidr.core.storage.files import make_folder
from reidr.data.person_key import dataset_of
from reidr.data.types import Crop
from reidr.errors import RecipeError
from reidr.retrieval.embedders.network import RetrieverNetwork
from reidr.retrieval.embedders.network_settings import NetworkSettings
from reidr.retrieval.embedders.retriever import SETTINGS_FILE, Retriever, save_retriever
from reidr.training.common.identities import STREET, SplitCrops, family_of, split_identities
from reidr.training.pretraining.finished import VISION_ENCODER
from reidr.training.pretraining.streets import street_people
from reidr.training.recipes.data_sets import load_training_data
from reidr.training.recipes.pretraining import PretrainingRecipe
from reidr.training.recipes.retriever import AttributeTraining, EmbedderTraining
from reidr.training.retriever.attributes.people import (
    calibrated_attributes,
    check_somebody_is_held_out,
    described_people,
    recognising,
)
from reidr.training.retriever.attributes.task import AttributeTask
from reidr.training.retriever.train import train_retriever


def train_vision_encoder(
    recipe: PretrainingRecipe, run: Run, people: SplitCrops, source: str
) -> tuple[Retriever, tuple[Crop, ...]]:
    """The vision encoder, and described crops of photographed people it was not trained on, of other data sets.

    Its trainings follow one another, each resumable; what it recognises is calibrated on held-out people. Where the
    run has one already, that is loaded. Raises RecipeError where no training learns to recognise attributes.
    """
    reading = reading_of(recipe)
    described = described_people(reading, load_training_data(reading.data, source), run.folder / "described-streets")
    split = split_identities(described, recipe.held_out_share, recipe.reasoning_share, recipe.split_seed)
    own = {dataset_of(crop.person) for part in vars(people).values() for crop in part}
    more = tuple(
        crop for crop in split.reasoning if family_of(str(crop.person)) != STREET and dataset_of(crop.person) not in own
    )
    folder = run.folder / VISION_ENCODER
    if not (folder / SETTINGS_FILE).is_file():
        check_somebody_is_held_out(split.held_out)
        started = time.perf_counter()
        network, crops = trained(
            recipe, run.folder, people.vision_encoder, AttributeTask(reading, split.vision_encoder)
        )
        calibrations = calibrated_attributes(network, split.held_out, reading.cut, recipe.split_seed)
        facts = {
            "images": len(crops),
            "identities": len({crop.person for crop in crops}),
            "recipe": recipe.model_dump(mode="json"),
            "attributes": {
                name: {value: vars(each) for value, each in values.items()} for name, values in calibrations.items()
            },
        }
        save_retriever(network, folder, facts)
        run.finish("vision_encoder", started, images=len(crops), identities=facts["identities"])
    return Retriever.load(folder), more


def reading_of(recipe: PretrainingRecipe) -> AttributeTraining:
    """How the vision encoder learns to recognise attributes. Raises RecipeError where it does not."""
    found = [each.attribute_recognition for each in recipe.vision_encoder if each.attribute_recognition is not None]
    if not found:
        raise RecipeError("vision_encoder: no training has attribute_recognition, so there would be nothing to say")
    return found[-1]


def trained(
    recipe: PretrainingRecipe, folder: Path, photos: Sequence[Crop], task: AttributeTask
) -> tuple[RetrieverNetwork, list[Crop]]:
    """The network after all trainings, and the crops whose identities it learned."""
    crops = list(photos)
    if recipe.vision_encoder_street_people:
        street = folder / "vision_encoder-street"
        crops += street_people(street, recipe.vision_encoder_street_people, recipe.street_seed)
    network: RetrieverNetwork | None = None
    width = 0
    for number, training in enumerate(recipe.vision_encoder, start=1):
        reads = training.attribute_recognition
        width = width if reads is None else reads.width
        settings = recognising(training.network, width) if width else training.network
        network = one_training(training, settings, crops, folder / f"vision_encoder-{number}", network, task)
    assert network is not None
    return network, crops


def one_training(
    training: EmbedderTraining,
    settings: NetworkSettings,
    crops: Sequence[Crop],
    folder: Path,
    start: RetrieverNetwork | None,
    task: AttributeTask,
) -> RetrieverNetwork:
    """One training of the list; `settings` are its network's, attributes included once they are learned."""
    make_folder(folder)
    reads = training.attribute_recognition is not None
    with progress(
        f"training the vision encoder at {settings.height} x {settings.width} pixels", training.epochs
    ) as advance:
        return train_retriever(
            training.model_copy(update={"network": settings}), crops, folder, advance, start, task if reads else None
        )
