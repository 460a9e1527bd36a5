"""The vision encoder of a shipped reasoner as a pretraining run, so that what follows it is repeated without its hours.

    python research/scripts/continue_pretraining.py nano --run runs/pretraining

Afterwards `reidr pairs` can be mined with it, and `reidr train pretraining nano --run runs/pretraining` trains the language
model alone behind it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from reidr.core.run import Run, content_hash
from reidr.data.vocabulary import CANNOT_BE_SEEN
from reidr.reasoning.models.checkpoint import find_checkpoint, load_model
from reidr.reasoning.nano.attributes import RecognisedAttributes
from reidr.retrieval.embedders.retriever import save_retriever
from reidr.training.pretraining.finished import VISION_ENCODER
from reidr.training.pretraining.people import split_people
from reidr.training.recipes.find import stage_values
from reidr.training.recipes.pretraining import PretrainingRecipe


def calibrations_of(attributes: RecognisedAttributes) -> dict[str, dict[str, dict[str, float]]]:
    """What `RecognisedAttributes.calibrate` was given; values that were never calibrated are left out."""
    pairs = [(name, value) for name, values in attributes.families.items() for value in values]
    shares = [*attributes.shares.tolist(), *[0.0] * attributes.rows]
    pairs += [(name, CANNOT_BE_SEEN) for name in attributes.families]
    found: dict[str, dict[str, dict[str, float]]] = {}
    numbers = zip(pairs, attributes.slopes.tolist(), attributes.offsets.tolist(), shares, strict=True)
    for (family, value), slope, offset, share in numbers:
        if slope:
            found.setdefault(family, {})[value] = {"slope": slope, "offset": offset, "share": share}
    return found


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted.add_argument("reasoner", help="nano or nano-street, or a folder")
    wanted.add_argument("--recipe", help="its recipe; as the reasoner is called, unless told")
    wanted.add_argument("--run", type=Path, required=True)
    asked = wanted.parse_args()
    values, source = stage_values(asked.recipe or asked.reasoner, "pretraining", {})
    recipe = PretrainingRecipe.from_values(values, source)
    people = split_people(recipe, source)
    data = {name: content_hash([crop.id for crop in crops]) for name, crops in vars(people).items()}
    settings = recipe.model_dump(mode="json")
    Run(asked.run, "train pretraining", settings, data, defaults=recipe.defaults())
    model = load_model(find_checkpoint(asked.reasoner)[0], local_files_only=True, device="cpu", dtype=torch.float32)
    visual = model.model.visual
    facts: dict[str, object] = {"recipe": settings, "attributes": calibrations_of(visual.attributes)}
    save_retriever(visual.vision_encoder, asked.run / VISION_ENCODER, facts)
    print(f"wrote {asked.run / VISION_ENCODER}")


if __name__ == "__main__":
    main()
