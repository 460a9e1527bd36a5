"""From a run of `joint.py` to a retriever: averaged weights, calibration and thresholds on people never seen."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from joint import SHARES, STREETS, crops_of

from reidr.core.progress import progress
from reidr.core.run import environment
from reidr.data.attribute_sources import facts_of
from reidr.data.load import load_dataset
from reidr.data.sketch import sketch_of
from reidr.retrieval.embedders.network import build_network
from reidr.retrieval.embedders.network_settings import NetworkSettings
from reidr.retrieval.embedders.retriever import Retriever, save_retriever
from reidr.training.common.identities import hold_out_identities
from reidr.training.recipes.retriever import AttributeTraining, RetrieverRecipe
from reidr.training.retriever.attributes.people import calibrated_attributes, recognising
from reidr.training.retriever.thresholds import choose_thresholds

SETS = ("market1501", "cuhk03-np-train", "peta")


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--data", type=Path, default=Path("../shared/data"))
    wanted.add_argument("--run", type=Path, required=True)
    wanted.add_argument("--model", type=Path, required=True)
    export(wanted.parse_args())


def export(asked: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    photos, drawn = crops_of(asked)
    kept, held_out = hold_out_identities([*photos, *drawn], 0.1, 0)
    described = [crop for crop in held_out if facts_of(crop.attributes)]
    searched = tuple(crop for crop in held_out if str(crop.person).split(":")[0] in SETS[:2])
    reading = AttributeTraining(
        data=("market1501", "peta"), streets=len(STREETS), street_seed=STREETS[0], street_share=SHARES["street"]
    )
    recipe = RetrieverRecipe(
        data=SETS[:2],
        network=NetworkSettings(height=192, width=96),
        frozen_blocks=3,
        attribute_recognition=reading,
    )
    network = build_network(recognising(recipe.network, reading.width))
    averaged = torch.load(asked.run / "state.pt", weights_only=True)["ema"]
    for prefix, part in (("module.0.", network), ("module.1.", network.attribute_branch)):
        own = {name.removeprefix(prefix): value for name, value in averaged.items() if name.startswith(prefix)}
        missing, unexpected = part.load_state_dict(own, strict=False)
        assert not unexpected
        assert all(name.startswith("attribute_branch.") for name in missing), missing
    network.eval()
    datasets = [load_dataset(asked.data / name) for name in SETS]
    facts: dict[str, object] = {
        "data": {dataset.name: len(dataset.train) for dataset in datasets},
        "pictures": {dataset.name: sketch_of(dataset) for dataset in datasets},
        "images": len(kept),
        "identities": len({crop.person for crop in kept}),
        "held_out_identities": len({crop.person for crop in held_out}),
        "recipe": recipe.model_dump(mode="json", exclude={"network"}),
        "environment": environment(),
    }
    calibrations = calibrated_attributes(network, described, reading.cut, recipe.seed)
    facts["attributes"] = {
        family: {value: vars(own) for value, own in values.items()} for family, values in calibrations.items()
    }
    save_retriever(network, asked.model, facts)
    facts |= choose_thresholds(searched, Retriever.load(asked.model), 0, progress).facts()
    save_retriever(network, asked.model, facts)


if __name__ == "__main__":
    main()
