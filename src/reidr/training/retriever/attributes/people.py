"""The people that the attribute branch learns from, and those that it is calibrated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from reidr.core.progress import progress
from reidr.data.attribute_sources import facts_of
from reidr.data.join import join_training
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.data.types import Crop, ReIDDataset
from reidr.data.vocabulary import VOCABULARY
from reidr.errors import DataError, RecipeError
from reidr.retrieval.embedders.network import NetworkSettings, RetrieverNetwork
from reidr.retrieval.embedders.preprocess import decode, normalise
from reidr.training.pretraining.streets import of_street
from reidr.training.recipes.retriever import AttributeTraining
from reidr.training.retriever.attributes.calibrate import Calibrations, calibrate
from reidr.training.retriever.attributes.cutting import cut_pictures
from reidr.training.retriever.attributes.targets import marks_of
from reidr.training.retriever.attributes.task import together

BATCH = 64


def recognising(network: NetworkSettings, width: int) -> NetworkSettings:
    """The settings of a network that recognises the whole vocabulary besides, from features of `width` values."""
    attributes = {family.name: family.values for family in VOCABULARY}
    return network.model_copy(update={"attributes": attributes, "attribute_width": width})


def described_people(reading: AttributeTraining, datasets: Sequence[ReIDDataset], folder: Path) -> tuple[Crop, ...]:
    """The crops of which anything is known: of the photo sets, and of streets rendered into `folder`.

    Raises DataError where nothing is known of anybody.
    """
    crops = [*join_training(datasets), *drawn_people(reading, folder)]
    known = tuple(crop for crop in crops if crop.person is not None and facts_of(crop.attributes))
    if not known:
        raise DataError(f"nothing is known of what the people of {', '.join(reading.data)} wear")
    return known


def drawn_people(reading: AttributeTraining, folder: Path) -> list[Crop]:
    """Crops of rendered streets, two of each person."""
    settings = StreetSettings(
        train_people=reading.street_people,
        cameras_per_person=2,
        queries_per_person=1,
        crops_per_camera=1,
        distractors=0,
        junk=0,
    )
    crops: list[Crop] = []
    if not reading.streets:
        return crops
    with progress("rendering described people", reading.streets) as advance:
        for seed in range(reading.street_seed, reading.street_seed + reading.streets):
            crops += (
                of_street(seed, crop) for crop in render_street(folder / str(seed), replace(settings, seed=seed)).train
            )
            advance(1)
    return crops


def check_somebody_is_held_out(held_out: Sequence[Crop]) -> None:
    """Raise RecipeError where there is nobody to calibrate on: before anything is trained."""
    if not held_out:
        raise RecipeError(
            "attribute_recognition: no described person is held out, and probabilities are calibrated on such people; "
            "raise held_out_share or give more people"
        )


@torch.inference_mode()
def calibrated_attributes(
    network: RetrieverNetwork, crops: Sequence[Crop], cut_share: float, seed: int
) -> Calibrations:
    """The calibration of every value on held-out `crops`, a `cut_share` of them cut as in training."""
    settings = network.settings
    values, stated = marks_of(crops)
    random = np.random.default_rng((seed, 1))
    pixels, cut = cut_pictures(decode(crops, settings.height, settings.width), cut_share, random)
    read = []
    with progress("calibrating attributes", len(crops)) as advance:
        for start in range(0, len(crops), BATCH):
            batch = normalise(pixels[start : start + BATCH], settings.mean, settings.std)
            both = [network.recognise_attributes(each) for each in (batch, batch.flip(3))]
            read.append([(one + other).numpy() / 2 for one, other in zip(*both, strict=True)])
            advance(len(batch))
    logits = np.concatenate([each[0] for each in read]), np.concatenate([each[1] for each in read])
    return calibrate(logits, values, together(stated, cut), crops)
